"""How a fault looks on the socket: each effect takes the place of the plain call of an ASGI application."""

import asyncio
import math
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.providers.local.errors import ApiError
from tasks.providers.local.fault_kinds import (
    Action,
    Delay,
    Exit,
    Fields,
    Hang,
    Paging,
    Replace,
    Reset,
    Status,
    Trickle,
    Truncate,
)


@dataclass(frozen=True)
class Exchange:
    """One call: what to call for the real answer, and the socket's two ends."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def answer(self) -> "Answer":
        """The real answer, kept back: the call has taken effect."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, keep)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        return Answer(messages[0]["status"], messages[0]["headers"], body)

    async def reset(self) -> None:
        """Break the connection off with RST, and wait until it is gone."""
        transport = self.scope["state"]["transport"]
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        await self.disconnected()

    async def disconnected(self) -> None:
        """Wait until the other side is gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def changed(self, change: Callable[[dict[str, Any]], None]) -> "Answer":
        """With another JSON body; a refusal, a stream or a file's content stays as it is."""
        if self.status != 200 or (b"content-type", b"application/json") not in self.headers:
            return self
        body = orjson.loads(self.body)
        change(body)
        return Answer(self.status, self.headers, orjson.dumps(body))

    async def start(self, send: Send, length: int) -> None:
        """Send status and headers, promising `length` bytes."""
        headers = [(name, value) for name, value in self.headers if name.lower() != b"content-length"]
        headers.append((b"content-length", str(length).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})

    async def send(self, send: Send) -> None:
        """Send all of it."""
        await self.start(send, len(self.body))
        await send({"type": "http.response.body", "body": self.body})


async def play(action: Action | None, exchange: Exchange) -> None:
    """Answer the call as the fault has it; without one, or with one that is the handler's, as usual."""
    effect = _EFFECTS.get(type(action))
    if effect is None:
        await exchange.app(exchange.scope, exchange.receive, exchange.send)
    else:
        if getattr(action, "accepted", False):
            await exchange.answer()
        await effect(action, exchange)


async def _status(action: Status, exchange: Exchange) -> None:
    shown = ApiError(action.status, action.message, code=action.code).body()
    if action.type:
        shown["error"]["type"] = action.type
    body = orjson.dumps(shown) if action.body is None else action.body.encode()
    headers = {"content-type": "application/json", **action.headers}
    if action.retry_after_date_s is not None:
        # the header counts whole seconds: rounded up, so that nobody who keeps to it comes too early
        headers["retry-after"] = formatdate(math.ceil(time.time() + action.retry_after_date_s), usegmt=True)
    await Response(body, action.status, headers)(exchange.scope, exchange.receive, exchange.send)


async def _reset(action: Reset, exchange: Exchange) -> None:
    await exchange.reset()


async def _hang(action: Hang, exchange: Exchange) -> None:
    try:
        await asyncio.wait_for(exchange.disconnected(), action.seconds)
    except TimeoutError:
        await exchange.reset()


async def _exit(action: Exit, exchange: Exchange) -> None:
    """Say nothing: whoever keeps the log ends the server once the call is in it."""


async def _delay(action: Delay, exchange: Exchange) -> None:
    await asyncio.sleep(action.seconds)
    await exchange.app(exchange.scope, exchange.receive, exchange.send)


async def _truncate(action: Truncate, exchange: Exchange) -> None:
    answer = await exchange.answer()
    part = answer.body[: int(len(answer.body) * action.keep)]
    if action.ends_well:
        await replace(answer, body=part).send(exchange.send)
        return
    await answer.start(exchange.send, len(answer.body))
    await exchange.send({"type": "http.response.body", "body": part, "more_body": True})
    exchange.scope["state"]["transport"].close()  # what is written still arrives, the rest never does
    await exchange.disconnected()


async def _trickle(action: Trickle, exchange: Exchange) -> None:
    answer = await exchange.answer()
    await answer.start(exchange.send, len(answer.body))
    size = math.ceil(len(answer.body) / action.pieces)
    for start in range(0, len(answer.body), size):
        await asyncio.sleep(action.seconds / action.pieces)
        piece = answer.body[start : start + size]
        await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
    await exchange.send({"type": "http.response.body", "body": b""})


async def _replace(action: Replace, exchange: Exchange) -> None:
    response = Response(action.body, action.status, media_type=action.content_type)
    await response(exchange.scope, exchange.receive, exchange.send)


async def _fields(action: Fields, exchange: Exchange) -> None:
    def override(body: dict[str, Any]) -> None:
        for shown in body["data"] if isinstance(body.get("data"), list) else [body]:
            for path, value in action.set.items():
                _assign(shown, path.split("."), value)

    await (await exchange.answer()).changed(override).send(exchange.send)


def _assign(shown: dict[str, Any], path: list[str], value: object) -> None:
    """Set what stands at the end of a path of keys and positions."""
    within: Any = shown
    for key in path[:-1]:
        within = within[int(key) if isinstance(within, list) else key]
    within[path[-1]] = value


async def _paging(action: Paging, exchange: Exchange) -> None:
    query = dict(parse_qsl(exchange.scope["query_string"].decode()))
    cut = _overlap(action.overlap, query) if action.overlap else None
    kept = {name: value for name, value in query.items() if name.partition("[")[0] not in action.ignores}
    exchange.scope["query_string"] = urlencode(kept).encode()

    def lie(body: dict[str, Any]) -> None:
        if cut:
            cut(body)
        if action.reverse:
            body["data"].reverse()
        if action.repeats:
            body["data"] = [shown for shown in body["data"] for _ in range(2)]
        if action.empty:
            body["data"] = []
        if action.has_more is not None:
            body["has_more"] = action.has_more

    await (await exchange.answer()).changed(lie).send(exchange.send)


def _overlap(objects: int, query: dict[str, str]) -> Callable[[dict[str, Any]], None]:
    """Ask for everything (the first 100), and cut the page out of it so that it begins before its cursor."""
    after, limit = query.pop("after", None), int(query.get("limit", 20))
    query["limit"] = "100"

    def cut(body: dict[str, Any]) -> None:
        ids = [shown["id"] for shown in body["data"]]
        start = max(0, ids.index(after) + 1 - objects) if after in ids else 0
        body["has_more"] = start + limit < len(ids)
        body["data"] = body["data"][start : start + limit]

    return cut


_EFFECTS: dict[type, Callable[[Any, Exchange], Awaitable[None]]] = {
    Status: _status,
    Reset: _reset,
    Hang: _hang,
    Exit: _exit,
    Delay: _delay,
    Truncate: _truncate,
    Trickle: _trickle,
    Replace: _replace,
    Fields: _fields,
    Paging: _paging,
}
