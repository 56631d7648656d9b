"""Every candidate on the same sealed test set, side by side and tested in pairs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import CandidateScores, Comparison, Interval, PairedTest
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate import statistics
from tasks.evaluate.measure import Figures, MeanScore, Measure, exact, given_labels, measure, overall, side_by_side
from tasks.evaluate.usage import cost_per_request, format_adherence, latency_percentiles, mean_tokens


@dataclass(frozen=True)
class ComparisonPolicy:
    """What is measured against what. `slices` maps a case to its value of each slice."""

    metric: str
    kind: TaskKind
    reference: str
    test_sha256: str
    best_prompt: str = "best-prompt"  # tunes are tested against it too, where it is not the reference
    alpha: float = 0.05
    seed: int = 7
    slices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Contest:
    """The candidates lined up: same cases, same draws of them."""

    candidates: Sequence[Candidate]
    sides: Sequence[pd.DataFrame]
    measure: Measure
    figures: Figures  # one a candidate
    resampled: Figures  # candidates x resamples
    macro_f1: Sequence[float | None]  # None unless classification
    by_slice: Sequence[dict[str, dict[str, float]]]


def compare(answers: pd.DataFrame, candidates: Sequence[Candidate], case: ComparisonPolicy) -> Comparison:
    """Scores with intervals, and paired tests; ComparisonError unless all answered the same cases.

    `answers` has ANSWER_COLUMNS with scores; every outcome counts, alike for every candidate.
    """
    names = [candidate.name for candidate in candidates]
    if case.reference not in names:
        problem = f"the reference is not among the candidates {', '.join(names)}"
        raise ConfigurationError(case.reference, problem, "Name one of them.")
    contest = _line_up(side_by_side(answers, names), candidates, case)
    return Comparison(
        metric=case.metric,
        test_sha256=case.test_sha256,
        reference=case.reference,
        candidates=[_candidate_scores(contest, position, case.kind) for position in range(len(names))],
        tests=_tests(contest, case),
        confusion=_confusion(contest) if case.kind is TaskKind.CLASSIFICATION else {},
    )


def _line_up(sides: Sequence[pd.DataFrame], candidates: Sequence[Candidate], case: ComparisonPolicy) -> _Contest:
    metric = measure(sides, case.metric, case.kind)
    return _Contest(
        candidates=candidates,
        sides=sides,
        measure=metric,
        figures=overall(metric),
        resampled=statistics.bootstrap(metric, case.seed),
        macro_f1=_macro_f1(sides, case.kind),
        by_slice=_by_slice(sides[0]["case"], metric, case.slices),
    )


def _macro_f1(sides: Sequence[pd.DataFrame], kind: TaskKind) -> list[float | None]:
    if kind is not TaskKind.CLASSIFICATION:
        return [None] * len(sides)
    return [float(figure) for figure in overall(measure(sides, "macro_f1", kind))]


def _candidate_scores(contest: _Contest, position: int, kind: TaskKind) -> CandidateScores:
    side = contest.sides[position]
    p50, p99 = latency_percentiles(side)
    prompt_tokens, completion_tokens = mean_tokens(side)
    return CandidateScores(
        candidate=contest.candidates[position],
        cases=len(side),
        outcomes={str(outcome): int(n) for outcome, n in side["outcome"].value_counts().sort_index().items()},
        metric=_metric_interval(contest, position),
        accuracy=float(exact(side, kind).mean()),
        macro_f1=contest.macro_f1[position],
        format_adherence=format_adherence(side),
        latency_p50_ms=p50,
        latency_p99_ms=p99,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_per_request=cost_per_request(side),
        by_slice=contest.by_slice[position],
    )


def _metric_interval(contest: _Contest, position: int) -> Interval:
    values = contest.measure.per_case[position]
    if isinstance(contest.measure, MeanScore) and statistics.is_right_or_wrong(values):
        return statistics.share_interval(int(values.sum()), len(values))
    return statistics.interval(contest.figures[position], contest.resampled[position])


def _by_slice(
    cases: pd.Series, metric: Measure, slices: Mapping[str, Mapping[str, str]]
) -> list[dict[str, dict[str, float]]]:
    """For each candidate: slice -> value -> metric on the cases that have it."""
    found: list[dict[str, dict[str, float]]] = [{} for _ in metric.per_case]
    values = pd.DataFrame([slices.get(case, {}) for case in cases])
    for name in values.columns:
        for value, positions in values.groupby(name).indices.items():
            for candidate, figure in zip(found, metric(positions[None])[:, 0], strict=True):
                candidate.setdefault(str(name), {})[str(value)] = float(figure)
    return found


def _tests(contest: _Contest, case: ComparisonPolicy) -> list[PairedTest]:
    pairs = list(_pairs(contest.candidates, case))
    p_values = [statistics.p_value(contest.measure, *pair, case.seed) for pair in pairs]
    level = case.alpha / max(1, len(pairs))  # the strictest step of Holm: a further trial has to count on it
    return [
        _paired_test(contest, pair, level, p_value, p_adjusted)
        for pair, p_value, p_adjusted in zip(pairs, p_values, statistics.holm(p_values), strict=True)
    ]


def _pairs(candidates: Sequence[Candidate], case: ComparisonPolicy) -> Iterator[tuple[int, int]]:
    """Positions: every candidate against the reference, then every tune against the best prompt."""
    positions = {candidate.name: position for position, candidate in enumerate(candidates)}
    others = [candidate for candidate in candidates if candidate.name != case.reference]
    yield from ((positions[candidate.name], positions[case.reference]) for candidate in others)
    if case.best_prompt in positions and case.best_prompt != case.reference:
        tunes = [candidate.name for candidate in others if candidate.kind == "tune"]
        yield from ((positions[tune], positions[case.best_prompt]) for tune in tunes if tune != case.best_prompt)


def _paired_test(
    contest: _Contest, pair: tuple[int, int], level: float, p_value: float, p_adjusted: float
) -> PairedTest:
    candidate, reference = pair
    per_case = contest.measure.per_case
    difference = float(contest.figures[candidate] - contest.figures[reference])
    square = statistics.mean_square(contest.measure, contest.resampled, candidate, reference)
    return PairedTest(
        candidate=contest.candidates[candidate].name,
        reference=contest.candidates[reference].name,
        difference=statistics.interval(difference, contest.resampled[candidate] - contest.resampled[reference]),
        wins=int((per_case[candidate] > per_case[reference]).sum()),
        losses=int((per_case[candidate] < per_case[reference]).sum()),
        p_value=p_value,
        p_adjusted=p_adjusted,
        cases_needed=statistics.cases_needed(difference, square, level),
    )


def _confusion(contest: _Contest) -> dict[str, dict[str, dict[str, int]]]:
    """Candidate -> expected -> given -> cases; where no label was given, the outcome in brackets."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for candidate, side in zip(contest.candidates, contest.sides, strict=True):
        table: dict[str, dict[str, int]] = {}
        counts = pd.DataFrame({"expected": side["expected"], "given": given_labels(side)}).value_counts(sort=False)
        for (expected, given), cases in counts.items():
            table.setdefault(str(expected), {})[str(given)] = int(cases)
        found[candidate.name] = table
    return found
