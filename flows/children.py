"""Processes that `tunegate up` starts: each in a group of its own, its output in logs/, ended with the block."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.errors import ResumableError
from tasks.home import home

END_S = 15


@dataclass(frozen=True)
class Child:
    """One of them, by the name of its log."""

    name: str
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def child(name: str, words: Sequence[str], **variables: str) -> Iterator[Child]:
    """Python with these words behind it; ended, its own children included, when the block ends."""
    folder = home() / "logs"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, *words], env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Child(name, process)
    finally:
        _end(process)


def require_alive(children: Sequence[Child]) -> None:
    """Raises ResumableError about the first that has ended."""
    for one in children:
        if one.process.poll() is not None:
            cause = f"{one.name} ended with exit code {one.process.returncode}"
            remedy = f"Look into {home() / 'logs' / one.name}.log; `tunegate doctor` may know it."
            raise ResumableError("tunegate up", cause, remedy)


def free_port() -> int:
    """Of this machine, free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
