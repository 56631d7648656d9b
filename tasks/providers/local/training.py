"""The child process that trains, seen from outside: start it, follow its metrics, stop it."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

Step = dict[str, Any]
_ROOT = Path(__file__).parents[3]
_POLL_S = 0.1


class TrainingFailedError(Exception):
    """The child ended without a model."""


class Training:
    """One attempt at training. It is done once `model.json` is there, whoever was watching."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = 0

    @property
    def done(self) -> bool:
        """Whether the model is there."""
        return (self.folder / "model.json").exists()

    async def run(self, options: dict[str, object], report: Callable[[list[Step]], None]) -> None:
        """Train until done, handing on each step; cancelling kills the child. Raises TrainingFailedError."""
        self.folder.mkdir(parents=True)
        with (self.folder / "trainer.log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                *self._command(options), env=_environment(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            while child.returncode is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(child.wait(), _POLL_S)
                report(self.new_steps())
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0 or not self.done:
            raise TrainingFailedError(f"the trainer ended with {child.returncode}; see {self.folder / 'trainer.log'}")

    def new_steps(self) -> list[Step]:
        """The steps written since the last call; a line still being written waits for the next one."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + bool(whole)
        return [orjson.loads(line) for line in whole.splitlines()]

    def _command(self, options: dict[str, object]) -> list[str]:
        pairs = (("--" + name, str(value)) for name, value in {**options, "model": self.folder}.items())
        return [sys.executable, "-m", "tasks.providers.local.trainer", *(part for pair in pairs for part in pair)]


def _environment() -> dict[str, str]:
    """The server's own without its keys; one thread a child, since whoever waits needs a core as well."""
    kept = {name: value for name, value in os.environ.items() if "KEY" not in name and "SECRET" not in name}
    path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
