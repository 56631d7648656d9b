"""Everything that is measured of one candidate by itself."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.contest import CandidateScores
from data_contracts.evidence import Interval, SliceScore
from data_contracts.use_case import TaskKind
from tasks.evaluate.comparison.line_up import ComparisonPolicy, Contest
from tasks.evaluate.comparison.measure import measure, overall, share_exact
from tasks.evaluate.comparison.slices import by_slice, intervals
from tasks.evaluate.comparison.usage import cost_per_request, format_adherence, mean_tokens, percentiles, timed
from tasks.evaluate.score import named_fields
from tasks.evaluate.scores.breakdown import by_field, by_label, exact_match, further
from tasks.evaluate.scores.calibration import calibration
from tasks.evaluate.scores.consistency import consistency


@dataclass(frozen=True)
class _Measured:
    """One candidate's deciding metric."""

    metric: Interval
    slices: dict[str, dict[str, SliceScore]]
    macro_f1: float | None


def portraits(contest: Contest, case: ComparisonPolicy) -> list[CandidateScores]:
    """The scores of every candidate."""
    metrics = intervals(contest.measure, contest.clusters, contest.resampled)
    values = pd.DataFrame([case.slices.get(one, {}) for one in contest.cases])
    slices = by_slice(contest.measure, contest.clusters, case.sampling, values)
    measured = zip(metrics, slices, _macro_f1(contest, case.kind), strict=True)
    return [
        _scores(contest, position, _Measured(metric, sliced, f1), case)
        for position, (metric, sliced, f1) in enumerate(measured)
        if metric is not None
    ]


def _macro_f1(contest: Contest, kind: TaskKind) -> list[float | None]:
    if kind is not TaskKind.CLASSIFICATION:
        return [None] * len(contest.sides)
    return [float(figure) for figure in overall(measure(contest.firsts, "macro_f1", kind))]


def _scores(contest: Contest, position: int, measured: _Measured, case: ComparisonPolicy) -> CandidateScores:
    candidate, side, first = contest.candidates[position], contest.sides[position], contest.firsts[position]
    outcomes = first["outcome"].value_counts().sort_index()
    figures = {
        "candidate": candidate,
        "cases": len(first),
        "outcomes": {str(outcome): int(cases) for outcome, cases in outcomes.items()},
        "metric": measured.metric,
        "accuracy": float(share_exact(side, case.kind).mean()),
        "macro_f1": measured.macro_f1,
        "slices": measured.slices,
        "by_slice": {name: {value: one.value for value, one in of.items()} for name, of in measured.slices.items()},
        "consistency": consistency(side, case.kind) if len(side) > len(first) else None,
        "calibration": calibration(first, case.kind),
        "general": case.general.get(candidate.name),
    }
    return CandidateScores.model_validate(
        figures | _used(first) | _timed(contest.asked[position]) | _broken_down(first, case)
    )


def _used(side: pd.DataFrame) -> dict[str, object]:
    """Form, tokens and money, of one answer a case."""
    prompt_tokens, completion_tokens = mean_tokens(side)
    return {
        "format_adherence": format_adherence(side),
        "stored": float(side["stored"].mean()),
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "cost_per_request": cost_per_request(side),
    }


def _timed(asked: pd.DataFrame) -> dict[str, object]:
    """Time, of all answers: one that was asked again is as good a measure of it."""
    names = "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "ttft_p50_ms", "ttft_p99_ms"
    found = [*percentiles(timed(asked), 50, 95, 99), *percentiles(timed(asked, "ttft_ms"), 50, 99)]
    return dict(zip(names, found, strict=True))


def _broken_down(side: pd.DataFrame, case: ComparisonPolicy) -> dict[str, object]:
    """Label by label or field by field, and by the metrics that do not decide."""
    contract, kind = case.contract, case.kind
    return {
        "exact_match": exact_match(side),
        "by_label": by_label(side) if kind is TaskKind.CLASSIFICATION else {},
        "by_field": by_field(side, named_fields(contract) if contract else None) if kind is TaskKind.EXTRACTION else {},
        "further": further(side, kind, contract, case.scoring) if contract else {},
    }
