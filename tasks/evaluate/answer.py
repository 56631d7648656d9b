"""Thousands of answers through one session: paced, patient, and paid for once.

Every answer is in the store before it counts, so that a run which is killed asks only for the rest when it comes back.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.evaluate.engine.dialogue import Answer, Question, request_hash
from tasks.evaluate.engine.exchange import Line
from tasks.evaluate.engine.kept import Kept
from tasks.evaluate.engine.workers import Engine
from tasks.purse import Allowance, Unpaid

if TYPE_CHECKING:
    from data_contracts.answers import AnswerStore, StoredAnswer
    from tasks.providers.protocol import AnswerEndpoint

__all__ = ["Answer", "Question", "answer_all", "request_hash"]

log = logging.getLogger("tunegate.answers")


def answer_all(
    questions: Sequence[Question],
    endpoints: "Mapping[str, AnswerEndpoint]",
    store: "AnswerStore",
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
    # By hash: a random order, the same each time, in which no candidate has a slow minute to itself.
    missing = [by_request[request] for request in sorted(by_request.keys() - stored.keys())]
    kept = Kept(store, purse, lambda finished: progress(len(stored) + finished, len(by_request)))
    kept.report()
    if missing:
        try:
            asyncio.run(_ask(missing, endpoints, kept))
        finally:
            purse.close()
    _warn_of_failures(kept.finished.values())
    records = {**stored, **kept.finished}
    return [_answer(question, records[question.request], question.request in stored) for question in questions]


async def _ask(questions: Sequence[Question], endpoints: "Mapping[str, AnswerEndpoint]", kept: Kept) -> None:
    """What was answered is stored, whatever ends it; a store that fails ends it too."""
    asking, writing = asyncio.create_task(_ask_all(questions, endpoints, kept)), asyncio.create_task(kept.write())
    try:
        await asyncio.wait([asking, writing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        kept.close()
        await asyncio.wait([writing])
        await kept.flush()
    writing.result()
    asking.result()


async def _ask_all(questions: Sequence[Question], endpoints: "Mapping[str, AnswerEndpoint]", kept: Kept) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for name in dict.fromkeys(question.endpoint for question in questions):
                own = [question for question in questions if question.endpoint == name]
                group.create_task(_ask_one(own, endpoints[name], kept))
    except BaseExceptionGroup as stopped:
        raise _first(stopped) from None


async def _ask_one(questions: Sequence[Question], endpoint: "AnswerEndpoint", kept: Kept) -> None:
    async with Line(endpoint) as line:
        await Engine(questions, line, kept, endpoint.max_concurrency).run()


def _first(stopped: BaseExceptionGroup) -> BaseException:
    error = stopped.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _warn_of_failures(records: "Iterable[StoredAnswer]") -> None:
    reasons = Counter(record.finish_reason for record in records if record.outcome == "failed")
    if reasons:
        log.warning("%d requests count as failed: %s", reasons.total(), dict(reasons))


def _answer(question: Question, record: "StoredAnswer", stored: bool) -> Answer:
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
        repeat=question.repeat,
        ttft_ms=record.ttft_ms,
        confidence=record.confidence,
    )
