"""One request and what came of it, timed at the socket."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Self

import aiohttp

from tasks.evaluate.engine.reply import Reply, read
from tasks.evaluate.engine.stream import gather, streamed
from tasks.providers.base_url import is_loopback, resolver
from tasks.providers.failure import Failure

if TYPE_CHECKING:
    from tasks.providers.protocol import AnswerEndpoint, AnswerTransport

LAST_WORDS_S = 1.0  # for what may follow the end of a stream; a connection that is not read to its end is lost


@dataclass(frozen=True)
class Exchange:
    """A request's end. Times run from its head on the wire: to the last byte, and, streamed, to the first token."""

    result: Reply | Failure
    latency_ms: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ttft_ms: float | None = None


class Line:
    """One HTTP session to the endpoint: connections are kept, redirects are not followed."""

    def __init__(self, endpoint: "AnswerEndpoint") -> None:
        self._url, self._transport, self._stream = endpoint.url, endpoint.transport, endpoint.stream
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
        sent = streamed(body) if self._stream else body
        try:
            async with self._session.post(
                self._url, data=sent, allow_redirects=False, trace_request_ctx=clock
            ) as answer:
                return await _received(answer, clock)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Exchange(Failure(0, code=type(error).__name__), _elapsed_ms(clock))


async def _received(answer: aiohttp.ClientResponse, clock: SimpleNamespace) -> Exchange:
    """A server that knows no streams answers as if it had not been asked for one."""
    if answer.status == 200 and answer.content_type == "text/event-stream":
        return await _received_in_pieces(answer, clock)
    content = await answer.read()
    latency_ms = _elapsed_ms(clock)
    return Exchange(read(answer.status, answer.headers, content), latency_ms, answer.headers)


async def _received_in_pieces(answer: aiohttp.ClientResponse, clock: SimpleNamespace) -> Exchange:
    pieces = await gather(answer.content.iter_any())
    latency_ms = _elapsed_ms(clock)
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(LAST_WORDS_S):
            await answer.content.read()
    ttft_ms = None if pieces.first_at is None else (pieces.first_at - clock.started) * 1000
    return Exchange(pieces.result(), latency_ms, answer.headers, ttft_ms)


async def _carried(transport: "AnswerTransport", body: bytes) -> Exchange:
    """The same by a provider's own way."""
    clock = SimpleNamespace(started=time.perf_counter())
    answer = await transport.ask(body)
    latency_ms = _elapsed_ms(clock)
    if answer.status == 0:
        return Exchange(Failure(0, code=answer.error), latency_ms)
    return Exchange(read(answer.status, answer.headers, answer.body), latency_ms, answer.headers)


async def _start_clock(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    """Connecting and waiting for a free connection are not the model's latency."""
    context.trace_request_ctx.started = time.perf_counter()


def _elapsed_ms(clock: SimpleNamespace) -> float:
    started: float = clock.started
    return (time.perf_counter() - started) * 1000
