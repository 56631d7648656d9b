"""The metric of a set of cases, for all candidates at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError, DataError
from tasks.evaluate.comparison.clusters import Codes, Figures
from tasks.evaluate.score import is_exact

SCORED = {  # metrics that are the mean of the column `score`, and the kind of task they are for
    "field_f1": TaskKind.EXTRACTION,
    "text_f1": TaskKind.FREE_TEXT,
    "chrf": TaskKind.FREE_TEXT,
    "custom": None,
}


class ComparisonError(DataError):
    """The answers at hand cannot be compared: no figure is better than a wrong one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}"


# ---------------------------------------------------------------- answers


def side_by_side(answers: pd.DataFrame, candidates: Sequence[str]) -> list[pd.DataFrame]:
    """Answers of each candidate, row by row the same cases and repeats; ComparisonError unless each answered all cases.

    A repeat that not every candidate was asked for, as one that only tells the time, is left out.
    """
    if not candidates:
        raise ComparisonError("comparison", "there is no candidate", "Name at least one.")
    groups = dict(list(answers.groupby("candidate", sort=False)))
    sides = [in_order(groups.get(name, answers.iloc[:0])) for name in candidates]
    for name, side in zip(candidates, sides, strict=True):
        problem = _problem(side, sides[0])
        if problem:
            raise ComparisonError(f"candidate {name}", problem, "Let every candidate answer the same cases.")
    return _on_common_repeats(sides)


def in_order(side: pd.DataFrame) -> pd.DataFrame:
    """By case, then repeat."""
    return side.sort_values(["case", "repeat"], ignore_index=True)


def first_answers(side: pd.DataFrame) -> pd.DataFrame:
    """One row a case: what tokens, money, outcomes and labels are counted on. Scores are averaged over repeats.

    A repeat shows how far answers vary. It is no further case, and no request that production would send.
    """
    return side[~side["case"].duplicated()].reset_index(drop=True)


def _problem(side: pd.DataFrame, first: pd.DataFrame) -> str:
    if side.empty:
        return "it has no answer to any case"
    twice = side.duplicated(["case", "repeat"])
    if twice.any():
        return f"it has {twice.sum()} cases twice"
    mine, other = first_answers(side), first_answers(first)
    if not mine[["case", "repeat"]].equals(other[["case", "repeat"]]):
        differing = set(zip(mine["case"], mine["repeat"], strict=True)) ^ set(
            zip(other["case"], other["repeat"], strict=True)
        )
        return f"its {len(mine)} cases are not those of {first['candidate'].iloc[0]} ({len(differing)} differ)"
    if not mine["expected"].equals(other["expected"]):
        return f"the expected answers differ from those of {first['candidate'].iloc[0]}"
    return "answers without a score are among them" if side["score"].isna().any() else ""


def _on_common_repeats(sides: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    asked = [pd.MultiIndex.from_frame(side[["case", "repeat"]]) for side in sides]
    common = asked[0]
    for index in asked[1:]:
        common = common if index.equals(common) else common.intersection(index)
    return [
        side if len(index) == len(common) else side[index.isin(common)].reset_index(drop=True)
        for side, index in zip(sides, asked, strict=True)
    ]


def given_labels(side: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The label that each answer gave; the outcome in brackets where it gave none."""
    answered = (side["outcome"] == "answered").to_numpy(bool)
    given: npt.NDArray[np.object_] = np.where(answered, side["parsed"], "(" + side["outcome"] + ")")
    return given.astype(object)


def exact(side: pd.DataFrame, kind: TaskKind) -> npt.NDArray[np.bool_]:
    """Which answers are the expected one."""
    answered = (side["outcome"] == "answered").to_numpy(bool)
    pairs = list(zip(side["parsed"], side["expected"], strict=True))
    same = {pair: is_exact(*pair, kind) for pair in {pair for pair, told in zip(pairs, answered, strict=True) if told}}
    return np.array([told and same[pair] for pair, told in zip(pairs, answered, strict=True)], dtype=bool)


def share_exact(side: pd.DataFrame, kind: TaskKind) -> Figures:
    """For each case the share of its repeats that give the expected answer."""
    return _over_repeats(side, exact(side, kind))


def _over_repeats(side: pd.DataFrame, values: npt.NDArray[np.generic]) -> Figures:
    """One mean a case of one value an answer; rows of a case stand together, its first answer at their head.

    A repeat that failed tells nothing of the model and is left out. A case whose first request failed scores 0.
    """
    starts = np.flatnonzero(~side["case"].duplicated())
    told = (side["outcome"] != "failed").to_numpy(np.float64)
    total, count = (np.add.reduceat(figures, starts) for figures in (told * values.astype(np.float64), told))
    return np.asarray(np.where(told[starts] > 0, total / np.maximum(count, 1), 0.0))


# ---------------------------------------------------------------- measures


@dataclass(frozen=True)
class MeanScore:
    """The mean of what each case scored. `per_case` is candidates x cases; NaN is a case that was not judged."""

    per_case: Figures

    def __call__(self, weights: Figures) -> Figures:
        """The metric for each row of weights (rows x cases): candidates x rows, NaN where no case counts."""
        known = ~np.isnan(self.per_case)
        total = np.where(known, self.per_case, 0.0) @ weights.T
        with np.errstate(invalid="ignore"):
            return np.asarray(total / (known.astype(np.float64) @ weights.T))

    def at(self, cases: Codes) -> "MeanScore":
        """On these cases alone."""
        return MeanScore(self.per_case[:, cases])

    def of(self, candidates: Sequence[int]) -> "MeanScore":
        """Of these candidates alone."""
        return MeanScore(self.per_case[list(candidates)])


@dataclass(frozen=True)
class MacroF1:
    """The mean of F1 over the labels that are expected among the cases; no answer is a miss of the expected label.

    `expected` and `given` are label codes from 0; a given code of `labels` is no expected label at all.
    """

    expected: Codes
    given: Codes  # candidates x cases
    labels: int

    def __call__(self, weights: Figures) -> Figures:
        """The metric for each row of weights (rows x cases): candidates x rows."""
        expected = weights @ self.marks(self.expected)
        return np.stack(
            [
                macro_f1(expected, weights @ self.marks(given), weights @ self.marks(self.hits(given)))
                for given in self.given
            ]
        )

    @property
    def per_case(self) -> Figures:
        """1 where the label is right."""
        return np.asarray(self.given == self.expected, dtype=np.float64)

    def at(self, cases: Codes) -> "MacroF1":
        """On these cases alone."""
        return replace(self, expected=self.expected[cases], given=self.given[:, cases])

    def of(self, candidates: Sequence[int]) -> "MacroF1":
        """Of these candidates alone."""
        return replace(self, given=self.given[list(candidates)])

    def hits(self, given: Codes) -> Codes:
        """The codes given where they are right, else `labels`."""
        return np.where(given == self.expected, given, self.labels)

    def marks(self, codes: Codes) -> csr_array:
        """Cases x labels: 1 for the label of each case, none where it is no expected label."""
        known = np.flatnonzero(codes < self.labels)
        shape = len(codes), self.labels
        return csr_array((np.ones(len(known)), (known, codes[known])), shape=shape)


Measure = MeanScore | MacroF1


def measure(sides: Sequence[pd.DataFrame], metric: str, kind: TaskKind) -> Measure:
    """The metric for all candidates at once. Scores are averaged over repeats; macro F1 takes the first answers."""
    if metric == "accuracy":
        return MeanScore(np.stack([share_exact(side, kind) for side in sides]))
    if metric == "macro_f1" and kind is TaskKind.CLASSIFICATION:
        return _labelled([first_answers(side) for side in sides])
    if metric in SCORED and SCORED[metric] in (kind, None):
        return MeanScore(np.stack([_over_repeats(side, side["score"].to_numpy(np.float64)) for side in sides]))
    remedy = (
        "Take accuracy, custom (with `evaluation.scorer`), judge (with `evaluation.judge`), or macro_f1 "
        "(classification), field_f1 (extraction), text_f1 or chrf (free text)."
    )
    raise ConfigurationError("gates.metric", f"{metric} is no metric of {kind.value}", remedy)


def overall(measured: Measure) -> Figures:
    """The metric on all cases, one figure a candidate."""
    return np.asarray(measured(np.ones((1, measured.per_case.shape[1])))[:, 0])


def macro_f1(expected: Figures, given: Figures, hits: Figures) -> Figures:
    """Macro F1 of each row of counts by label (rows x labels), over the labels that the row expects."""
    f1 = 2 * hits / np.maximum(expected + given, 1)
    return np.asarray(np.where(expected > 0, f1, 0).sum(axis=-1) / (expected > 0).sum(axis=-1))


def _labelled(sides: Sequence[pd.DataFrame]) -> MacroF1:
    labels, expected = np.unique(sides[0]["expected"].to_numpy(object), return_inverse=True)
    codes = {label: code for code, label in enumerate(labels)}
    given = np.array([[codes.get(label, len(labels)) for label in given_labels(side)] for side in sides])
    return MacroF1(expected, given, len(labels))
