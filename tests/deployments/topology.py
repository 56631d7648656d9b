"""What deployments/compose.yaml starts, as plain processes: its commands and variables, other addresses."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg2
from moto.server import ThreadedMotoServer

from data_contracts.load import read_yaml
from flows.environment import answers
from tests.postgres import postgres_server

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = ROOT / "deployments"
COMPOSE = read_yaml(DEPLOYMENTS / "compose.yaml")
START_S = 120
VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}")
PASSWORDS = {
    name: f"{name.lower().replace('_', '')}ofthetest0123456789"
    for name in ("POSTGRES_PASSWORD", "S3_PASSWORD", "PREFECT_PASSWORD", "MLFLOW_PASSWORD", "MLFLOW_SECRET_KEY")
}


@dataclass
class Topology:
    """The services of the file in a folder. `moved` says what stands in for an address or a folder of a container."""

    folder: Path
    moved: dict[str, str] = field(default_factory=dict)

    @property
    def prefect(self) -> str:
        return self.moved["http://prefect:4200"] + "/api"

    @property
    def mlflow(self) -> str:
        return self.moved["http://mlflow:5000"]

    @property
    def project(self) -> Path:
        """Working folder of the worker, with use cases of its own."""
        return self.folder / "project"

    def variables(self, service: str) -> dict[str, str]:
        """The environment of a service, as a person at a terminal would set it."""
        return {name: self._here(str(value)) for name, value in COMPOSE["services"][service]["environment"].items()}

    def command(self, service: str) -> list[str]:
        return [self._here(word) for word in COMPOSE["services"][service]["command"]]

    def start(self, service: str, folder: Path = ROOT, **further: str) -> "subprocess.Popen[bytes]":
        """A service as a process of its own group; its output is in service.log."""
        with self.log(service).open("ab") as log:
            return subprocess.Popen(
                self.command(service),
                cwd=folder,
                env={**clean_environment(), **self.variables(service), **further},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def artifacts(self) -> list[str]:
        """Keys in the bucket."""
        found = _s3_client(self.moved["http://storage:9000"]).list_objects_v2(Bucket="mlflow")
        return [item["Key"] for item in found.get("Contents", [])]

    def _here(self, text: str) -> str:
        known = VARIABLE.sub(lambda found: PASSWORDS[found[1]], text)
        for there, here in self.moved.items():
            known = known.replace(there, here)
        return known


@contextmanager
def topology(folder: Path) -> Iterator[Topology]:
    """Both servers, up and answering, on PostgreSQL and an object store."""
    (folder / "project").mkdir(parents=True)
    with ExitStack() as stack:
        place = Topology(folder)
        place.moved |= _folders(folder) | _ports()
        place.moved["postgres:5432"] = urlsplit(stack.enter_context(_databases())).netloc.rpartition("@")[2]
        place.moved["http://storage:9000"] = stack.enter_context(_s3())
        for service, health in {"prefect": f"{place.prefect}/health", "mlflow": f"{place.mlflow}/health"}.items():
            process = place.start(service)
            stack.callback(end, process)
            await_that(lambda url=health: answers(url), process, place.log(service))
        yield place


def clean_environment() -> dict[str, str]:
    """This process's own without what it knows of other servers; the commands of this installation come first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def await_that(condition: Callable[[], Any], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=60)


def _folders(folder: Path) -> dict[str, str]:
    """/app last: it is a part of the others' names."""
    (folder / "mlflow").mkdir()
    ini = (DEPLOYMENTS / "mlflow_auth.ini").read_text().replace("/var/lib/mlflow", str(folder / "mlflow"))
    (folder / "mlflow_auth.ini").write_text(ini)
    return {
        "/app/deployments/mlflow_auth.ini": str(folder / "mlflow_auth.ini"),
        "/var/lib/tunegate": str(folder / "home"),
        "/var/lib/prefect": str(folder / "prefect"),
    }


def _ports() -> dict[str, str]:
    """Free ones for those that the file names. An address comes before the port in it."""
    prefect, mlflow, health = (str(_free_port()) for _ in range(3))
    here = "http://127.0.0.1:"
    servers = {"http://prefect:4200": here + prefect, "http://mlflow:5000": here + mlflow}
    listening = {"--port=5000": f"--port={mlflow}", "127.0.0.1:5000": f"127.0.0.1:{mlflow}", "0.0.0.0": "127.0.0.1"}
    return {**servers, **listening, "4200": prefect, "8080": health}


@contextmanager
def _databases() -> Iterator[str]:
    """A server with the databases of postgres.sql."""
    statements = re.findall(r"^create database \w+;", (DEPLOYMENTS / "postgres.sql").read_text(), re.MULTILINE)
    with postgres_server() as server:
        connection = psycopg2.connect(f"{server}postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()
        yield server


@contextmanager
def _s3() -> Iterator[str]:
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    _s3_client(f"http://{host}:{port}").create_bucket(Bucket="mlflow")
    try:
        yield f"http://{host}:{port}"
    finally:
        store.stop()


def _s3_client(url: str) -> Any:
    keys = {"aws_access_key_id": "tunegate", "aws_secret_access_key": PASSWORDS["S3_PASSWORD"]}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
