"""Why a case fails: every failing case of a candidate is of one kind, and each kind asks for another remedy."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.evidence import FailureKind
from data_contracts.use_case import TaskKind
from tasks.evaluate.comparison.measure import exact, given_labels
from tasks.evaluate.failing.likeness import Likeness

POOR = 0.5  # free text: fewer than half of the words are shared
FORMAT_TROUBLE = ("truncated", "unparsable")
FEW_NEIGHBOURS = 3  # fewer say nothing about a neighbourhood


@dataclass(frozen=True)
class Failing:
    """A case that a candidate fails, by the first of its wrong answers. `kind` None: no answer came, nobody knows."""

    case: str
    expected: str
    given: str  # what was read from the answer; the outcome in brackets where nothing was
    outcome: str
    kind: FailureKind | None


@dataclass(frozen=True)
class Panel:
    """The answers of all candidates, side by side. `answers` as `marked` leaves them."""

    answers: pd.DataFrame
    kind: TaskKind
    likeness: Likeness

    def failing(self, candidate: str) -> list[Failing]:
        """Every case with a wrong answer, at first or when asked again, by case id. Kinds:

        - consistency: the answer is of no readable form (truncated, unparsable), or the same input got different
          answers; of free text, which always varies, a good and a poor one.
        - judgement: readable, steady, and to be defended. Classification: the inputs that are alike expect the given
          label at least as often as the right one. Any but free text: no answer is given by half of three or more
          candidates. Free text: the words are others, and that is not systematic.
        - systematic: readable, steady, undisputed, and wrong. Refused and filtered inputs are among them. Free text:
          most candidates fail the case, and so does this one most inputs like it, more than it fails overall.
        """
        mine = self.answers[self.answers["candidate"] == candidate]
        wrong = mine[~mine["right"]].drop_duplicates("case")
        unsteady = _unsteady(mine, "right" if self.kind is TaskKind.FREE_TEXT else "given")
        columns = (wrong["case"], wrong["expected"], wrong["given"], wrong["outcome"])
        return [
            Failing(case, expected, given, outcome, self._kind(candidate, (case, expected, given, outcome), unsteady))
            for case, expected, given, outcome in zip(*columns, strict=True)
        ]

    def _kind(self, candidate: str, wrong: tuple[str, str, str, str], unsteady: frozenset[str]) -> FailureKind | None:
        case, expected, given, outcome = wrong
        if outcome == "failed":
            return None
        if outcome in FORMAT_TROUBLE or case in unsteady:
            return "consistency"
        if outcome != "answered":
            return "systematic"
        if self.kind is TaskKind.FREE_TEXT:
            return "systematic" if self._is_weakness(candidate, case) else "judgement"
        return "judgement" if case in self._split or self._is_defensible(case, expected, given) else "systematic"

    def _is_defensible(self, case: str, expected: str, given: str) -> bool:
        """Whether inputs that are alike expect what was given, at least as often as what this one expects."""
        if self.kind is not TaskKind.CLASSIFICATION:
            return False
        votes = Counter(self._expected[other] for other in self.likeness.neighbours.get(case, ()))
        return 0 < votes[given] >= votes[expected]

    def _is_weakness(self, candidate: str, case: str) -> bool:
        fails = self._fails[candidate]
        near = [fails[other] for other in self.likeness.neighbours.get(case, ())]
        if len(near) < FEW_NEIGHBOURS or self._fails.loc[case].mean() <= 0.5:
            return False
        return bool(np.mean(near) > max(0.5, fails.mean()))

    @cached_property
    def first(self) -> pd.DataFrame:
        """The first answer of every candidate to every case."""
        return self.answers[self.answers["repeat"] == 0]

    @cached_property
    def _fails(self) -> pd.DataFrame:
        """Cases x candidates: whether the first answer is wrong."""
        return ~self.first.pivot_table(index="case", columns="candidate", values="right", aggfunc="first").astype(bool)

    @cached_property
    def _expected(self) -> Mapping[str, str]:
        return dict(zip(self.first["case"], self.first["expected"], strict=True))

    @cached_property
    def _split(self) -> frozenset[str]:
        """Cases on which three or more candidates are split: no answer is given by half of them."""
        given = self.first.groupby(["case", "given"]).size()
        shares = given.groupby("case").max() / self.first["candidate"].nunique()
        return frozenset(shares[shares < 0.5].index)


def marked(answers: pd.DataFrame, kind: TaskKind) -> pd.DataFrame:
    """ANSWER_COLUMNS with `given` and `right`, by case and repeat; repeats that brought no answer are left out.

    Right is the exact answer. Free text: a score of 0.5, or of the lowest quarter of all first answers where that is
    less, since word overlap differs much from task to task; never 0.
    """
    kept = answers[(answers["repeat"] == 0) | (answers["outcome"] != "failed")].sort_values(["case", "repeat"])
    return kept.assign(given=given_labels(kept), right=_right(kept, kind))


def _right(answers: pd.DataFrame, kind: TaskKind) -> npt.NDArray[np.bool_]:
    if kind is not TaskKind.FREE_TEXT:
        return exact(answers, kind)
    scores = answers["score"].to_numpy(np.float64)
    line = min(POOR, float(np.quantile(scores[answers["repeat"] == 0], 0.25)))
    return np.asarray((scores >= line) & (scores > 0))


def _unsteady(answers: pd.DataFrame, column: str) -> frozenset[str]:
    """Cases whose answers differ when asked again."""
    differing = answers.groupby("case")[column].nunique() > 1
    return frozenset(differing.index[differing])


def majority(failing: Sequence[Failing]) -> FailureKind:
    """The kind of most of them; on a tie the one whose remedy is cheapest: a setting, then examples, then pairs."""
    order: tuple[FailureKind, ...] = ("consistency", "systematic", "judgement")
    counts = Counter(item.kind for item in failing)
    return max(order, key=lambda kind: counts[kind])
