"""A few completions now, for a served model; a trial's thousands go through the evaluation engine."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from openai import OpenAI
from openai.types.chat import ChatCompletion

from tasks.prompting.tool_calls import as_text
from tasks.providers.asking import bare, http_client
from tasks.providers.failure import Failure, read_error
from tasks.providers.protocol import AnswerEndpoint, AnswerTransport, RawAnswer

CALL = "asking the model"


def complete(endpoint: AnswerEndpoint, bodies: Sequence[dict[str, Any]]) -> list[str]:
    """The answer to each request body, in order: its text, or its tool calls as a text.

    The SDK's own retries apply: no state is bought here. A provider that does not speak the wire is asked its own way.
    """
    if endpoint.transport:
        return asyncio.run(_carried(endpoint.transport, bodies, endpoint.max_concurrency))
    base_url = endpoint.url.removesuffix("/chat/completions")
    sender = http_client(base_url, endpoint.headers, endpoint.allow_private_address)
    with bare(OpenAI(base_url=base_url, api_key="-", timeout=endpoint.timeout_s, http_client=sender)) as client:

        def answer(body: dict[str, Any]) -> str:
            return _text(client.chat.completions.create(**body))

        with ThreadPoolExecutor(max(1, min(len(bodies), endpoint.max_concurrency))) as pool:
            return list(pool.map(answer, bodies))


async def _carried(transport: AnswerTransport, bodies: Sequence[dict[str, Any]], at_once: int) -> list[str]:
    room = asyncio.Semaphore(at_once)

    async def answer(body: dict[str, Any]) -> str:
        async with room:
            return _read(await transport.ask(orjson.dumps(body)))

    return await asyncio.gather(*map(answer, bodies))


def _read(answer: RawAnswer) -> str:
    """Raises what a failed read means."""
    if answer.status == 0:
        raise read_error(CALL, Failure(0, code=answer.error))
    if answer.status != 200:
        raise read_error(CALL, Failure.of_answer(answer.status, answer.headers, answer.body))
    return _text(ChatCompletion.construct(**orjson.loads(answer.body)))


def _text(completion: ChatCompletion) -> str:
    message = completion.choices[0].message
    calls = [call.model_dump() for call in message.tool_calls or ()]
    return as_text(calls) if calls else message.content or ""
