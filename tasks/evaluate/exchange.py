"""One request and what came of it, timed at the socket."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp
import orjson

from data_contracts.contest import Outcome
from tasks.prompting.tool_calls import as_text
from tasks.providers.base_url import is_loopback, resolver
from tasks.providers.failure import Failure
from tasks.providers.protocol import AnswerEndpoint, AnswerTransport

FILTER_CODES = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
UNFINISHED: dict[str, Outcome] = {"length": "truncated", "content_filter": "filtered"}


@dataclass(frozen=True)
class Reply:
    """A completion reduced to what is kept."""

    output: str
    outcome: Outcome
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Exchange:
    """A request's end. `latency_ms` runs from its head on the wire to the last byte of the answer."""

    result: Reply | Failure
    latency_ms: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Line:
    """One HTTP session to the endpoint: connections are kept, redirects are not followed."""

    def __init__(self, endpoint: AnswerEndpoint) -> None:
        self._url, self._transport = endpoint.url, endpoint.transport
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_start_clock)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=endpoint.max_concurrency, resolver=resolver(endpoint.url, endpoint.allow_private_address)
            ),
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
            headers={**endpoint.headers, "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not is_loopback(endpoint.url),
            trace_configs=[trace],
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, body: bytes) -> Exchange:
        """Send the body once. Whatever the network does is an Exchange, never an exception."""
        if self._transport:
            return await _carried(self._transport, body)
        clock = SimpleNamespace(started=time.perf_counter())
        try:
            async with self._session.post(
                self._url, data=body, allow_redirects=False, trace_request_ctx=clock
            ) as answer:
                content = await answer.read()
                latency_ms = _elapsed_ms(clock)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Exchange(Failure(0, code=type(error).__name__), _elapsed_ms(clock))
        return Exchange(_read(answer.status, answer.headers, content), latency_ms, answer.headers)


async def _carried(transport: AnswerTransport, body: bytes) -> Exchange:
    """The same by a provider's own way."""
    clock = SimpleNamespace(started=time.perf_counter())
    answer = await transport.ask(body)
    latency_ms = _elapsed_ms(clock)
    if answer.status == 0:
        return Exchange(Failure(0, code=answer.error), latency_ms)
    return Exchange(_read(answer.status, answer.headers, answer.body), latency_ms, answer.headers)


def _read(status: int, headers: Mapping[str, str], content: bytes) -> Reply | Failure:
    if status == 200:
        try:
            return _completion(orjson.loads(content))
        except (ValueError, LookupError, TypeError, AttributeError):
            return Failure(status, code="unreadable_answer")
    failure = Failure.of_answer(status, headers, content)
    if status == 400 and failure.code in FILTER_CODES:
        return Reply("", "filtered", "content_filter")
    return failure


def _completion(document: dict[str, Any]) -> Reply:
    choice, usage = document["choices"][0], document.get("usage") or {}
    message, finish_reason = choice["message"], str(choice.get("finish_reason") or "stop")
    refusal = message.get("refusal")
    return Reply(
        output=str(refusal or _answer(message)),
        outcome="refused" if refusal else UNFINISHED.get(finish_reason, "answered"),
        finish_reason=finish_reason,
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
    )


def _answer(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls")
    return as_text(calls) if calls else message.get("content") or ""


async def _start_clock(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    """Connecting and waiting for a free connection are not the model's latency."""
    context.trace_request_ctx.started = time.perf_counter()


def _elapsed_ms(clock: SimpleNamespace) -> float:
    started: float = clock.started
    return (time.perf_counter() - started) * 1000
