"""Workers that take the questions for one endpoint from one queue, at one pace."""

import asyncio
import itertools
import logging
import math
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from data_contracts.answers import StoredAnswer
from tasks.evaluate.engine.exchange import Exchange, Line
from tasks.evaluate.engine.pace import Pace, Ticket
from tasks.evaluate.engine.reply import Reply
from tasks.providers.failure import Failure, read_error, stopping_error

if TYPE_CHECKING:
    from tasks.errors import TunegateError
    from tasks.evaluate.engine.dialogue import Question
    from tasks.evaluate.engine.kept import Kept

CALL = "asking for answers"
QUESTION_S = 300.0  # how long one question may fail while others are answered
MODEL_S = 60.0  # how long a model may be missing: a fresh tune is not there at once everywhere
OUTAGE_S = 900.0  # how long the provider may be away before the run stops, resumable
BACKOFF_S, BACKOFF_CAP_S = 0.5, 8.0

log = logging.getLogger("tunegate.answers")


class Engine:
    """All questions for one endpoint, `most` of them in flight at most."""

    def __init__(self, questions: "Sequence[Question]", line: Line, kept: "Kept", most: int) -> None:
        self._queue, self._line, self._kept = deque(questions), line, kept
        self._pace = Pace(most)
        self._workers = min(2 * most, len(questions))  # half of them may be backing off
        self._door, self._news = asyncio.Lock(), asyncio.Event()
        self._last_answer = time.monotonic()

    async def run(self) -> None:
        """Answer all. The first error that ends it for one ends it for all."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while self._queue:
            self._kept.add(await self._settle(self._queue.popleft()))
            await asyncio.sleep(0)  # whatever has come is kept before another question goes out

    async def _settle(self, question: "Question") -> StoredAnswer:
        """Ask until there is an answer, or no hope of one."""
        await self._kept.purse.draw(question.request, len(question.body))
        since = time.monotonic()
        for attempt in itertools.count():
            ticket, exchange = await self._exchange(question)
            failure = exchange.result
            if isinstance(failure, Reply):
                self._last_answer = time.monotonic()
                self._pace.answered(self._last_answer)
                break
            self._stop_for(failure, since)
            if self._is_hopeless(failure, since):
                break
            if self._slow_down(question, failure, ticket, exchange.headers):
                since = time.monotonic()
            if failure.status != 429:  # the pace says when the next one may go
                await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_S * 2**attempt)))  # noqa: S311 - no secret
        return _record(question, exchange)

    async def _exchange(self, question: "Question") -> tuple[Ticket, Exchange]:
        """One request in its turn, and its ticket."""
        tokens = len(question.body) / 4
        await self._turn(tokens)
        ticket = self._pace.sent(tokens, time.monotonic())
        try:
            exchange = await self._line.ask(question.body)
        finally:
            self._pace.in_flight -= 1
            self._news.set()
        if isinstance(exchange.result, Reply):
            self._pace.learn(exchange.headers, ticket)
        return ticket, exchange

    async def _turn(self, tokens: float) -> None:
        """Wait in line until the pace lets one more request out."""
        async with self._door:
            while self._kept.at_risk + self._pace.in_flight >= self._workers:
                await self._kept.stored()  # what a kill costs is bounded, however slow the store is
            while (pause := self._pace.wait(tokens, time.monotonic())) > 0:
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(pause) else pause):
                        await self._news.wait()

    def _stop_for(self, failure: Failure, since: float) -> None:
        """Raise what ends the whole run: the key, the account, a model that stays away, a provider that does."""
        now = time.monotonic()
        missing = failure.status == 404 and now - since > MODEL_S
        away = (failure.retry_after or 0) > OUTAGE_S or now - self._last_answer > OUTAGE_S
        stopped: TunegateError | None = stopping_error(CALL, failure)
        if missing or 300 <= failure.status < 400 or (failure.transient and away):
            stopped = stopped or read_error(CALL, failure)
        if stopped:
            self._pace.hold(math.inf, now)
            raise stopped

    def _is_hopeless(self, failure: Failure, since: float) -> bool:
        if failure.transient:
            return time.monotonic() - since > QUESTION_S
        return failure.status != 404

    def _slow_down(self, question: "Question", failure: Failure, ticket: Ticket, headers: Mapping[str, str]) -> bool:
        """Let the pace know. True: the provider is the cause, not the question, whose time starts anew."""
        now, busy, was_down = time.monotonic(), failure.status == 429, self._pace.down
        explained = busy and self._pace.refused(ticket, now, headers)
        if failure.status == 503:
            self._pace.overloaded(question.request, ticket, now, told=bool(failure.retry_after))
        if failure.retry_after or (busy and not explained):
            self._pace.hold(failure.retry_after or BACKOFF_S, now)
        if failure.transient and not busy:
            self._pace.failed(question.request, now)
        if self._pace.down and not was_down:
            log.warning("the provider is down (%s): probing it for at most %.0f s", failure, OUTAGE_S)
        return busy or self._pace.down


def _record(question: "Question", exchange: Exchange) -> StoredAnswer:
    result = exchange.result
    if isinstance(result, Failure):
        result = Reply("", "failed", result.code or f"http_{result.status}")
    return StoredAnswer(
        request=question.request,
        model=question.model,
        output=result.output,
        outcome=result.outcome,
        finish_reason=result.finish_reason,
        latency_ms=exchange.latency_ms,
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        ttft_ms=exchange.ttft_ms,
        confidence=result.confidence,
    )
