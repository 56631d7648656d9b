"""What becomes of each raw row, and why."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from tasks.curate.cleaning.columns import Positions, Rows
from tasks.curate.defects import Code

Fate = Literal["curated", "duplicate", "quarantined", "excluded"]
NOBODY = -1


class Fates:
    """Every row is curated until it leaves, and leaves once. Rows go by their position in the raw file."""

    def __init__(self, rows: int) -> None:
        self._fate = np.full(rows, "curated", dtype=object)
        self._kept = np.full(rows, NOBODY)
        self._why = {name: np.full(rows, "", dtype=object) for name in ("code", "field", "remedy")}

    @property
    def curated(self) -> Rows:
        """Rows that are still in."""
        return np.asarray(self._fate == "curated", dtype=np.bool_)

    @property
    def positions(self) -> Positions:
        """Where the rows stand that are still in."""
        return np.flatnonzero(self.curated)

    @property
    def weights(self) -> Positions:
        """Each row and its copies, counted."""
        return 1 + np.bincount(self._kept[self._kept != NOBODY], minlength=len(self._kept))

    def exclude(self, rows: Positions, field: str, reason: str) -> None:
        """A rule of the use case leaves these rows out."""
        self._leave(rows, "excluded")
        self._explain(rows, Code.EXCLUDED, field, [reason] * len(rows))

    def quarantine(self, rows: Positions, code: Code, field: str, remedies: Sequence[str]) -> None:
        """Something is wrong with these rows."""
        self._leave(rows, "quarantined")
        self._explain(rows, code, field, remedies)

    def drop(self, rows: Positions, kept: Positions) -> None:
        """These rows are copies of the kept ones."""
        self._leave(rows, "duplicate")
        self._kept[rows] = kept

    def follow(self) -> None:
        """A copy shares the fate of the row that was kept for it, where that row has left since."""
        copies = np.flatnonzero(self._fate == "duplicate")
        kept = self._kept[copies]
        moved = self._fate[kept] == "duplicate"
        self._kept[copies[moved]] = self._kept[kept[moved]]
        lost = self._fate[kept] == "quarantined"
        self._fate[copies[lost]], self._kept[copies[lost]] = "quarantined", NOBODY
        for column in self._why.values():
            column[copies[lost]] = column[kept[lost]]

    def counts(self) -> Counter[str]:
        """Fate -> rows."""
        return Counter(self._fate.tolist())

    def frame(self, ids: pd.Series) -> pd.DataFrame:
        """The rows of `Curated.fates`."""
        kept = np.full(len(self._fate), "", dtype=object)
        copies = self._fate == "duplicate"
        kept[copies] = ids.iloc[self._kept[copies]].to_numpy(dtype=object)
        return pd.DataFrame({"fate": self._fate, "kept_id": kept, **self._why}, dtype="str")

    def _leave(self, rows: Positions, fate: Fate) -> None:
        if (self._fate[rows] != "curated").any():
            raise AssertionError(f"a row that has left already cannot become {fate}")
        self._fate[rows] = fate

    def _explain(self, rows: Positions, code: Code, field: str, remedies: Sequence[str]) -> None:
        self._why["code"][rows], self._why["field"][rows] = code.value, field
        self._why["remedy"][rows] = np.array(remedies, dtype=object)
