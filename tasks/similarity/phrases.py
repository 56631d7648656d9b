"""How common each phrase is, and so what is boilerplate."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_contracts.data_policy import Leakage
from tasks.similarity import workers
from tasks.similarity.arrays import Cut, UInt32s, UInt64s
from tasks.similarity.texts import Texts, spoken

COUNTERS = 2**22  # hashed, 16 MB at any number of rows; at a million rows 15 trigrams of 1 row each share one
# In a small set a real family of copies would soon exceed the share: a phrase of up to 20 rows always counts.
MIN_BOILERPLATE_ROWS = 20
WORTHLESS = 0.1  # of the rows above which a phrase is boilerplate: from there on it is no evidence


@dataclass(frozen=True)
class RowCounts:
    """In how many rows each word trigram stands, and each form. Counts of parts of the rows add up."""

    rows: int
    counts: UInt32s

    @classmethod
    def of(cls, *texts: Texts) -> "RowCounts":
        """Count all rows of all texts."""
        from tasks.similarity.counting import count_rows

        counts = np.zeros(COUNTERS, np.uint32)

        def count(share: tuple[int, int]) -> None:
            for part in texts:
                count_rows(part.rows, part.form, share, counts)

        workers.each(count, workers.shares(COUNTERS))
        return cls(sum(map(len, texts)), counts)

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(self.rows + other.rows, self.counts + other.counts)

    def most(self, policy: Leakage) -> int:
        """Rows above which a phrase is boilerplate."""
        return max(MIN_BOILERPLATE_ROWS, int(policy.max_row_share * self.rows))

    def widespread(self, forms: UInt64s, policy: Leakage) -> npt.NDArray[np.bool_]:
        """Which of these forms are boilerplate."""
        rows = self.counts[forms & np.uint64(COUNTERS - 1)]
        return np.asarray(rows > self.most(policy))

    def cut(self, policy: Leakage) -> Cut:
        """Which trigrams count, and for how much: ln(rows from which it is worthless / other rows that have it)."""
        worthless = max(MIN_BOILERPLATE_ROWS, WORTHLESS * policy.max_row_share * self.rows)
        chance = int(self.counts.mean())  # rows that share a counter without sharing the phrase
        others = np.maximum(np.arange(int(worthless) + chance + 2) - chance - 1, 1)
        weight = np.log(worthless / others).clip(min=0).astype(np.float32)
        return Cut(self.counts, self.most(policy), weight)

    def boilerplate(self, texts: Texts, policy: Leakage, limit: int = 50) -> list[tuple[str, int]]:
        """The phrases of these texts that do not count, the commonest first: words, and rows that have all of it."""
        from tasks.similarity.counting import boilerplate_runs

        cut = self.cut(policy)
        runs = np.zeros((int(np.count_nonzero(self.counts > cut.most)), 4), np.int64)
        runs = runs[: boilerplate_runs(texts.rows, cut, np.zeros(COUNTERS, np.uint8), runs)]
        commonest = runs[np.argsort(-runs[:, 3], kind="stable")][:limit]
        phrases = [spoken(texts.text(row))[first:behind] for row, first, behind in commonest[:, :3].tolist()]
        return list(zip(map(" ".join, phrases), commonest[:, 3].tolist(), strict=True))
