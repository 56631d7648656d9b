"""The deployments of a working folder, served by a process of their own, and what a person does to their runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.prefect_server import prefect_server
from tests.small_use_case import small_use_case

DEADLINE_S = 600  # for a machine with more to do than this
T = TypeVar("T")


@dataclass
class Prefect:
    """A person at Prefect's UI, which only does what its API offers."""

    client: SyncPrefectClient

    def start(self, deployment: str, **options: Any) -> UUID:
        parameters = {"use_case": deployment, "options": options}
        found = await_that(lambda: self._deployment(deployment))
        return self.client.create_flow_run_from_deployment(found, parameters=parameters).id

    def run(self, flow_run: UUID) -> FlowRun:
        return self.client.read_flow_run(flow_run)

    def await_state(self, flow_run: UUID, *names: str) -> FlowRun:
        """The flow run once it is in one of these states; in another final one the test has failed."""

        def there() -> FlowRun | None:
            found = self.run(flow_run)
            state = found.state
            assert state is not None
            if state.name in names:
                return found
            assert not state.is_final(), f"{state.name}: {state.message}"
            return None

        return await_that(there)

    def await_end(self, flow_run: UUID) -> FlowRun:
        """The flow run once it is completed, whatever it went through on its way."""
        return await_that(lambda: found if (found := self.run(flow_run)).state_name == "Completed" else None)

    def messages(self, flow_run: UUID) -> list[str]:
        """What its states said, the first one first."""
        states = self.client.request("GET", "/flow_run_states/", params={"flow_run_id": str(flow_run)}).json()
        return [str(state["message"]) for state in sorted(states, key=lambda state: str(state["timestamp"]))]

    def inputs(self, flow_run: UUID) -> dict[str, Any]:
        """What the suspended run asks, by the last part of its key: schema, description."""
        found = self.client.request(
            "POST", f"/flow_runs/{flow_run}/input/filter", json={"prefix": "suspended", "limit": 10}
        ).json()
        return {item["key"].rsplit("-", 1)[1]: json.loads(item["value"]) for item in found}

    def answer(self, flow_run: UUID, **form: str) -> dict[str, Any]:
        """Send the form; what the server says to it."""
        answered = self.client.request("POST", f"/flow_runs/{flow_run}/resume", json={"run_input": form})
        said: dict[str, Any] = answered.json()
        return said

    def cancel(self, flow_run: UUID) -> None:
        from prefect.states import Cancelling

        self.client.set_flow_run_state(flow_run, Cancelling())

    def _deployment(self, name: str) -> UUID | None:
        try:
            return self.client.read_deployment_by_name(f"trial/{name}").id
        except ObjectNotFound:
            return None


def deployed(folder: Path, name: str, **changes: Any) -> Path:
    """A small use case, deployed under its name from the working folder; its file."""
    path = small_use_case(folder / name, name=name, **changes)
    (folder / "deployments").mkdir(exist_ok=True)
    (folder / "deployments" / f"{name}.yaml").symlink_to(path)
    return path


@contextmanager
def at_prefect(api: str) -> Iterator[Prefect]:
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        yield Prefect(client)


@contextmanager
def worker(folder: Path, api: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m flows.serve` in a folder; it and its runs end with the block."""
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serve"],
            cwd=folder,
            env={**os.environ, "PREFECT_API_URL": api},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill(process)


def through_a_restart(folder: Path, use_case: str, **form: str) -> None:
    """A run that waits while its server ends and its worker is killed; what comes after them takes the answer."""
    with prefect_server(folder / "prefect") as api, at_prefect(api) as prefect, worker(folder, api) as first:
        flow_run = prefect.start(use_case)
        prefect.await_state(flow_run, "Suspended")
        kill(first)
    with prefect_server(folder / "prefect") as api, at_prefect(api) as prefect, worker(folder, api):
        assert prefect.answer(flow_run, your_name="Ada", **form)["status"] == "ACCEPT"
        prefect.await_state(flow_run, "Completed")


def kill(process: subprocess.Popen[bytes]) -> None:
    """A power cut: the worker and every run of its own, at once."""
    for pid in [process.pid, *_descendants(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def await_that(condition: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"it did not come to that in {DEADLINE_S} s")


def _descendants(pid: int) -> list[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in shown.splitlines()]
    children = [child for child, parent in parents if parent == pid]
    return children + [item for child in children for item in _descendants(child)]
