"""Money is set aside before it is spent: whoever finds no room under a cap is stopped before the paid request.

What is set aside stands in the ledger beside what was spent, under a lock, so that runs side by side cannot both take
the last of a budget, and what a killed run had under way still counts. An unknown price cannot be capped: it needed a
person's yes before.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import fsum
from typing import TYPE_CHECKING, Literal, Protocol

from data_contracts.answers import AnswerStore, StoredAnswer
from tasks.errors import BudgetError

if TYPE_CHECKING:  # SQLAlchemy and pydantic, which an engine process does without
    from data_contracts.money import Part, Price
    from data_contracts.use_case import Budget
    from tasks.ledger import Ledger

BATCH = 200  # answers for which money is set aside at once: the ledger is asked once a batch, a kill loses one at most
RESERVED = "reserved"
DUST = 1e-9  # USD: sums of floats are not exact
AGAIN = "Raise `budget.{cap}` and run again: what was answered and bought so far is kept, and not paid for again."


@dataclass(frozen=True)
class Purse:
    """What one run may still spend."""

    ledger: "Ledger"
    use_case: str
    run: str
    budget: "Budget"

    def set_aside(self, key: str, kind: "Part | Literal['watch']", amount: float, to_follow: float = 0.0) -> None:
        """Count a purchase as spent before it is made. What an earlier attempt set aside for it is replaced.

        Raises BudgetError, with nothing set aside, where a cap has no room for it and for what is `to_follow`.
        """
        with self.ledger.lock(f"budget {self.use_case}"):
            self.ledger.settle_spend(key, 0.0)
            self._require(amount + to_follow, self.room())
            self.ledger.hold(key, self.use_case, self.run, kind, amount)

    def note(self, key: str, kind: "Part", amount: float) -> None:
        """Count what is spent already; the same key counts once."""
        self.ledger.record_spend(key, self.use_case, self.run, kind, amount)

    def stretch(self, key: str, held: float, amounts: tuple[float, float]) -> float:
        """Set aside the first amount in all, and as much of the second as the caps have room for; the sum.

        `held` is what the same key holds. Raises BudgetError, with that unchanged, where there is no room for the
        first amount.
        """
        needed, more = amounts
        with self.ledger.lock(f"budget {self.use_case}"):
            self.ledger.hold(key, self.use_case, self.run, RESERVED, held)  # as of now: a month may have ended
            room = tuple((left + held, cap) for left, cap in self.room())
            self._require(needed, room)
            amount = min(needed + more, *(left for left, _ in room))
            self.ledger.hold(key, self.use_case, self.run, RESERVED, amount)
        return amount

    def room(self) -> tuple[tuple[float, str], ...]:
        """USD left under each cap, and the cap's name."""
        return (
            (self.budget.per_run - self.ledger.spent_in_run(self.run), "per_run"),
            (self.budget.per_month - self.ledger.spent(self.use_case, self.month), "per_month"),
        )

    @property
    def month(self) -> float:
        """When this month began, UTC, in seconds since the epoch."""
        now = datetime.fromtimestamp(self.ledger.clock.now(), UTC)
        return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()

    def _require(self, amount: float, room: Sequence[tuple[float, str]]) -> None:
        for left, cap in room:
            if amount > left + DUST:
                limit: float = getattr(self.budget, cap)
                what = {"per_run": "This run with what comes next", "per_month": "This month with what comes next"}[cap]
                raise BudgetError(what, limit - left + amount, limit, AGAIN.format(cap=cap))


class Allowance(Protocol):
    """Who says whether a question may be asked, and is told what came of it."""

    async def draw(self, request: str, size: int) -> None:
        """Before a question of so many bytes goes out. Raises BudgetError where it may not."""

    def draw_all(self, sizes: Mapping[str, int]) -> None:
        """Before questions of so many bytes go out together. Raises BudgetError where not all of them may."""

    def came(self, answer: StoredAnswer) -> None:
        """An answer came, and what it costs is known."""

    def keep(self, store: AnswerStore, answers: Sequence[StoredAnswer]) -> None:
        """Store answers and count what they cost. Called beside the event loop."""

    def settle(self, answers: Sequence[StoredAnswer]) -> None:
        """The same answers are counted: what was drawn for them is free again. Called in the event loop."""

    def close(self) -> None:
        """Nothing more is asked."""


class Unpaid:
    """Answers that cost nothing."""

    async def draw(self, request: str, size: int) -> None:
        """Ask."""

    def draw_all(self, sizes: Mapping[str, int]) -> None:
        """Ask."""

    def came(self, answer: StoredAnswer) -> None:
        """Nothing."""

    def keep(self, store: AnswerStore, answers: Sequence[StoredAnswer]) -> None:
        """Store them."""
        store.store_answers(answers)

    def settle(self, answers: Sequence[StoredAnswer]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Tariff:
    """What the answers of a stage cost: a price for each request, and the tokens that an answer is expected to have."""

    prices: "Mapping[str, Price]"
    answer_tokens: float
    longer: Mapping[str, float] = field(default_factory=dict)  # of the requests whose answers think first

    def expected(self, request: str, size: int) -> float:
        """USD for a request of so many bytes, before it is answered. An unknown part counts nothing."""
        price = self.prices[request]
        tokens = self.longer.get(request, self.answer_tokens)
        return (size / 4 * (price.input or 0.0) + tokens * (price.output or 0.0)) / 1e6

    def actual(self, answer: StoredAnswer) -> float | None:
        """USD that an answer did cost; None where a price is unknown or it was none."""
        price = self.prices[answer.request]
        if answer.outcome == "failed" or price.input is None or price.output is None:
            return None
        return (answer.prompt_tokens * price.input + answer.completion_tokens * price.output) / 1e6


class AnswerMoney:
    """The allowance of one stage: draws on a batch set aside in the ledger, and waits for open answers at the brim."""

    def __init__(self, purse: Purse, kind: "Part", tariff: Tariff) -> None:
        self._purse, self._kind, self._tariff = purse, kind, tariff
        self._key = f"reserved {purse.run}"
        self._drawn: dict[str, float] = {}
        self._held = self._left = 0.0
        self._door, self._news = asyncio.Lock(), asyncio.Event()
        purse.ledger.settle_spend(self._key, 0.0)  # what an earlier process of this run left behind

    async def draw(self, request: str, size: int) -> None:
        """Take the expected cost out of what is set aside, which is stretched where it does not reach."""
        expected = self._tariff.expected(request, size)
        while expected > self._left:
            async with self._door:
                if expected > self._left:
                    await self._stretch(expected)
        self._left -= expected
        self._drawn[request] = expected

    def draw_all(self, sizes: Mapping[str, int]) -> None:
        """Set aside the expected cost of all of them, or of none."""
        expected = {request: self._tariff.expected(request, size) for request, size in sizes.items()}
        needed = fsum([*self._drawn.values(), *expected.values()])
        self._held = self._purse.stretch(self._key, self._held, (needed, 0.0))
        self._drawn |= expected
        self._left = self._held - fsum(self._drawn.values()) + DUST

    def came(self, answer: StoredAnswer) -> None:
        """Its cost takes the place of what was expected: a dearer one leaves less for those still to be asked."""
        expected = self._drawn[answer.request]
        actual = expected if (cost := self._tariff.actual(answer)) is None else cost
        self._drawn[answer.request] = actual
        self._left += expected - actual

    def keep(self, store: AnswerStore, answers: Sequence[StoredAnswer]) -> None:
        """In one transaction of the ledger, which is the store too: a kill cannot come between answer and cost."""
        costs = {answer.request: self._tariff.actual(answer) for answer in answers}
        known = {request: cost for request, cost in costs.items() if cost is not None}
        purse = self._purse
        purse.ledger.store_paid_answers(answers, purse.use_case, purse.run, self._kind, known)

    def settle(self, answers: Sequence[StoredAnswer]) -> None:
        """What was set aside for them is theirs no more; the next stretch gives it back."""
        for answer in answers:
            self._drawn.pop(answer.request, None)
        self._news.set()

    def close(self) -> None:
        """Give back what is set aside and was not needed."""
        self._purse.ledger.settle_spend(self._key, 0.0)

    async def _stretch(self, expected: float) -> None:
        """Set a batch aside. With no room left the answers under way are awaited first: they may cost less."""
        while True:
            self._news.clear()
            waiting, needed = bool(self._drawn), fsum([*self._drawn.values(), expected])
            amounts = needed, BATCH * expected
            try:
                self._held = await asyncio.to_thread(self._purse.stretch, self._key, self._held, amounts)
            except BudgetError:
                if not waiting:
                    raise
                await self._news.wait()
            else:
                self._left = self._held - fsum(self._drawn.values()) + DUST
                return
