"""A whole `tunegate up` in a folder of its own, and the embedded provider that it asks, which a test may change."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command import TUNEGATE, Shell
from tests.embedded import RunningServer, embedded_server

START_DEADLINE_S = 180
OURS = ("PREFECT_", "MLFLOW_", "TUNEGATE_")


@dataclass(frozen=True)
class Stack:
    """What `tunegate up` started, and a shell beside it."""

    prefect: str
    mlflow: str
    provider: RunningServer
    shell: Shell

    @property
    def api(self) -> str:
        """Prefect's."""
        return f"{self.prefect}/api"


@contextmanager
def tunegate_up(folder: Path) -> Iterator[Stack]:
    """Everything that `tunegate up` starts, with the use cases under `folder`/deployments; ended with the block."""
    with embedded_server(folder / "provider") as provider, (folder / "up.log").open("wb") as log:
        shell = Shell(folder, {"TUNEGATE_PROVIDER_URL": provider.url})
        process = subprocess.Popen(
            [TUNEGATE, "up"], cwd=folder, env=environment(shell), stdout=log, stderr=log, start_new_session=True
        )
        try:
            addresses = _addresses(shell.home / "up.json", process, folder / "up.log")
            yield Stack(addresses["prefect"], addresses["mlflow"], provider, shell)
        finally:
            _end(process)


def environment(shell: Shell) -> dict[str, str]:
    """What a person's own shell has, with nothing of ours that this process was given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**inherited, "TUNEGATE_HOME": str(shell.home), **shell.variables}


def _addresses(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> dict[str, str]:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it did not start: {log.read_text()}"
        if path.exists():
            addresses: dict[str, str] = json.loads(path.read_text())
            return addresses
        time.sleep(0.2)
    raise AssertionError(f"it did not come up in {START_DEADLINE_S} s: {log.read_text()}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
