"""The candidates lined up for comparison: same cases, same draws of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contract import Contract
from data_contracts.evidence import GeneralScore, JudgeReport
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.comparison import statistics
from tasks.evaluate.comparison.clusters import Clusters, Figures, Sampling
from tasks.evaluate.comparison.measure import Measure, first_answers, in_order, measure, side_by_side
from tasks.evaluate.judging import preferences
from tasks.evaluate.score import BY_KIND, ScorePolicy

JUDGE = "judge"


@dataclass(frozen=True)
class ComparisonPolicy:
    """What is measured against what. `slices` maps a case to its value of each slice, `clusters` to its group.

    `preferences` are the judge's (JUDGED_COLUMNS), for the metric `judge`; `general` maps a tune to what it forgot, and
    `general_asked` names every tune that was to be asked, measured or not.
    """

    metric: str
    kind: TaskKind
    reference: str
    test_sha256: str
    best_prompt: str = "best-prompt"  # tunes are tested against it too, where it is not the reference
    alpha: float = 0.05
    minimum_effect: float = 0.0  # what the achieved power is about
    latency_quantile: float = 0.95
    seed: int = 7
    resamples: int = 2_000
    permutations: int = 9_999
    slices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    contract: Contract | None = None  # with it, fields are those of its schema and further metrics are counted
    scoring: ScorePolicy = BY_KIND
    preferences: pd.DataFrame | None = None
    general: Mapping[str, GeneralScore] = field(default_factory=dict)
    general_asked: frozenset[str] = frozenset()
    judge: JudgeReport | None = None

    @property
    def sampling(self) -> Sampling:
        """How cases are drawn again."""
        return Sampling(self.seed, self.resamples, self.permutations)

    @property
    def judged(self) -> pd.DataFrame:
        """The preferences that the metric `judge` rests on. Raises ConfigurationError where there are none."""
        if self.preferences is None:
            problem = "judge needs a model that judges"
            raise ConfigurationError("gates.metric", problem, "Set `evaluation.judge`, or take another metric.")
        return self.preferences


@dataclass(frozen=True)
class Contest:
    """Candidates with their answers, and the metric on all cases and on each resample."""

    candidates: Sequence[Candidate]
    asked: Sequence[pd.DataFrame]  # all answers of each, by case and repeat: what time is told from
    sides: Sequence[pd.DataFrame]  # those to cases and repeats that all were asked
    firsts: Sequence[pd.DataFrame]  # one answer a case
    clusters: Clusters
    measure: Measure
    resampled: Figures  # candidates x resamples

    @property
    def cases(self) -> list[str]:
        """Their ids, in the order of every frame."""
        return list(self.firsts[0]["case"])


def line_up(answers: pd.DataFrame, candidates: Sequence[Candidate], case: ComparisonPolicy) -> Contest:
    """ConfigurationError where the reference is missing, ComparisonError unless all answered the same cases."""
    names = [candidate.name for candidate in candidates]
    if case.reference not in names:
        problem = f"the reference is not among the candidates {', '.join(names)}"
        raise ConfigurationError(case.reference, problem, "Name one of them.")
    sides = side_by_side(answers, names)
    asked = [in_order(answers[answers["candidate"] == name]) for name in names]
    firsts = [first_answers(side) for side in sides]
    cases = list(firsts[0]["case"])
    clusters = Clusters.of(cases, case.clusters)
    metric = _measure(sides, cases, case)
    resampled = statistics.bootstrap(metric, clusters, case.sampling)
    return Contest(candidates, asked, sides, firsts, clusters, metric, resampled)


def _measure(sides: Sequence[pd.DataFrame], cases: Sequence[str], case: ComparisonPolicy) -> Measure:
    if case.metric != JUDGE:
        return measure(sides, case.metric, case.kind)
    names = [str(side["candidate"].iloc[0]) for side in sides]
    return preferences.measure(case.judged, cases, names, case.reference)
