"""Processes that the server starts: with an environment of their own, and gone with all that they started."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def environment() -> dict[str, str]:
    """The server's own without its keys; one thread a child, since whoever waits needs a core as well."""
    kept = {name: value for name, value in os.environ.items() if "KEY" not in name and "SECRET" not in name}
    path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def kill(child: asyncio.subprocess.Process) -> None:
    """End a child that was started in a session of its own, with its whole process group."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
