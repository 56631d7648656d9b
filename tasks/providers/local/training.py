"""The child process that trains, seen from outside: start it, follow its metrics, stop it."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from tasks.providers.local.children import environment, kill
from tasks.providers.local.lora.desk import DESK
from tasks.providers.local.lora.settings import LoraSettings

Step = dict[str, Any]
_POLL_S = 0.1
_ONE_AT_A_TIME = asyncio.Lock()  # jobs on models of one's own share one device


class TrainingFailedError(Exception):
    """The child ended without a model."""


class TrainingRefusedError(TrainingFailedError):
    """The same, and it said why, for whoever bought the job."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class Training:
    """One attempt at training. It is done once `model.json` is there, whoever was watching."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = 0

    @property
    def done(self) -> bool:
        """Whether the model is there."""
        return (self.folder / "model.json").exists()

    async def run(self, options: dict[str, object], report: Callable[[list[Step]], None], own: LoraSettings) -> None:
        """Train until done, handing on each step; cancelling kills the child. Raises TrainingFailedError.

        A base model of `own` gets an adapter, which goes on from the checkpoints of earlier attempts.
        """
        self.folder.mkdir(parents=True)
        base = str(options["base"])
        if base not in own.models:
            await self._run(self._command(sys.executable, "tasks.providers.local.trainer", options), report)
            return
        checkpoints = self.folder.parent / "training-checkpoints"  # deleted with all that was left of a job's trainings
        further = {"recipe": json.dumps(own.recipe(base)), "checkpoints": checkpoints}
        module = "tasks.providers.local.lora.trainer"
        async with _ONE_AT_A_TIME:
            DESK.make_room()
            try:
                await self._run(self._command(own.python or sys.executable, module, options | further), report)
            except TrainingFailedError:
                shutil.rmtree(checkpoints, ignore_errors=True)
                raise

    async def _run(self, command: list[str], report: Callable[[list[Step]], None]) -> None:
        child = await self._start(command)
        try:
            while child.returncode is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(child.wait(), _POLL_S)
                report(self.new_steps())
        finally:
            kill(child)
            await child.wait()
        if child.returncode != 0 or not self.done:
            raise self._failure(f"the trainer ended with {child.returncode}; see {self.folder / 'trainer.log'}")

    async def _start(self, command: list[str]) -> asyncio.subprocess.Process:
        """The child; the end of its standard input tells it that the server is gone."""
        with (self.folder / "trainer.log").open("wb") as log:
            try:
                return await asyncio.create_subprocess_exec(
                    *command,
                    env=environment(),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as problem:
                message = f"lora.python: {command[0]} cannot be started ({problem.strerror}). Correct the settings."
                raise TrainingRefusedError("trainer_unavailable", message) from None

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

    def _failure(self, otherwise: str) -> TrainingFailedError:
        try:
            known = orjson.loads((self.folder / "failure.json").read_bytes())
        except FileNotFoundError:
            return TrainingFailedError(otherwise)
        return TrainingRefusedError(known["code"], known["message"])

    def _command(self, python: str, module: str, options: dict[str, object]) -> list[str]:
        pairs = (("--" + name, str(value)) for name, value in {**options, "model": self.folder}.items())
        return [python, "-m", module, *(part for pair in pairs for part in pair)]
