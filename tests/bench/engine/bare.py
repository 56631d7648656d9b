"""The least that asks for answers: workers and one session. `python -m tests.bench.engine.bare FOLDER`."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from tests.bench.engine.cases import Case, Job, Said, read_job, write_said


async def ask_all(job: Job) -> list[Said]:
    """Each case once; what fails has no output."""
    said: list[Said] = []
    waiting = iter(job.asked)
    connector = aiohttp.TCPConnector(limit=job.concurrency)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session, asyncio.TaskGroup() as group:
        for _ in range(job.concurrency):
            group.create_task(_work(session, job.url, waiting, said))
    return said


async def _work(session: aiohttp.ClientSession, url: str, waiting: Iterator[Case], said: list[Said]) -> None:
    for case in waiting:
        started = time.perf_counter()
        try:
            async with session.post(url, data=case.body) as answer:
                content = await answer.read()
        except aiohttp.ClientError:
            content = b"{}"
        latency_ms = 1000 * (time.perf_counter() - started)
        choices = json.loads(content).get("choices")
        said.append(Said(case.number, choices[0]["message"]["content"] if choices else "", latency_ms))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_said(folder, asyncio.run(ask_all(read_job(folder))))
