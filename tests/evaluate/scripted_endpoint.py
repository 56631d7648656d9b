"""A completions endpoint on a real socket that does what a test scripts, request by request."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tasks.providers.protocol import AnswerEndpoint

KEY = "sk-test-0123456789abcdef"


@dataclass
class Arrival:
    """One request: what it was, and when it came."""

    number: int
    body: dict[str, Any]
    at: float
    transport: Any


Script = Callable[[Arrival], Awaitable[web.Response]]


@dataclass
class Scripted:
    """A running endpoint and what reached it."""

    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list)

    def endpoint(self, max_concurrency: int = 8, timeout_s: float = 5) -> AnswerEndpoint:
        headers = {"Authorization": f"Bearer {KEY}"}
        return AnswerEndpoint(f"{self.url}/v1/chat/completions", headers, timeout_s, max_concurrency)


def completion(content: str | None = "fine", finish_reason: str = "stop", **message: Any) -> web.Response:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"content": content, **message}}
    return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})


def refusal(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    error = {"message": f"no, and your key {KEY} is shown", "type": "error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


async def echo(arrival: Arrival) -> web.Response:
    """Answer with the question's own words."""
    return completion(arrival.body["messages"][-1]["content"])


@contextmanager
def scripted_endpoint(script: Script = echo) -> Iterator[Scripted]:
    """Serve in a thread of its own, on a free port."""
    scripted, loop = Scripted(), asyncio.new_event_loop()

    async def handle(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        arrival = Arrival(len(scripted.arrivals), body, time.monotonic(), request.transport)
        scripted.arrivals.append(arrival)
        return await script(arrival)

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield scripted
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
