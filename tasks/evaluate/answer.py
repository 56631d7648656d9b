"""Thousands of answers through one session: paced, patient, and paid for once.

Every answer is in the store before it counts, so that a run which is killed asks only for the rest when it comes back.
"""

import asyncio
import hashlib
import itertools
import logging
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from data_contracts.answers import AnswerStore, StoredAnswer
from data_contracts.contest import Outcome
from tasks.errors import TunegateError
from tasks.evaluate.exchange import Exchange, Line, Reply
from tasks.evaluate.pace import Pace
from tasks.providers.failure import Failure, read_error, stopping_error
from tasks.providers.protocol import AnswerEndpoint
from tasks.purse import Allowance, Unpaid

CALL = "asking for answers"
QUESTION_S = 300.0  # how long one question may fail while others are answered
MODEL_S = 60.0  # how long a model may be missing: a fresh tune is not there at once everywhere
OUTAGE_S = 900.0  # how long the provider may be away before the run stops, resumable
GATHER_S = 0.05  # a commit costs some milliseconds, a kill at most what was gathered since the last
BACKOFF_S, BACKOFF_CAP_S = 0.5, 8.0

log = logging.getLogger("tunegate.answers")


@dataclass(frozen=True)
class Question:
    """One request of one candidate for one case; `body` is the JSON that is sent."""

    candidate: str
    model: str
    case: str
    body: bytes
    request: str  # request_hash of it
    endpoint: str = ""  # where it is asked; empty: at the provider that trains


@dataclass(frozen=True)
class Answer:
    """What came back. A `failed` one has no output, and is not stored: the next run asks again."""

    candidate: str
    case: str
    request: str
    output: str
    outcome: Outcome
    finish_reason: str
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int
    stored: bool  # it was in the store before, nothing was paid now


def request_hash(identity: str, body: bytes) -> str:
    """Hash of who is asked (the provider's base_url) and exactly what."""
    return hashlib.sha256(identity.encode() + b"\n" + body).hexdigest()


def answer_all(
    questions: Sequence[Question],
    endpoints: Mapping[str, AnswerEndpoint],
    store: AnswerStore,
    progress: Callable[[int, int], None],
    allowance: Allowance | None = None,
) -> list[Answer]:
    """An answer to each question, in their order; equal requests are asked once. `progress(done, of)` counts requests.

    `endpoints` by the name that questions carry; all of them are asked at once, each at its own pace. `allowance` may
    refuse a question before it is asked; None: nobody counts the money.

    Raises CredentialsError, ProviderUnavailableError (an outage), ProviderRefusedError (the model is gone) or
    BudgetError; what was answered until then is stored.
    """
    by_request, purse = {question.request: question for question in questions}, allowance or Unpaid()
    stored = store.stored_answers(list(by_request))
    purse.keep(store, list(stored.values()))  # an older release counted the cost only at the end
    # By hash: a random order, the same each time, in which no candidate has a slow minute to itself.
    missing = [by_request[request] for request in sorted(by_request.keys() - stored.keys())]
    journal = _Journal(store, purse, lambda finished: progress(len(stored) + finished, len(by_request)))
    journal.report()
    if missing:
        try:
            asyncio.run(_ask(missing, endpoints, journal))
        finally:
            purse.close()
    _warn_of_failures(journal.finished.values())
    records = {**stored, **journal.finished}
    return [_answer(question, records[question.request], question.request in stored) for question in questions]


class _Journal:
    """Finished answers. One that was paid for counts once the store has taken it."""

    def __init__(self, store: AnswerStore, purse: Allowance, progress: Callable[[int], None]) -> None:
        self._store, self.purse, self._progress = store, purse, progress
        self.waiting: list[StoredAnswer] = []
        self.finished: dict[str, StoredAnswer] = {}

    def add(self, answer: StoredAnswer) -> None:
        """An answer has come; it counts after the next flush."""
        self.waiting.append(answer)
        self.purse.came(answer)

    async def write(self) -> None:
        """Flush now and then, until cancelled."""
        while True:
            await asyncio.sleep(GATHER_S)
            await self.flush()

    async def flush(self) -> None:
        """Store what is waiting, beside the event loop: a commit must not hold up the clocks of other answers.

        Cancelled half-way, it may be called again: the store keeps the first answer to a request.
        """
        batch = [*self.waiting]
        if batch:
            answered = [one for one in batch if one.outcome != "failed"]
            await asyncio.to_thread(self.purse.keep, self._store, answered)
            del self.waiting[: len(batch)]
            self.purse.settle(batch)
            self.finished |= {answer.request: answer for answer in batch}
            self.report()

    def report(self) -> None:
        """Say how many there are."""
        self._progress(len(self.finished))


class _Engine:
    """Workers that take the questions for one endpoint from one queue, at one pace."""

    def __init__(self, questions: Sequence[Question], line: Line, journal: _Journal, most: int) -> None:
        self._queue, self._line, self._journal = deque(questions), line, journal
        self._pace = Pace(most)
        self._workers = min(2 * most, len(questions))  # half of them may be backing off
        self._door, self._news = asyncio.Lock(), asyncio.Event()
        self._last_answer = _now()

    async def run(self) -> None:
        """Answer all. The first error that ends it for one ends it for all."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while self._queue:
            self._journal.add(await self._settle(self._queue.popleft()))

    async def _settle(self, question: Question) -> StoredAnswer:
        """Ask until there is an answer, or no hope of one."""
        await self._journal.purse.draw(question.request, len(question.body))
        since = _now()
        for attempt in itertools.count():
            sent_at, exchange = await self._exchange(question)
            failure = exchange.result
            if isinstance(failure, Reply):
                self._last_answer = _now()
                self._pace.answered()
                break
            self._stop_for(failure, since)
            if self._is_hopeless(failure, since):
                break
            if self._slow_down(question, failure, sent_at):
                since = _now()
            await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_S * 2**attempt)))  # noqa: S311 - no secret
        return _record(question, exchange)

    async def _exchange(self, question: Question) -> tuple[float, Exchange]:
        """One request in its turn, and when it went out."""
        tokens = len(question.body) / 4
        await self._turn(tokens)
        sent_at = _now()
        self._pace.sent(tokens, sent_at)
        try:
            exchange = await self._line.ask(question.body)
        finally:
            self._pace.in_flight -= 1
            self._news.set()
        self._pace.learn(exchange.headers, _now())
        return sent_at, exchange

    async def _turn(self, tokens: float) -> None:
        """Wait in line until the pace lets one more request out."""
        async with self._door:
            while len(self._journal.waiting) + self._pace.in_flight >= self._workers:
                await asyncio.sleep(GATHER_S / 10)  # what a kill costs is bounded, however slow the store is
            while (pause := self._pace.wait(tokens, _now())) > 0:
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(pause) else pause):
                        await self._news.wait()

    def _stop_for(self, failure: Failure, since: float) -> None:
        """Raise what ends the whole run: the key, the account, a model that stays away, a provider that does."""
        missing = failure.status == 404 and _now() - since > MODEL_S
        away = (failure.retry_after or 0) > OUTAGE_S or _now() - self._last_answer > OUTAGE_S
        stopped: TunegateError | None = stopping_error(CALL, failure)
        if missing or 300 <= failure.status < 400 or (failure.transient and away):
            stopped = stopped or read_error(CALL, failure)
        if stopped:
            self._pace.hold(math.inf, _now())
            raise stopped

    def _is_hopeless(self, failure: Failure, since: float) -> bool:
        if failure.transient:
            return _now() - since > QUESTION_S
        return failure.status != 404

    def _slow_down(self, question: Question, failure: Failure, sent_at: float) -> bool:
        """Let the pace know. True: the provider is the cause, not the question, whose time starts anew."""
        now, busy, was_down = _now(), failure.status == 429, self._pace.down
        if failure.status in (429, 503):
            self._pace.overloaded(sent_at, now)
        if failure.retry_after or busy:
            self._pace.hold(failure.retry_after or BACKOFF_S, now)
        if failure.transient and not busy:
            self._pace.failed(question.request, now)
        if self._pace.down and not was_down:
            log.warning("the provider is down (%s): probing it for at most %.0f s", failure, OUTAGE_S)
        return busy or self._pace.down


async def _ask(questions: Sequence[Question], endpoints: Mapping[str, AnswerEndpoint], journal: _Journal) -> None:
    """What was answered is stored, whatever ends it."""
    writer = asyncio.create_task(journal.write())
    try:
        async with asyncio.TaskGroup() as group:
            for name in dict.fromkeys(question.endpoint for question in questions):
                own = [question for question in questions if question.endpoint == name]
                group.create_task(_ask_one(own, endpoints[name], journal))
    except BaseExceptionGroup as stopped:
        raise _first(stopped) from None
    finally:
        writer.cancel()
        await asyncio.wait([writer])
        await journal.flush()


async def _ask_one(questions: Sequence[Question], endpoint: AnswerEndpoint, journal: _Journal) -> None:
    async with Line(endpoint) as line:
        await _Engine(questions, line, journal, endpoint.max_concurrency).run()


def _first(stopped: BaseExceptionGroup) -> BaseException:
    error = stopped.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _warn_of_failures(records: Iterable[StoredAnswer]) -> None:
    reasons = Counter(record.finish_reason for record in records if record.outcome == "failed")
    if reasons:
        log.warning("%d requests count as failed: %s", reasons.total(), dict(reasons))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _record(question: Question, exchange: Exchange) -> StoredAnswer:
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
    )


def _answer(question: Question, record: StoredAnswer, stored: bool) -> Answer:
    return Answer(
        candidate=question.candidate,
        case=question.case,
        request=record.request,
        output=record.output,
        outcome=record.outcome,
        finish_reason=record.finish_reason,
        latency_ms=record.latency_ms,
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        stored=stored,
    )
