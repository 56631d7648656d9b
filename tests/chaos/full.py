"""Trials through the whole `tunegate` command, a program each time, against Prefect's and MLflow's servers."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.judge import Undisturbed, problems
from tests.chaos.person import Attempt, Course, see_through
from tests.chaos.place import Place, make_place
from tests.chaos.processes import Forks
from tests.chaos.use_case import chaos_use_case
from tests.command import TUNEGATE
from tests.prefect_server import FAST, prefect_server

START_S = 120.0


@dataclass(frozen=True)
class Servers:
    """What runs all the time. `store` is the database behind MLflow's server."""

    prefect_api: str
    tracking_uri: str
    store: Path


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Prefect's and MLflow's servers on loopback."""
    with ExitStack() as stack:
        api = stack.enter_context(prefect_server(folder / "prefect"))
        store = folder / "mlflow" / "mlflow.db"
        yield Servers(api, stack.enter_context(mlflow_server(store)), store)


@contextmanager
def mlflow_server(store: Path) -> Iterator[str]:
    """Address of a tracking server on this database."""
    store.parent.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--backend-store-uri", f"sqlite:///{store}", "--artifacts-destination", str(store.parent / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    variables = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (store.parent / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *where], env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        _await_answer(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Program:
    """A started program, to be awaited and killed like a forked child."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str], output: Path) -> None:
        with output.open("wb") as out, output.with_suffix(".err").open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=out, stderr=errors, start_new_session=True
            )
        self.pid = self._process.pid

    @property
    def exit(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Its exit code, None where it still lives after so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.exit

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class CommandPlace(Place):
    """A place whose command is the installed one."""

    def start(self, *arguments: str, **order: Any) -> Any:
        """Start `tunegate ...`."""
        self.starts.append(time.time())
        variables = {**os.environ, **FAST, "TUNEGATE_HOME": str(self.home), "TUNEGATE_PROVIDER_URL": self.provider.url}
        command = [str(TUNEGATE), *arguments]
        return Program(command, self.folder, {**variables, **self.environment}, self._file("out"))


def try_full(
    forks: Forks, folder: Path, seed: int, running: Servers, expected: Undisturbed
) -> tuple[list[str], Course]:
    """What is wrong with how a whole command takes kills at random times (nothing: survived), and its course."""
    draw, name = random.Random(seed), f"small{seed}"
    use_case = chaos_use_case(folder.with_name(f"case-{seed}"), name=name)
    made = make_place(forks, folder, use_case)
    place = CommandPlace(forks, folder, use_case, made.provider, name=name, store=running.store)
    place.environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": running.prefect_api,
        "MLFLOW_TRACKING_URI": running.tracking_uri,
    }
    longest = 3 * expected.seconds + 10  # imports, and Prefect between the stages
    attempts = [Attempt(kill_after_s=draw.uniform(2, longest)) for _ in range(draw.choice((1, 1, 2)))]
    course = see_through(place, attempts)
    found = problems(place, course, expected)
    place.close(keep=bool(found))
    shutil.rmtree(use_case.parent, ignore_errors=True)
    return found, course


def _await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "MLflow's server did not start"
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError("MLflow's server did not answer")
