"""Prefect's server, MLflow's and a worker as processes of one working folder: each may be killed, and goes on with what
it left behind.
"""

import json
import os
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
from uuid import UUID

from flows.environment import answers
from tests.browser.stack import OURS
from tests.chaos.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.embedded import RunningServer, embedded_server
from tests.flows.worker import Prefect, at_prefect, await_that
from tests.prefect_server import FAST

START_S = 180
SHIPPED_S, HURRIED_S = 180, 40  # without a heartbeat; one comes every 30
SERVE = """
import flows.housekeeping as house
house.SWEEP_S, house.UNHEARD_S = 3.0, 20.0
import flows.serve; flows.serve.main()
"""
Condition = Callable[[], Any]


@dataclass
class Service:
    """One process, with all that it starts, at an address that stays; without an address it needs none."""

    name: str
    words: list[str]
    folder: Path
    variables: dict[str, str]
    health: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """And wait until it answers."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.words],
                cwd=self.folder,
                env=self.variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while self.health and not answers(self.health):
            assert self.process.poll() is None, f"{self.name} did not start"
            assert time.monotonic() < deadline, f"{self.name} does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to it and to its children, wherever they put themselves."""
        if self.process is None:
            return
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            _kill(pid)
        self.process.wait()


@dataclass
class House:
    """All of them, the provider, and a person at Prefect."""

    folder: Path
    use_case: str
    provider: RunningServer
    mlflow: FaultyProxy
    variables: dict[str, str]
    prefect: Prefect
    services: dict[str, Service] = field(default_factory=dict)

    def kill(self, victim: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Kill it, let something happen, and start it again."""
        self.services[victim].kill()
        meanwhile()
        self.services[victim].start()

    @contextmanager
    def mlflow_failing(self, request: str, kind: str) -> Iterator[Condition]:
        """`METHOD path` fails for as long as the block lasts; what is yielded says whether it was asked."""
        fault = Fault(request, kind, times=None)
        self.mlflow.faults.append(fault)
        try:
            yield lambda: fault.hits
        finally:
            self.mlflow.faults.remove(fault)

    def run(self, *arguments: str) -> str:
        """`tunegate ...` in the folder; its standard output."""
        words = [sys.executable, "-c", "from flows.cli import main; main()", *arguments]
        done = subprocess.run(
            words, cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def audit(self) -> dict[str, Any]:
        """The chain behind the champion."""
        plain: dict[str, Any] = json.loads(self.run("audit", self.use_case, "--json"))
        return plain

    # ------------------------------------------------------------ flow runs

    def begin(self, deployment: str) -> UUID:
        """A run of `flow/name`, as its schedule would start it."""
        client = self.prefect.client
        found = client.read_deployment_by_name(deployment)
        return client.create_flow_run_from_deployment(found.id).id

    def flow_runs(self, flow: str) -> list[Any]:
        """Runs of a flow's deployments that are no mere plan of a schedule, the oldest first."""
        from prefect.client.schemas.filters import FlowFilter, FlowFilterName

        named = FlowFilter(name=FlowFilterName(any_=[flow]))
        found = self.prefect.client.read_flow_runs(flow_filter=named, limit=200)
        return sorted(
            (one for one in found if one.deployment_id and not one.auto_scheduled), key=lambda one: one.created
        )

    def in_state(self, flow: str, state: str) -> list[Any]:
        return [one for one in self.flow_runs(flow) if one.state_name == state]

    def ended(self, flow_run: UUID) -> Any:
        """Its state, once it is final."""
        return await_that(lambda: state if (state := self.prefect.run(flow_run).state) and state.is_final() else None)


@contextmanager
def house(folder: Path, use_case: str, within: int = SHIPPED_S) -> Iterator[House]:
    """Everything up, with what is in the folder already; its own processes end with the block.

    `within`: so many seconds after its last heartbeat a run counts as dead.
    """
    provider_port, prefect_port, mlflow_port = (free_port() for _ in range(3))
    with ExitStack() as stack:
        provider = stack.enter_context(embedded_server(folder / "provider", port=provider_port))
        proxy = stack.enter_context(faulty_proxy(f"http://127.0.0.1:{mlflow_port}"))
        api = f"http://127.0.0.1:{prefect_port}/api"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        variables = {
            **inherited,
            **FAST,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": api,
            "MLFLOW_TRACKING_URI": proxy.url,
            "TUNEGATE_HOME": str(folder / "home"),
            "TUNEGATE_PROVIDER_URL": provider.url,
        }
        services = {
            "server": _prefect(folder, variables, prefect_port),
            "MLflow": _mlflow(folder, variables, mlflow_port),
            "worker": Service("worker", ["-c", SERVE], folder, variables),
        }
        for service in services.values():
            stack.callback(service.kill)
        services["server"].start()
        services["MLflow"].start()
        prefect = stack.enter_context(at_prefect(api))
        hurry(prefect, within)
        services["worker"].start()
        yield House(folder, use_case, provider, proxy, variables, prefect, services)


def hurry(prefect: Prefect, within: int) -> None:
    """The shipped automations, of which the one for dead runs waits as long as this."""
    from prefect.events.schemas.automations import AutomationCore

    from data_contracts.load import read_yaml
    from flows.housekeeping import AUTOMATIONS

    for known in prefect.client.read_automations():
        prefect.client.delete_automation(known.id)
    for plain in read_yaml(AUTOMATIONS)["automations"]:
        quick = {**plain["trigger"], "within": within} if "zombies" in plain["name"] else plain["trigger"]
        prefect.client.create_automation(AutomationCore.model_validate({**plain, "trigger": quick}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prefect(folder: Path, variables: dict[str, str], port: int) -> Service:
    words = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    return Service("server", words, folder, variables, f"http://127.0.0.1:{port}/api/health")


def _mlflow(folder: Path, variables: dict[str, str], port: int) -> Service:
    where = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/mlartifacts"]
    words = ["-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port), *where]
    own = {name: value for name, value in variables.items() if name != "MLFLOW_TRACKING_URI"}
    return Service("mlflow", words, folder, own, f"http://127.0.0.1:{port}/health")


def _descendants(pid: int) -> list[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in shown.splitlines()]
    children = [child for child, parent in parents if parent == pid]
    return children + [item for child in children for item in _descendants(child)]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
