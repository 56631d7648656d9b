"""Chat completions as OpenAI serves them, in a process of its own: `python -m tests.bench.engine.endpoint`.

It prints its port and ends with its standard input. Far faster than whatever is measured against it, it speaks just as
much HTTP as the contenders need. `POST /reset` takes a Behaviour, `GET /stats` tells the Counts.
"""

import asyncio
import gc
import json
import random
import re
import socket
import struct
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import cast

from tests.bench.engine.behaviour import Behaviour, Bucket
from tests.bench.engine.cases import MODEL, Case
from tests.bench.engine.counts import ABANDONED, RESET, Counts

COMPLETIONS = b"/v1/chat/completions"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CASE = re.compile(rb"\[case-(\d+)\]")
FAULTS = ("500", "503", RESET)
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: the connection is reset, not closed
DOWN = {"message": "The server is overloaded or not ready yet.", "type": "server_error", "code": None, "param": None}
BROKEN = DOWN | {"message": "The server had an error while processing your request."}
BUSY = {"type": "requests", "code": "rate_limit_exceeded", "param": None}
LIMIT_REACHED = f"Rate limit reached for {MODEL} on requests per min (RPM): Limit %d. Please try again in %d ms."


class Connection(asyncio.Protocol):
    """One client: requests come in one after the other, and so do the answers."""

    transport: asyncio.Transport
    pending: asyncio.TimerHandle | None = None
    case = 0

    def __init__(self, endpoint: "Endpoint") -> None:
        self._endpoint, self._received = endpoint, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.pending:
            self.pending.cancel()
            self._endpoint.abandoned(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while request := self._request():
            self._endpoint.take(self, *request)

    def _request(self) -> tuple[bytes, bytes] | None:
        """Target and body of the next request that has come whole."""
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not found or len(rest) < size:
            return None
        self._received = rest[size:]
        return head.split(b" ", 2)[1], rest[:size]

    def send(self, status: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer the request that came last."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        phrase = HTTPStatus(int(status)).phrase
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n{lines}content-length: {len(body)}"
        self.transport.write(head.encode() + b"\r\n\r\n" + body)

    def reset(self) -> None:
        """Answer with nothing at all."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.transport.abort()


class Endpoint:
    """What becomes of each request."""

    def __init__(self) -> None:
        self.reset(Behaviour())

    def reset(self, behaviour: Behaviour) -> None:
        """Begin anew."""
        self._behaviour, self._counts = behaviour, Counts()
        self._latencies, self._faults = behaviour.latencies(), random.Random(behaviour.seed)
        self._bucket, self._cpu_s = Bucket(behaviour, _now()), time.process_time()

    def take(self, connection: Connection, target: bytes, body: bytes) -> None:
        """A request has come."""
        if target == COMPLETIONS:
            self._complete(connection, body)
        elif target == b"/stats":
            self._counts.cpu_s = time.process_time() - self._cpu_s
            connection.send("200", self._counts.json(), {})
        elif target == b"/reset":
            self.reset(Behaviour(**json.loads(body)))
            connection.send("200", b"{}", {})
        else:
            self._counts.elsewhere.append(target.decode())
            connection.send("502", b"{}", {"connection": "close"})
            connection.transport.close()

    def abandoned(self, connection: Connection) -> None:
        """The client left before its answer."""
        self._counts.ended(connection.case, ABANDONED, 0.0, _now())

    def _complete(self, connection: Connection, body: bytes) -> None:
        """Refuse at once, or answer when the case's latency is over."""
        now, found = _now(), CASE.search(body)
        connection.case = case = int(found[1]) if found else 0
        self._counts.came(case, now)
        if self._behaviour.is_out(now - self._counts.first):
            self._send(connection, "503", now)
        elif not self._bucket.take(now):
            self._send(connection, "429", now)
        else:
            due = now + self._latencies[case % len(self._latencies)]
            loop = asyncio.get_running_loop()
            connection.pending = loop.call_at(due, self._send, connection, self._fate(), now)

    def _fate(self) -> str:
        return self._faults.choice(FAULTS) if self._faults.random() < self._behaviour.errors else "200"

    def _send(self, connection: Connection, status: str, came_at: float) -> None:
        connection.pending = None
        if status == RESET:
            connection.reset()
        else:
            connection.send(status, self._body(status, connection.case), self._headers(status))
        now = _now()
        self._counts.ended(connection.case, status, now - came_at, now)

    def _headers(self, status: str) -> Mapping[str, str]:
        return self._bucket.refusal() if status == "429" else self._bucket.headers()

    def _body(self, status: str, case: int) -> bytes:
        if status == "200":
            return completion(case)
        error = {"500": BROKEN, "503": DOWN, "429": BUSY}[status]
        if status == "429":
            permitted, wait_ms = self._behaviour.per_minute, 1000 * self._bucket.wait_s
            error = BUSY | {"message": LIMIT_REACHED % (permitted, wait_ms)}
        return json.dumps({"error": error}).encode()


def completion(case: int) -> bytes:
    """The right answer."""
    message = {"role": "assistant", "content": Case(case).expected, "refusal": None}
    return json.dumps(
        {
            "id": f"chatcmpl-{case}",
            "object": "chat.completion",
            "created": 1_795_000_000,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 60, "completion_tokens": 1, "total_tokens": 61},
        }
    ).encode()


def _now() -> float:
    return time.monotonic()


async def serve() -> None:
    """On a free port, until standard input ends."""
    loop, endpoint, ended = asyncio.get_running_loop(), Endpoint(), asyncio.Event()
    server = await loop.create_server(lambda: Connection(endpoint), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin, ended.set)
    gc.freeze()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve())
