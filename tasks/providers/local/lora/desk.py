"""Where the server asks its own models: a child process a base model, started with the first question."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tasks.providers.local.children import environment, kill
from tasks.providers.local.lora.settings import LoraSettings

_MODULE = ("-m", "tasks.providers.local.lora.serving", "--recipe")
_ENDED = ("server_error", "The process that holds the model has ended; the server's log may say why. Ask again.")
_LINE = 2**26  # bytes of an answer with many alternatives


class NoAnswerError(Exception):
    """Why a model gave none: `code` and `message` as they are shown to whoever asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@dataclass
class Desk:
    """The children of one server. Each answers questions in the order in which they came, several at once."""

    _children: dict[str, "Child"] = field(default_factory=dict)

    async def ask(self, settings: LoraSettings, name: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the base model of that name. Raises NoAnswerError."""
        recipe = json.dumps(settings.recipe(name))
        child = self._children.get(recipe)
        if child is None or child.gone:
            child = self._children[recipe] = Child([settings.python or sys.executable, *_MODULE, recipe])
        try:
            return await child.ask(question)
        finally:
            child.rest(settings.idle_s)

    def make_room(self) -> None:
        """Take every model from memory that nobody is waiting for; a job is about to need it."""
        for child in self._children.values():
            child.rest(0)


class Child:
    """One process that holds a model."""

    def __init__(self, command: list[str]) -> None:
        self._command, self._ids = command, count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._loading = asyncio.create_task(self._load())
        self._end: asyncio.TimerHandle | None = None
        self.gone = False

    async def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. Raises NoAnswerError."""
        if self._end:
            self._end.cancel()
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            process = await asyncio.shield(self._loading)
            process.stdin.write(json.dumps({**question, "id": number}).encode() + b"\n")  # type: ignore[union-attr]
            reply: dict[str, Any] = await answer
        finally:
            del self._waiting[number]
        if "code" in reply:
            raise NoAnswerError(reply["code"], reply["message"])
        return reply

    def rest(self, seconds: float) -> None:
        """End it after so long, unless somebody asks before that."""
        if self._end:
            self._end.cancel()
        if not self._waiting:
            self._end = asyncio.get_running_loop().call_later(seconds, self._stop)

    def _stop(self) -> None:
        self.gone = True
        if self._process:
            kill(self._process)

    async def _load(self) -> asyncio.subprocess.Process:
        """Start it and wait until the model is in memory. Raises NoAnswerError."""
        try:
            process = self._process = await _started(self._command)
            if self.gone:  # nobody waits any more
                kill(process)
            said = json.loads(await process.stdout.readline() or "null")  # type: ignore[union-attr]
            if said is None or not said["ready"]:
                raise NoAnswerError(*((said["code"], said["message"]) if said else _ENDED))
        except BaseException:
            self._stop()
            raise
        self._listening = asyncio.create_task(self._listen(process))
        return process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        while line := await process.stdout.readline():  # type: ignore[union-attr]
            reply = json.loads(line)
            waiting = self._waiting.get(reply.pop("id"))
            if waiting and not waiting.done():
                waiting.set_result(reply)
        self._stop()
        for left in self._waiting.values():
            if not left.done():
                left.set_result(dict(zip(("code", "message"), _ENDED, strict=True)))


async def _started(command: list[str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command, env=environment(), stdin=pipe, stdout=pipe, limit=_LINE, start_new_session=True
        )
    except OSError as problem:
        message = f"lora.python: {command[0]} cannot be started ({problem.strerror}). Correct the settings."
        raise NoAnswerError("trainer_unavailable", message) from None


DESK = Desk()
