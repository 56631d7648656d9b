"""Every candidate on the same sealed test set, side by side and tested in pairs."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import Comparison
from data_contracts.use_case import TaskKind
from tasks.evaluate.comparison import statistics
from tasks.evaluate.comparison.line_up import JUDGE, ComparisonPolicy, Contest, line_up
from tasks.evaluate.comparison.margins import MarginPolicy, margins
from tasks.evaluate.comparison.measure import given_labels
from tasks.evaluate.comparison.pairs import Duel, opponents, paired_tests
from tasks.evaluate.comparison.portrait import portraits
from tasks.evaluate.judging import preferences

__all__ = ["ComparisonPolicy", "compare"]


def compare(answers: pd.DataFrame, candidates: Sequence[Candidate], case: ComparisonPolicy) -> Comparison:
    """Scores with intervals, paired tests, margins; ComparisonError unless all answered the same cases.

    `answers` has ANSWER_COLUMNS with scores; every outcome counts, alike for every candidate. Scores are averaged over
    the repeats of a case; tokens, cost, outcomes and labels are those of its first answer, times those of all that were
    asked in this run.
    """
    contest = line_up(answers, candidates, case)
    policy = MarginPolicy(contest.clusters, case.sampling, case.latency_quantile, case.general, case.general_asked)
    return Comparison(
        metric=case.metric,
        test_sha256=case.test_sha256,
        reference=case.reference,
        candidates=portraits(contest, case),
        tests=paired_tests(_duels(contest, case), case.alpha, case.minimum_effect, case.sampling),
        confusion=_confusion(contest) if case.kind is TaskKind.CLASSIFICATION else {},
        margins=margins(candidates, contest.asked, case.reference, policy),
        judge=case.judge,
        notes=_notes(contest),
    )


def _duels(contest: Contest, case: ComparisonPolicy) -> list[Duel]:
    """Every pair that is tested; with a judge as metric, only those pairs and cases that it has read."""
    pairs = list(opponents(contest.candidates, case.reference, case.best_prompt))
    if case.metric == JUDGE:
        return list(_judged_duels(contest, case, pairs))
    return [
        Duel(*_names(contest, pair), contest.measure.of(pair), contest.clusters, contest.resampled[list(pair)])
        for pair in pairs
    ]


def _judged_duels(contest: Contest, case: ComparisonPolicy, pairs: Sequence[tuple[int, int]]) -> Iterator[Duel]:
    for pair in pairs:
        names = _names(contest, pair)
        every_case = preferences.duel(case.judged, contest.cases, *names)
        read = np.flatnonzero(~np.isnan(every_case.per_case[0]))
        if len(read):
            clusters, on_both = contest.clusters.at(read), every_case.at(read)
            yield Duel(*names, on_both, clusters, statistics.bootstrap(on_both, clusters, case.sampling))


def _names(contest: Contest, pair: tuple[int, int]) -> tuple[str, str]:
    candidate, reference = (contest.candidates[position].name for position in pair)
    return candidate, reference


def _confusion(contest: Contest) -> dict[str, dict[str, dict[str, int]]]:
    """Candidate -> expected -> given -> cases; where no label was given, the outcome in brackets."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for candidate, side in zip(contest.candidates, contest.firsts, strict=True):
        table: dict[str, dict[str, int]] = {}
        counts = pd.DataFrame({"expected": side["expected"], "given": given_labels(side)}).value_counts(sort=False)
        for (expected, given), cases in counts.items():
            table.setdefault(str(expected), {})[str(given)] = int(cases)
        found[candidate.name] = table
    return found


def _notes(contest: Contest) -> list[str]:
    cases, clusters = len(contest.cases), contest.clusters.count
    notes = []
    if not contest.clusters.single:
        notes.append(f"{cases} cases stand in {clusters} groups of like cases, which are drawn and tested as one each.")
    repeated = int(contest.sides[0].groupby("case").size().gt(1).sum())
    if repeated:
        notes.append(
            f"{repeated} of {cases} cases were asked several times: a case scores the mean of its answers; "
            "tokens, cost, outcomes and labels are those of the first, times those of all."
        )
    return notes
