"""Answers asked for by the file: at a lower price, within a day, and without a latency.

What a batch brings is put to the answering engine as if an endpoint had said it, so that it is read, paid for and
stored as any answer is. A batch is known by a key that its requests give it: whoever comes after a kill finds it again.
"""

import hashlib
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import orjson

from data_contracts.answers import AnswerStore, StoredAnswer
from tasks.errors import AmbiguousAnswerError, BudgetError, ProviderRefusedError, ProviderUnavailableError
from tasks.evaluate.answer import Answer, Question, answer_all
from tasks.providers.batches import Batch, BatchedRequest, Batches
from tasks.providers.protocol import AnswerEndpoint, RawAnswer
from tasks.purse import Allowance, Unpaid

CALL = "asking for answers in a batch"
ROUNDS = 3  # how often what came back unanswered is handed in again
ROUND_S = 60.0  # pause before that where a batch failed: a queue may be full, a fresh tune not there yet
LOOKS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # pauses between looks for a batch whose creation got no answer
POLL_S, POLL_CAP_S = 1.0, 60.0
OUTAGE_S = 3600.0  # how long the provider may be away before the run stops, resumable
LATE_S = 86_400.0  # how long after its window a batch may still run: not everybody lets one expire
FRAME = 256  # bytes of a line around its body
AGAIN = ("token_limit_exceeded", "model_not_found")  # codes of a failed batch that may pass
UNKNOWN = float("nan")

T = TypeVar("T")
log = logging.getLogger("tunegate.answers")


def answer_in_batches(
    questions: Sequence[Question],
    batches: Batches,
    store: AnswerStore,
    progress: Callable[[int, int], None],
    allowance: Allowance | None = None,
) -> list[Answer]:
    """As `answer_all`, through the provider's batch API; `latency_ms` of what was not stored before is NaN.

    The batches of all models are open at once. Raises as `answer_all` does, AmbiguousAnswerError where a batch may have
    been accepted and is not found; the next run finds what was bought.
    """
    by_request, purse = {question.request: question for question in questions}, allowance or Unpaid()
    stored = set(store.stored_answers(list(by_request)))
    old = answer_all([one for one in questions if one.request in stored], {}, store, lambda done, of: None, purse)
    clerk = _Clerk(batches, store, purse, lambda done: progress(len(stored) + done, len(by_request)))
    try:
        clerk.run([part.without(stored) for part in _parts(by_request, batches)])
    finally:
        purse.close()
    known = {answer.request: answer for answer in old} | clerk.finished
    return [_as_asked(question, known[question.request]) for question in questions]


@dataclass(frozen=True)
class _Part:
    """What one batch asks. Its key is that of all its requests, whatever of them is answered by now."""

    key: str
    missing: Mapping[str, Question]

    def without(self, requests: Iterable[str]) -> "_Part":
        """What is left of it."""
        done = set(requests)
        return replace(self, missing={one: asked for one, asked in self.missing.items() if one not in done})


def _parts(by_request: Mapping[str, Question], batches: Batches) -> Iterator[_Part]:
    """One model a batch, and no more of it than a batch may hold."""
    models: dict[str, list[str]] = defaultdict(list)
    for request in sorted(by_request):
        models[by_request[request].model].append(request)
    for requests in models.values():
        for chunk in _chunks(requests, by_request, batches):
            key = hashlib.sha256("\n".join(chunk).encode()).hexdigest()
            yield _Part(key, {request: by_request[request] for request in chunk})


def _chunks(requests: Sequence[str], by_request: Mapping[str, Question], batches: Batches) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for request in requests:
        added = len(by_request[request].body) + FRAME
        if chunk and (len(chunk) == batches.most_requests or size + added > batches.most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(request)
        size += added
    yield chunk


class _Clerk:
    """Hands in, waits, and keeps what comes."""

    def __init__(self, batches: Batches, store: AnswerStore, purse: Allowance, report: Callable[[int], None]) -> None:
        self._batches, self._store, self._purse, self._report = batches, store, purse, report
        self._clock = batches.clock
        self._reasons: dict[str, str] = {}  # why a request has no answer yet
        self.finished: dict[str, Answer] = {}

    def run(self, parts: Sequence[_Part]) -> None:
        """Answer all, in a few rounds; what is unanswered then has failed."""
        self._report(0)
        left = [part for part in parts if part.missing]
        failed: list[Batch] = []
        for _ in range(ROUNDS):
            if failed:
                self._clock.sleep(ROUND_S)
            failed = self._round(left)
            left = [rest for part in left if (rest := part.without(self.finished)).missing]
            if not left:
                return
        if failed:
            raise self._refusal(failed[0])
        self._give_up([question for part in left for question in part.missing.values()])

    def _round(self, parts: Sequence[_Part]) -> list[Batch]:
        """One batch for each part; those that failed."""
        running = [(part, self._open(part)) for part in parts]
        failed: list[Batch] = []
        pause = POLL_S
        while running:
            seen = [(part, self._seen(batch)) for part, batch in running]
            for part, batch in seen:
                if batch.state != "running":
                    failed += self._closed(part, batch)
            running = [(part, batch) for part, batch in seen if batch.state == "running"]
            self._report(len(self.finished) + sum(batch.settled for _, batch in running))
            if running:
                self._clock.sleep(pause)
                pause = min(POLL_CAP_S, 1.5 * pause)
        return failed

    def _open(self, part: _Part) -> Batch:
        """The part's batch: bought now, or found where an earlier run or a lost answer left it."""
        sizes = {request: len(question.body) for request, question in part.missing.items()}
        if found := self._patiently(lambda: self._batches.find(part.key)):
            log.info("batch %s (%s) was handed in before", found.id, found.raw_state)
            with suppress(BudgetError):  # its money is spent, whatever the budget says now
                self._purse.draw_all(sizes)
            return found
        self._purse.draw_all(sizes)
        requests = [BatchedRequest(request, question.body) for request, question in part.missing.items()]
        try:
            return self._patiently(lambda: self._batches.create(part.key, requests))
        except AmbiguousAnswerError as lost:
            return self._looked_for(part, lost)

    def _looked_for(self, part: _Part, lost: AmbiguousAnswerError) -> Batch:
        """The batch whose creation got no answer. It is never handed in a second time on suspicion."""
        for pause in LOOKS_S:
            self._clock.sleep(pause)
            if found := self._patiently(lambda: self._batches.find(part.key)):
                return found
        remedy = "Wait some minutes, then `tunegate resume RUN`: it looks for the batch before it asks for one again."
        raise AmbiguousAnswerError(CALL, f"{lost.cause}, and it is not listed", remedy) from None

    def _closed(self, part: _Part, batch: Batch) -> list[Batch]:
        """Keep what a batch brought, then delete it there; itself where it failed and another may not."""
        if batch.state == "failed":
            if batch.error_code not in AGAIN:
                raise self._refusal(batch)
            log.warning("batch %s failed (%s): %s", batch.id, batch.error_code, batch.error_message)
            return [batch]
        came: dict[str, RawAnswer] = {}
        for request, answer in self._patiently(lambda: list(self._batches.answers(batch))):
            if request not in part.missing:
                continue
            if _is_settled(answer):
                came.setdefault(request, answer)
            self._reasons[request] = answer.error or f"http_{answer.status}"
        self._keep([part.missing[request] for request in came], came)
        self._patiently(lambda: self._batches.discard(batch))
        if len(came) < len(part.missing):
            log.warning("batch %s is %s: %d of %d", batch.id, batch.raw_state, len(came), len(part.missing))
        return []

    def _give_up(self, questions: Sequence[Question]) -> None:
        reasons = {one.request: self._reasons.get(one.request, "no_answer") for one in questions}
        self._keep(questions, {request: _refused(reason) for request, reason in reasons.items()})

    def _keep(self, questions: Sequence[Question], came: Mapping[str, RawAnswer]) -> None:
        """Let the engine read and store them."""
        said: dict[bytes, deque[RawAnswer]] = defaultdict(deque)
        for question in questions:
            said[question.body].append(came[question.request])
        desk = AnswerEndpoint("http://127.0.0.1", {}, timeout_s=60.0, max_concurrency=64, transport=_Said(said))
        endpoints = dict.fromkeys((question.endpoint for question in questions), desk)
        answers = answer_all(questions, endpoints, self._store, lambda done, of: None, _Unclocked(self._purse))
        self.finished |= {answer.request: replace(answer, latency_ms=UNKNOWN) for answer in answers}
        self._report(len(self.finished))

    def _patiently(self, call: Callable[[], T]) -> T:
        """Ask again as long as the provider is only away. Raises ProviderUnavailableError after OUTAGE_S."""
        since, pause = self._clock.monotonic(), POLL_S
        while True:
            try:
                return call()
            except ProviderUnavailableError as away:
                pause = min(POLL_CAP_S, 2 * pause)
                wait = max(pause, away.retry_after or 0.0)
                if self._clock.monotonic() + wait - since > OUTAGE_S:
                    raise
                self._clock.sleep(wait)

    def _seen(self, batch: Batch) -> Batch:
        """Its present state. Raises ProviderUnavailableError where it runs and runs."""
        batch = self._patiently(lambda: self._batches.batch(batch.id))
        if batch.state == "running" and batch.expires_at and self._clock.now() > batch.expires_at + LATE_S:
            cause = f"batch {batch.id} is {batch.raw_state} a day after its window"
            raise ProviderUnavailableError(CALL, cause, "Ask the provider, or cancel it there; then resume the run.")
        return batch

    def _refusal(self, batch: Batch) -> ProviderRefusedError:
        remedy = "Mend what it names, or set provider.batch: false; what was answered so far is kept."
        return ProviderRefusedError(CALL, batch.error_code or "batch_failed", batch.error_message.rstrip("."), remedy)


class _Said:
    """Answers that are there already, by the request's body; a second look at one finds that it is of no use."""

    def __init__(self, said: Mapping[bytes, "deque[RawAnswer]"]) -> None:
        self._said = said

    async def ask(self, body: bytes) -> RawAnswer:
        """The answer."""
        waiting = self._said[body]
        return waiting.popleft() if waiting else _refused("unreadable_answer")


class _Unclocked:
    """The allowance of a batch: drawn before, and its answers have no latency."""

    def __init__(self, purse: Allowance) -> None:
        self._purse = purse

    async def draw(self, request: str, size: int) -> None:
        """Done for the whole batch."""

    def draw_all(self, sizes: Mapping[str, int]) -> None:
        """Done."""

    def came(self, answer: StoredAnswer) -> None:
        """Its cost counts when it is kept."""

    def keep(self, store: AnswerStore, answers: Sequence[StoredAnswer]) -> None:
        """Keep them, their latency unknown."""
        self._purse.keep(store, [replace(answer, latency_ms=UNKNOWN) for answer in answers])

    def settle(self, answers: Sequence[StoredAnswer]) -> None:
        """They are counted."""
        self._purse.settle(answers)

    def close(self) -> None:
        """Other batches are still open."""


def _is_settled(answer: RawAnswer) -> bool:
    """Whether asking the same again would bring nothing else."""
    return answer.status == 200 or (400 <= answer.status < 500 and answer.status not in (404, 408, 409, 429))


def _refused(reason: str) -> RawAnswer:
    return RawAnswer(400, orjson.dumps({"error": {"code": reason, "type": "batch", "message": reason, "param": None}}))


def _as_asked(question: Question, answer: Answer) -> Answer:
    """The same answer may be to several candidates' question."""
    return replace(answer, candidate=question.candidate, case=question.case, repeat=question.repeat)
