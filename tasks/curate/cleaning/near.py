"""Alike rows among those that are still in, for curation to count or drop and for partitions to keep together."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.data_policy import Leakage
from tasks.curate.cleaning.columns import Positions, Rows, texts
from tasks.similarity.clusters import near_pairs
from tasks.similarity.pairs import best_pairs
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts

SAME_WORDS, SAME_FORM, NEAR = "same words", "same but for numbers", "near"
FAMILIES = (SAME_WORDS, SAME_FORM)  # all of whose rows are alike, while pairs name some of them
COPIES = (*FAMILIES, NEAR)  # an excerpt is no copy
RIVALS = (SAME_WORDS, NEAR)  # an answer may hang on a number alone


class Alike:
    """The texts of the chosen rows, read once to be compared. Rows go by their position in the file.

    keys: output, partition, special and rank of every row of the file.
    """

    def __init__(self, path: Path, rows: Rows, keys: pd.DataFrame, policy: Leakage) -> None:
        self._texts, self._policy, self._keys = Texts.of(texts(path, "input", rows)), policy, keys
        self._counts = RowCounts.of(self._texts)
        self._positions = np.flatnonzero(rows)

    def pairs(self, rows: Positions) -> pd.DataFrame:
        """Alike pairs of these rows: left, right, kind, score; copy: one would do; rival: their answers disagree.

        Rows of two given partitions are neither (that is leakage's business), nor are short texts (for review only),
        nor rows of which the words are not all of the question.
        """
        found = near_pairs(self._take(rows), self._counts, self._policy)
        return self._judged(found.assign(left=rows[found["left"]], right=rows[found["right"]]))

    def copies(self, rows: Positions) -> pd.DataFrame:
        """Pairs of these rows that are copies: left, right. Of a family each with the best one of its answer."""
        pairs = self.pairs(rows)
        family = pairs[pairs["kind"].isin(FAMILIES)]
        at = np.searchsorted(self._positions, family["left"])
        shared = np.where(family["kind"] == SAME_WORDS, self._texts.words[at], self._texts.form[at])
        both = pd.concat([family["left"], family["right"]]).to_numpy()
        members = pd.DataFrame({"family": np.tile(shared, 2), "row": both}).drop_duplicates()
        members = members.join(self._keys, on="row").sort_values("rank")
        members = members[~members["special"] & (self._length(members["row"]) >= self._policy.short_words)]
        best = members.groupby(["family", "output", "partition"])["row"].transform("first")
        stars = pd.DataFrame({"left": best, "right": members["row"]})[best != members["row"]]
        return pd.concat([pairs.loc[pairs["copy"], ["left", "right"]], stars])

    def nearest(self, rows: Positions, among: Positions) -> dict[int, int]:
        """Each of these rows that is a copy of one of the others -> the likest."""
        found = best_pairs(self._take(rows), self._take(among), self._counts, self._policy)
        pairs = self._judged(found.assign(left=rows[found["judged"]], right=among[found["trained"]]))
        pairs = pairs[pairs["copy"]]
        return dict(zip(pairs["left"].tolist(), pairs["right"].tolist(), strict=True))

    def _judged(self, pairs: pd.DataFrame) -> pd.DataFrame:
        short = np.minimum(self._length(pairs["left"]), self._length(pairs["right"])) < self._policy.short_words
        pairs = pairs.assign(kind=pairs["kind"].mask(self._numbers_only(pairs), SAME_FORM))
        left, right = (self._keys.iloc[pairs[side]].reset_index(drop=True) for side in ("left", "right"))
        plain = ~(left["special"] | right["special"]) & (left["partition"] == right["partition"])
        comparable = plain & ((pairs["kind"] == SAME_WORDS) | ~short)
        agree = left["output"] == right["output"]
        return pairs.assign(
            copy=comparable & agree & pairs["kind"].isin(COPIES),
            rival=comparable & ~agree & pairs["kind"].isin(RIVALS),
        )

    def _numbers_only(self, pairs: pd.DataFrame) -> pd.Series:
        """Pairs that differ in numbers alone, as near as a search may have found them."""
        left, right = (self._texts.form[np.searchsorted(self._positions, pairs[side])] for side in ("left", "right"))
        return (pairs["kind"] == NEAR) & (left == right) & (left != 0)

    def _length(self, rows: pd.Series) -> npt.NDArray[np.int32]:
        words: npt.NDArray[np.int32] = self._texts.length[np.searchsorted(self._positions, rows)]
        return words

    def _take(self, rows: Positions) -> Texts:
        return self._texts.take(np.searchsorted(self._positions, rows))
