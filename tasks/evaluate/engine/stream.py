"""An answer that comes in pieces: server-sent events, as they reach the socket, made into one chat completion."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from tasks.evaluate.engine.reply import Reply, completion
from tasks.providers.failure import Failure

DONE = b"[DONE]"


def streamed(body: bytes) -> bytes:
    """The same request, answered in pieces, the last of which counts the tokens."""
    return orjson.dumps(orjson.loads(body) | {"stream": True, "stream_options": {"include_usage": True}})


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The `data` of each event, cut wherever the network cuts it (WHATWG HTML, section 9.2, seen 2026-11-22)."""
    rest, data = b"", list[bytes]()
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.rstrip(b"\r").partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif not field and not value and data:
                yield b"\n".join(data)
                data.clear()


class Pieces:
    """One choice, put together piece by piece."""

    def __init__(self) -> None:
        self.first_at: float | None = None  # when the first piece of content came, by time.perf_counter
        self.failure: Failure | None = None
        self._texts: dict[str, list[str]] = {"content": [], "refusal": []}
        self._calls: dict[int, dict[str, str]] = {}
        self._logprobs: list[Any] = []
        self._finish_reason, self._usage = None, None

    def add(self, data: bytes) -> None:
        """Raises what comes of reading a piece that has another shape."""
        piece = orjson.loads(data)
        if piece.get("error"):
            self.failure = Failure.of_answer(200, {}, data)
        self._usage = piece.get("usage") or self._usage
        for choice in piece.get("choices") or ():
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            self._logprobs += (choice.get("logprobs") or {}).get("content") or ()
            if self._extend(choice.get("delta") or {}) and self.first_at is None:
                self.first_at = time.perf_counter()

    def result(self) -> Reply | Failure:
        """The whole; a stream that ends without a finish reason was cut."""
        if self.failure or not self._finish_reason:
            return self.failure or Failure(200, code="cut_stream")
        calls = [{"function": self._calls[index]} for index in sorted(self._calls)]
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        choice = {
            "finish_reason": self._finish_reason,
            "message": {**texts, "tool_calls": calls},
            "logprobs": {"content": self._logprobs},
        }
        try:
            return completion({"choices": [choice], "usage": self._usage})
        except (ValueError, LookupError, TypeError, AttributeError):
            return Failure(200, code="unreadable_answer")

    def _extend(self, delta: Mapping[str, Any]) -> bool:
        """Whether there was anything of the answer in it: the first piece often names the role only."""
        for name, texts in self._texts.items():
            texts.append(delta.get(name) or "")
        calls = delta.get("tool_calls") or ()
        for call in calls:
            known = self._calls.setdefault(call.get("index") or 0, {"name": "", "arguments": ""})
            function = call.get("function") or {}
            known["name"] = function.get("name") or known["name"]
            known["arguments"] += function.get("arguments") or ""
        return bool(calls or delta.get("content") or delta.get("refusal"))


async def gather(chunks: AsyncIterator[bytes]) -> Pieces:
    """Everything up to the event that ends a stream, or to the end of the answer."""
    pieces = Pieces()
    async for data in events(chunks):
        if data == DONE or pieces.failure:
            break
        try:
            pieces.add(data)
        except (ValueError, LookupError, TypeError, AttributeError):
            pieces.failure = Failure(200, code="unreadable_answer")
    return pieces
