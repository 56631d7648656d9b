"""The sealed test set: which one is in use, what rests on it, and how its rows are fixed for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from data_contracts.data_policy import Split
from data_contracts.records import PARTITIONS, Partitions, SealedTestSet
from tasks.errors import DataError
from tasks.ledger import Ledger
from tasks.ledger.rows import Opening
from tasks.partition.placing.memory import COPIED, LEAK, group_keys, newest_test_set, row_keys
from tasks.power import cases_needed, detectable_difference


@dataclass(frozen=True)
class Past:
    """What the ledger knows of a use case when a run of it begins."""

    run: str
    history: Mapping[str, str]
    openings: Sequence[Opening]

    @classmethod
    def of(cls, ledger: Ledger, use_case: str, run: str) -> Self:
        """As the ledger has it now."""
        return cls(run, ledger.history(use_case), ledger.openings(use_case))

    def verdicts(self, test_set: int) -> int:
        """Other runs that scored candidates on the n-th test set. Rows that were added make no other set of it."""
        return len({one.run for one in self.openings if one.test_set == test_set and one.run != self.run})

    def policy(self, policy: Split) -> Split:
        """`policy` with the test set that this run uses: the newest, or a new one where that is worn and refreshed.

        Raises DataError where it is worn and the policy refuses it.
        """
        if policy.method == "given":  # whose test set is what its file holds, known by its hash
            return policy
        newest = max([policy.test_set, newest_test_set(self.history), *(one.test_set for one in self.openings)])
        verdicts = self.verdicts(newest)
        self._refuse_worn(verdicts, f"test set {newest}", policy)
        fresh = _is_worn(verdicts, policy) and policy.when_worn == "refresh"
        return policy.model_copy(update={"test_set": newest + fresh})

    def sealed(self, partitions: Partitions, sha256: str, policy: Split, minimum_effect: float) -> SealedTestSet:
        """sealed.json: the test set by its hash. `policy` is that of `Past.policy`, `minimum_effect` 0..1."""
        rows = len(partitions.test)
        verdicts = self.verdicts(policy.test_set)
        if policy.method == "given":
            verdicts = len({one.run for one in self.openings if one.test_sha256 == sha256 and one.run != self.run})
            self._refuse_worn(verdicts, "this test set", policy)
        placed = (getattr(partitions, name)["words"].tolist() for name in PARTITIONS)
        return SealedTestSet(
            sha256=sha256,
            rows=rows,
            test_set=policy.test_set,
            verdicts=verdicts,
            worn=_is_worn(verdicts, policy),
            placed_earlier=sum(words in self.history for part in placed for words in part),
            detects=detectable_difference(rows),
            needed=cases_needed(minimum_effect) if minimum_effect else 0,
        )

    def _refuse_worn(self, verdicts: int, test_set: str, policy: Split) -> None:
        if _is_worn(verdicts, policy) and policy.when_worn == "refuse":
            problem = f"{verdicts} verdicts rest on {test_set}, split.max_verdicts allows no more"
            remedy = (
                "Draw a new one from rows that no trial has placed yet: `split.when_worn: refresh`, or raise "
                "`split.test_set`; give another file with method: given. Or raise `split.max_verdicts`, knowing that "
                "each verdict wears the set."
            )
            raise DataError("split", problem, remedy)


def _is_worn(verdicts: int, policy: Split) -> bool:
    return policy.max_verdicts is not None and verdicts >= policy.max_verdicts


def seal(ledger: Ledger, use_case: str, run: str, partitions: Partitions, test_set: SealedTestSet) -> None:
    """Fix the place of each row and group for ever, before the first row is sent.

    Raises DataError where another trial has fixed a row elsewhere since this run split its rows.
    """
    rows = row_keys(partitions, test_set.test_set, gate=(LEAK, COPIED))
    ledger.remember(use_case, rows | group_keys(partitions, test_set.test_set), run)
    ledger.record_test_set(use_case, test_set.sha256, test_set.test_set, run)
    history = ledger.history(use_case)
    moved = sum(history[words] != place for words, place in rows.items())
    if moved:
        problem = f"another trial has placed {moved} of its rows elsewhere since they were split"
        raise DataError(f"run {run}", problem, "Start a new one with `tunegate run`: it follows that.")
