"""A few completions now, for a served model; a trial's thousands go through the evaluation engine."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
from openai import OpenAI, OpenAIError
from openai.types.chat import ChatCompletion

from tasks.errors import TunegateError
from tasks.prompting.tool_calls import as_text
from tasks.providers.asking import bare, http_client
from tasks.providers.failure import Failure, read_error
from tasks.providers.protocol import AnswerEndpoint, AnswerTransport, RawAnswer

CALL = "asking the model"


UNFINISHED = {"length": "truncated", "content_filter": "filtered"}


@dataclass(frozen=True)
class Completed:
    """What came of one request: its answer, or the error in its place. `outcome` "": the answer ended by itself."""

    text: str = ""
    outcome: str = ""
    latency_ms: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: TunegateError | OpenAIError | None = None


def complete(endpoint: AnswerEndpoint, bodies: Sequence[dict[str, Any]]) -> list[str]:
    """The answer to each request body, in order: its text, or its tool calls as a text. Raises the first error."""
    answers = ask(endpoint, bodies)
    raise_first(answers)
    return [answer.text for answer in answers]


def raise_first(answers: Sequence[Completed]) -> None:
    """Raise the first error among answers, if there is one."""
    for answer in answers:
        if answer.error is not None:
            raise answer.error


def ask(endpoint: AnswerEndpoint, bodies: Sequence[dict[str, Any]]) -> list[Completed]:
    """What came of each request, in order, with its time and tokens; nothing is raised for one of them.

    The SDK's own retries apply: no state is bought here. A provider that does not speak the wire is asked its own way.
    """
    if endpoint.transport:
        return asyncio.run(_carried(endpoint.transport, bodies, endpoint.max_concurrency))
    base_url = endpoint.url.removesuffix("/chat/completions")
    sender = http_client(base_url, endpoint.headers, endpoint.allow_private_address)
    with bare(OpenAI(base_url=base_url, api_key="-", timeout=endpoint.timeout_s, http_client=sender)) as client:

        def answer(body: dict[str, Any]) -> Completed:
            started = time.monotonic()
            try:
                return _completed(client.chat.completions.create(**body), started)
            except OpenAIError as error:
                return Completed(outcome="failed", latency_ms=_since(started), error=error)

        with ThreadPoolExecutor(max(1, min(len(bodies), endpoint.max_concurrency))) as pool:
            return list(pool.map(answer, bodies))


async def _carried(transport: AnswerTransport, bodies: Sequence[dict[str, Any]], at_once: int) -> list[Completed]:
    room = asyncio.Semaphore(at_once)

    async def answer(body: dict[str, Any]) -> Completed:
        async with room:
            started = time.monotonic()
            raw = await transport.ask(orjson.dumps(body))
            try:
                return _completed(_read(raw), started)
            except TunegateError as error:
                return Completed(outcome="failed", latency_ms=_since(started), error=error)

    return await asyncio.gather(*map(answer, bodies))


def _read(answer: RawAnswer) -> ChatCompletion:
    """Raises what a failed read means."""
    if answer.status == 0:
        raise read_error(CALL, Failure(0, code=answer.error))
    if answer.status != 200:
        raise read_error(CALL, Failure.of_answer(answer.status, answer.headers, answer.body))
    return ChatCompletion.construct(**orjson.loads(answer.body))


def _completed(completion: ChatCompletion, started: float) -> Completed:
    choice, usage = completion.choices[0], completion.usage
    message = choice.message
    calls = [call.model_dump() for call in message.tool_calls or ()]
    return Completed(
        text=as_text(calls) if calls else message.content or "",
        outcome="refused" if message.refusal else UNFINISHED.get(choice.finish_reason or "", ""),
        latency_ms=_since(started),
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
    )


def _since(started: float) -> float:
    return 1000 * (time.monotonic() - started)
