"""A few completions now, for a served model; a trial's thousands go through the evaluation engine."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openai import DefaultHttpxClient, OpenAI

from tasks.prompting.tool_calls import as_text
from tasks.providers.base_url import is_loopback
from tasks.providers.protocol import AnswerEndpoint


def complete(endpoint: AnswerEndpoint, bodies: Sequence[dict[str, Any]]) -> list[str]:
    """The answer to each request body, in order: its text, or its tool calls as a text.

    The SDK's own retries apply: no state is bought here.
    """
    base_url = endpoint.url.removesuffix("/chat/completions")
    key = endpoint.headers.get("Authorization", "").removeprefix("Bearer ") or "none"
    with OpenAI(
        base_url=base_url,
        api_key=key,
        default_headers=endpoint.headers,  # the account too, as the trial asked
        timeout=endpoint.timeout_s,
        http_client=DefaultHttpxClient(follow_redirects=False, trust_env=not is_loopback(base_url)),
    ) as client:

        def answer(body: dict[str, Any]) -> str:
            message = client.chat.completions.create(**body).choices[0].message
            calls = [call.model_dump() for call in message.tool_calls or ()]
            return as_text(calls) if calls else message.content or ""

        with ThreadPoolExecutor(max(1, min(len(bodies), endpoint.max_concurrency))) as pool:
            return list(pool.map(answer, bodies))
