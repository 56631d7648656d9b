"""What else a trial talks to, S3, MLflow and Prefect, failing or gone, each behind a proxy that can be told to fail."""

import logging
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.chaos.faulty_proxy import Fault, FaultyProxy, Gate, faulty_proxy
from tests.chaos.full import CommandPlace, Servers
from tests.chaos.judge import Undisturbed, endings, problems
from tests.chaos.person import DONE, RESUMABLE, Attempt, Course, see_through
from tests.chaos.place import Place, make_place
from tests.chaos.processes import Forks
from tests.chaos.use_case import chaos_use_case

BUCKET = "chaos"
KINDS = ("reset", "500", "503", "403", "html", "cut", "hang", "lost")
S3 = {"list": "GET /chaos.*list-type", "head": "HEAD /chaos/", "get": r"GET /chaos/rows"}
MLFLOW = {
    "experiment": "experiments/",
    "create run": "runs/create",
    "search": "runs/search",
    "metrics": "runs/log-batch",
    "inputs": "runs/log-inputs",
    "artifact": "PUT .*mlflow-artifacts",
    "logged model": "logged-models",
    "registered model": "registered-models/create",
    "version": "model-versions/create",
    "alias": "registered-models/alias",
    "end of run": "runs/update",
}
QUICK = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "2",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
PREFECT_OUTAGES = 6


@dataclass(frozen=True)
class Outage:
    """One fault of one call to one of them; it lasts until the first stop, when a person mends it."""

    where: str
    call: str
    kind: str

    @property
    def name(self) -> str:
        """Such as `mlflow version lost`."""
        return f"{self.where} {self.call} {self.kind}"

    @property
    def fault(self) -> Fault:
        """For the proxy. An answer that got lost, or is cut, gets lost once."""
        matches = (S3 if self.where == "s3" else MLFLOW)[self.call]
        return Fault(matches, self.kind, times=1 if self.kind in ("lost", "cut") else None)


def outages() -> list[Outage]:
    """All of them."""
    s3 = [Outage("s3", call, kind) for call in S3 for kind in KINDS]
    mlflow = [Outage("mlflow", call, kind) for call in MLFLOW for kind in KINDS]
    return [*s3, *mlflow, *(Outage("prefect", "server", f"gone {number}") for number in range(PREFECT_OUTAGES))]


class Neighbours:
    """S3, MLflow and Prefect with their proxies, each started when it is first needed."""

    def __init__(self, folder: Path, stack: ExitStack, servers: Callable[[], Servers]) -> None:
        self._folder, self._stack, self._servers = folder, stack, servers
        self._one_at_a_time = threading.RLock()

    @cached_property
    def s3(self) -> str:
        """Address of a store that holds the rows."""
        import boto3
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self._stack.callback(server.stop)
        host, port = server.get_host_and_port()
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
        client.create_bucket(Bucket=BUCKET)
        rows = chaos_use_case(self._folder / "rows").with_name("rows.jsonl")
        client.put_object(Bucket=BUCKET, Key="rows/rows.jsonl", Body=rows.read_bytes())
        return f"http://{host}:{port}"

    @property
    def servers(self) -> Servers:
        """Prefect's and MLflow's."""
        with self._one_at_a_time:
            return self._running

    @cached_property
    def _running(self) -> Servers:
        return self._servers()

    @contextmanager
    def behind_proxy(self, outage: Outage) -> Iterator[FaultyProxy]:
        """The proxy of the one that fails."""
        with self._one_at_a_time:
            target = self.s3 if outage.where == "s3" else self.servers.tracking_uri
        with faulty_proxy(target) as proxy:
            yield proxy


def try_outage(
    forks: Forks, folder: Path, outage: Outage, near: Neighbours, expected: Undisturbed
) -> tuple[list[str], Course]:
    """What is wrong with how a trial takes it (nothing: survived, or stopped and resumed), and its course."""
    if outage.where == "prefect":
        return _without_prefect(forks, folder, outage, near.servers, expected)
    with near.behind_proxy(outage) as proxy:
        place = _place(forks, folder, outage, proxy, near)
        proxy.faults.append(outage.fault)
        course = see_through(place, [Attempt()], proxy.faults.clear)
        refused = (2,) if outage.where == "s3" and outage.kind in ("html", "cut") else ()  # of a HEAD without its sizes
        found = endings(course, (DONE, RESUMABLE, *refused), (DONE, *refused))
        if course.exits[-1] == DONE:
            found += problems(place, course, expected, lenient=outage.where == "s3")
        place.close(keep=bool(found))
    return found, course


def _place(forks: Forks, folder: Path, outage: Outage, proxy: FaultyProxy, near: Neighbours) -> Place:
    name, case = f"n{folder.name.replace('-', '')}", folder.with_name(f"case-{folder.name}")
    if outage.where == "s3":
        source: dict[str, Any] = {"files": [{"path": f"s3://{BUCKET}/rows/"}], "endpoint_url": proxy.url}
        place = make_place(forks, folder, chaos_use_case(case, source=source))
        place.environment.update(QUICK)
        return place
    place = make_place(forks, folder, chaos_use_case(case, name=name))
    place.name, place.store = name, near.servers.store
    place.environment.update({**QUICK, "MLFLOW_TRACKING_URI": proxy.url})
    return place


def _without_prefect(
    forks: Forks, folder: Path, outage: Outage, running: Servers, expected: Undisturbed
) -> tuple[list[str], Course]:
    """The whole command, whose Prefect server goes away at some moment and comes back for the second start."""
    draw, gate = random.Random(outage.name), Gate(running.prefect_api)
    name, case = f"n{folder.name.replace('-', '')}", folder.with_name(f"case-{folder.name}")
    made = make_place(forks, folder, chaos_use_case(case, name=name))
    place = CommandPlace(forks, folder, made.use_case, made.provider, name=name, store=running.store)
    place.environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": gate.url,
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        "MLFLOW_TRACKING_URI": running.tracking_uri,
    }
    after_s = draw.uniform(3, 2 * expected.seconds + 8)
    course = see_through(place, [Attempt(outside=gate.shut, outside_after_s=after_s)], gate.reopen)
    found = endings(course, (DONE, RESUMABLE), (DONE,))
    if course.exits[-1] == DONE:
        found += problems(place, course, expected)
    gate.shut()
    place.close(keep=bool(found))
    shutil.rmtree(case, ignore_errors=True)
    return found, course
