"""What has been answered in this run: an answer counts once the store has it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tasks.purse import Unpaid

if TYPE_CHECKING:
    from data_contracts.answers import AnswerStore, StoredAnswer
    from tasks.purse import Allowance

GATHER_S = 0.02  # a commit costs some milliseconds, a kill at most what was gathered since the last
FLUSH_S = 1.0  # of a store that has each answer as soon as it came


@runtime_checkable
class WritesAtOnce(Protocol):
    """A store so quick that an answer is written when it comes, in the event loop."""

    def write(self, answer: "StoredAnswer") -> None:
        """From now on no kill loses it; `store_answers` has it flushed, against a loss of power too."""


class Kept:
    """Finished answers, stored by the batch beside the event loop."""

    def __init__(self, store: "AnswerStore", purse: "Allowance", progress: Callable[[int], None]) -> None:
        self._store, self.purse, self._progress = store, purse, progress
        # What an answer costs is stored with it, in one transaction: only a free one may go ahead.
        self._at_once = store if isinstance(store, WritesAtOnce) and isinstance(purse, Unpaid) else None
        self._hurry, self._stored = asyncio.Event(), asyncio.Event()
        self._over = False
        self._waiting: list[StoredAnswer] = []
        self.finished: dict[str, StoredAnswer] = {}

    @property
    def at_risk(self) -> int:
        """Answers that a kill would lose now."""
        return 0 if self._at_once else len(self._waiting)

    def add(self, answer: "StoredAnswer") -> None:
        """An answer has come; it counts after the next flush."""
        if self._at_once and answer.outcome != "failed":
            self._at_once.write(answer)
        self._waiting.append(answer)
        self.purse.came(answer)

    async def write(self) -> None:
        """Flush now and then, and at once where somebody waits for it, until closed."""
        pause = FLUSH_S if self._at_once else GATHER_S
        while not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            self._hurry.clear()
            await self.flush()

    async def stored(self) -> None:
        """Wait until a flush has made room."""
        self._hurry.set()
        self._stored.clear()
        await self._stored.wait()

    def close(self) -> None:
        """The next flush is the last."""
        self._over = True
        self._hurry.set()

    async def flush(self) -> None:
        """Store what is waiting, beside the event loop: a commit must not hold up the clocks of other answers."""
        batch = [*self._waiting]
        if batch:
            answered = [one for one in batch if one.outcome != "failed"]
            await asyncio.to_thread(self.purse.keep, self._store, answered)
            del self._waiting[: len(batch)]
            self.purse.settle(batch)
            self.finished |= {answer.request: answer for answer in batch}
            self.report()
        self._stored.set()

    def report(self) -> None:
        """Say how many there are."""
        self._progress(len(self.finished))
