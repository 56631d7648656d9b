"""Cases that stand or fall together: rows of one customer, near-duplicates. They are resampled as one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Figures = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

BLOCK_CELLS = 1_000_000  # draws x cases held in memory at once


@dataclass(frozen=True)
class Sampling:
    """How often, and from which seed, cases are drawn again and scores trade places."""

    seed: int = 7
    resamples: int = 2_000
    permutations: int = 9_999

    def blocks(self, width: int) -> Iterator[int]:
        """The resamples in rows of such a width, as many at once as memory should hold."""
        rows = max(1, BLOCK_CELLS // width)
        yield from (min(rows, self.resamples - start) for start in range(0, self.resamples, rows))


@dataclass(frozen=True)
class Clusters:
    """The cluster of each case, coded from 0 without a gap."""

    codes: Codes

    @classmethod
    def of(cls, cases: Sequence[str], groups: Mapping[str, str]) -> "Clusters":
        """One for each group; a case without a group is one by itself."""
        return cls.coded([(True, groups[case]) if case in groups else (False, case) for case in cases])

    @classmethod
    def coded(cls, keys: Sequence[object]) -> "Clusters":
        """One for each distinct key."""
        found: dict[object, int] = {}
        return cls(np.array([found.setdefault(key, len(found)) for key in keys], dtype=np.intp))

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.codes.max()) + 1 if len(self.codes) else 0

    @property
    def single(self) -> bool:
        """Whether each case is by itself."""
        return self.count == len(self.codes)

    @property
    def members(self) -> csr_array:
        """Clusters x cases: 1 where the case belongs to the cluster."""
        cases = len(self.codes)
        return csr_array((np.ones(cases), (self.codes, np.arange(cases))), shape=(self.count, cases))

    def at(self, cases: Codes) -> "Clusters":
        """Of these cases alone."""
        return Clusters(np.unique(self.codes[cases], return_inverse=True)[1])

    def sums(self, values: Figures) -> Figures:
        """One sum a cluster of one value a case."""
        return np.asarray(np.bincount(self.codes, weights=values, minlength=self.count), dtype=np.float64)

    def design_effect(self, values: Figures) -> float:
        """How many times the variance of the mean is that of as many cases each by itself (Kish 1965); at least 1.

        Where all values are alike nothing tells, and a cluster counts for no more than one case.
        """
        errors = values - values.mean()
        square = float(np.square(errors).sum())
        return max(1.0, float(np.square(self.sums(errors)).sum()) / square if square else len(values) / self.count)

    def draws(self, sampling: Sampling) -> Iterator[Figures]:
        """How often each case is in each of the resamples, blocks of draws x cases; whole clusters are drawn."""
        draw = np.random.default_rng(sampling.seed)
        for rows in sampling.blocks(len(self.codes)):
            drawn = draw.integers(self.count, size=(rows, self.count))
            drawn += self.count * np.arange(rows)[:, None]  # one range of codes a row, so that one count does all
            often = np.bincount(drawn.ravel(), minlength=rows * self.count).reshape(rows, self.count)
            yield np.asarray(often[:, self.codes], dtype=np.float64)
