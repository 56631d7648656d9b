"""The metric of a set of cases, for all candidates at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError, DataError
from tasks.evaluate.score import is_exact

Figures = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
OVERLAP_METRICS = {"field_f1": TaskKind.EXTRACTION, "text_f1": TaskKind.FREE_TEXT}


class ComparisonError(DataError):
    """The answers at hand cannot be compared: no figure is better than a wrong one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}"


def side_by_side(answers: pd.DataFrame, candidates: Sequence[str]) -> list[pd.DataFrame]:
    """Answers of each candidate, row by row the same cases; an error unless each answered every case once."""
    if not candidates:
        raise ComparisonError("comparison", "there is no candidate", "Name at least one.")
    groups = dict(list(answers.groupby("candidate", sort=False)))
    sides = [groups.get(name, answers.iloc[:0]).sort_values("case", ignore_index=True) for name in candidates]
    for name, side in zip(candidates, sides, strict=True):
        problem = _problem(side, sides[0])
        if problem:
            raise ComparisonError(f"candidate {name}", problem, "Let every candidate answer the same cases.")
    return sides


def _problem(side: pd.DataFrame, first: pd.DataFrame) -> str:
    if side.empty:
        return "it has no answer to any case"
    if side["case"].duplicated().any():
        return f"it has {side['case'].duplicated().sum()} cases twice"
    if not side["case"].equals(first["case"]):
        differing = set(side["case"]) ^ set(first["case"])
        return f"its {len(side)} cases are not those of {first['candidate'].iloc[0]} ({len(differing)} differ)"
    if not side["expected"].equals(first["expected"]):
        return f"the expected answers differ from those of {first['candidate'].iloc[0]}"
    return "answers without a score are among them" if side["score"].isna().any() else ""


def given_labels(side: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The label that each case got; the outcome in brackets where it got none."""
    answered = (side["outcome"] == "answered").to_numpy(bool)
    given: npt.NDArray[np.object_] = np.where(answered, side["parsed"], "(" + side["outcome"] + ")")
    return given.astype(object)


def exact(side: pd.DataFrame, kind: TaskKind) -> npt.NDArray[np.bool_]:
    """Which cases got the expected answer."""
    columns = zip(side["outcome"], side["parsed"], side["expected"], strict=True)
    return np.array([outcome == "answered" and is_exact(given, right, kind) for outcome, given, right in columns])


@dataclass(frozen=True)
class MeanScore:
    """The mean of what each case scored. `per_case` is candidates x cases."""

    per_case: Figures

    def __call__(self, cases: Codes) -> Figures:
        """The metric on each row of case positions: candidates x rows."""
        return np.asarray(self.per_case[:, cases].mean(axis=-1))


@dataclass(frozen=True)
class MacroF1:
    """The mean of F1 over the labels that are expected among the cases; no answer is a miss of the expected label.

    `expected` and `given` are label codes from 0; a given code of `labels` is no expected label at all.
    """

    expected: Codes
    given: Codes  # candidates x cases
    labels: int

    def __call__(self, cases: Codes) -> Figures:
        """The metric on each row of case positions: candidates x rows."""
        expected = self.expected[cases]
        return np.stack([macro_f1(tally(expected, given[cases], self.labels)) for given in self.given])

    @property
    def per_case(self) -> Figures:
        """1 where the label is right."""
        return np.asarray(self.given == self.expected, dtype=np.float64)


Measure = MeanScore | MacroF1


def measure(sides: Sequence[pd.DataFrame], metric: str, kind: TaskKind) -> Measure:
    """The metric as a function of case positions, for all candidates at once."""
    if metric == "accuracy":
        return MeanScore(np.stack([exact(side, kind) for side in sides]).astype(np.float64))
    if metric == "macro_f1" and kind is TaskKind.CLASSIFICATION:
        labels, expected = np.unique(sides[0]["expected"].to_numpy(object), return_inverse=True)
        codes = {label: code for code, label in enumerate(labels)}
        given = np.array([[codes.get(label, len(labels)) for label in given_labels(side)] for side in sides])
        return MacroF1(expected, given, len(labels))
    if OVERLAP_METRICS.get(metric) is kind:
        return MeanScore(np.stack([side["score"].to_numpy(np.float64) for side in sides]))
    remedy = "Take accuracy, or macro_f1 (classification), field_f1 (extraction), text_f1 (free text)."
    raise ConfigurationError("gates.metric", f"{metric} is no metric of {kind.value}", remedy)


def overall(measured: Measure) -> Figures:
    """The metric on all cases, one figure a candidate."""
    every_case = np.arange(measured.per_case.shape[1])
    return np.asarray(measured(every_case[None])[:, 0])


def tally(expected: Codes, given: Codes, labels: int) -> Codes:
    """Counts by label of rows of cases: expected, given and both; 3 x rows x labels."""
    hits = np.where(expected == given, expected, labels)
    return np.stack([_by_label(codes, labels) for codes in np.broadcast_arrays(expected, given, hits)])


def macro_f1(counts: Codes) -> Figures:
    """Macro F1 of each row of a tally, over the labels that the row expects."""
    expected, given, hits = counts
    f1 = 2 * hits / np.maximum(expected + given, 1)
    return np.asarray(np.where(expected > 0, f1, 0).sum(axis=-1) / (expected > 0).sum(axis=-1))


def _by_label(codes: Codes, labels: int) -> Codes:
    rows = len(codes)
    shifted = codes + (labels + 1) * np.arange(rows)[:, None]  # one range of codes a row, so that one count does all
    counts = np.bincount(shifted.ravel(), minlength=rows * (labels + 1))
    return counts.reshape(rows, labels + 1)[:, :labels]
