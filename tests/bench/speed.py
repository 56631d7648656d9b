"""Answers and the command line against what they cannot be faster than."""

import multiprocessing
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from data_contracts.answers import StoredAnswer
from tests.bench.options import Options, console, seconds, spread

CASES, CONCURRENCY, LATENCY_S = 1000, 32, 0.1


def bench(options: Options) -> None:
    """Measure both, print one table."""
    table = Table("what", "limit s", "ours s", "ratio: median (least to most)", title="Speed against the limit")
    for name, measure in BENCHES.items():
        pairs = [measure() for _ in range(options.runs)]
        limit, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        table.add_row(name, f"{limit:.3f}", f"{ours:.3f}", spread([ours / limit for limit, ours in pairs]))
    console().print(table)


def evaluation() -> tuple[float, float]:
    """1,000 answers of 100 ms at concurrency 32; the limit is cases x latency / concurrency."""
    from tasks.evaluate.answer import Question, answer_all, request_hash
    from tasks.providers.protocol import AnswerEndpoint

    body = b'{"model":"m","messages":[{"role":"user","content":"case %d"}]}'
    bodies = [body % number for number in range(CASES)]
    questions = [Question("one", "m", str(at), body, request_hash("bench", body)) for at, body in enumerate(bodies)]
    port = _free_port()
    server = multiprocessing.get_context("spawn").Process(target=_answer_slowly, args=(port,), daemon=True)
    server.start()
    try:
        _await_port(port)
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        endpoint = AnswerEndpoint(url, {}, timeout_s=30, max_concurrency=CONCURRENCY)
        ours = seconds(lambda: answer_all(questions, {"": endpoint}, _Forgetful(), lambda _done, _of: None))
    finally:
        server.terminate()
        server.join()
    return CASES * LATENCY_S / CONCURRENCY, ours


def help_page() -> tuple[float, float]:
    """`tunegate --help`; the limit is a Python that imports click."""
    command = str(Path(sys.executable).with_name("tunegate"))
    limit = seconds(lambda: subprocess.run([sys.executable, "-c", "import click"], check=True))
    return limit, seconds(lambda: subprocess.run([command, "--help"], check=True, stdout=subprocess.DEVNULL))


class _Forgetful:
    """A store that keeps nothing."""

    def stored_answers(self, requests: Sequence[str]) -> dict[str, StoredAnswer]:
        """None."""
        return {}

    def store_answers(self, answers: object) -> None:
        """Nothing."""


def _answer_slowly(port: int) -> None:
    """A server that takes LATENCY_S for anything."""
    import asyncio

    from aiohttp import web

    reply = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
    }

    async def complete(_request: web.Request) -> web.Response:
        await asyncio.sleep(LATENCY_S)
        return web.json_response(reply)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


BENCHES = {"1,000 answers": evaluation, "tunegate --help": help_page}
