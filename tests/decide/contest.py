"""Candidates with scores and paired tests, for the tests of this folder."""

from collections.abc import Sequence

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contest import CandidateScores, Comparison, PairedTest
from data_contracts.evidence import Interval, Margin

CASES = 500


def candidate(name: str, model: str | None = None, prompt: str = "full") -> Candidate:
    kind = "tune" if name.startswith("tune") else "prompt"
    return Candidate(
        name=name, kind=kind, model=model or f"model-of-{name}", base_model="base", prompt=Prompt(name=prompt)
    )


def scores(name: str, metric: float = 0.8, **changes: object) -> CandidateScores:
    figures = {
        "candidate": candidate(name),
        "cases": CASES,
        "outcomes": {"answered": CASES},
        "metric": Interval(value=metric, low=metric - 0.03, high=metric + 0.03),
        "accuracy": metric,
        "format_adherence": 1.0,
        "latency_p50_ms": 100.0,
        "latency_p99_ms": 200.0,
        "prompt_tokens": 300.0,
        "completion_tokens": 5.0,
        "cost_per_request": 0.001,
    }
    return CandidateScores.model_validate(figures | changes)


def paired(
    one: str, other: str, difference: tuple[float, float, float] = (0.05, 0.02, 0.08), p_adjusted: float = 0.001
) -> PairedTest:
    value, low, high = difference
    return PairedTest(
        candidate=one,
        reference=other,
        difference=Interval(value=value, low=low, high=high),
        wins=40,
        losses=15,
        p_value=p_adjusted / 2,
        p_adjusted=p_adjusted,
        cases_needed=900,
    )


def margin(
    name: str, who: str, figure: tuple[float, float, float] | None, reference: str = "best-prompt", note: str = ""
) -> Margin:
    """The figure is value, low, high; None is unknown."""
    interval = None if figure is None else dict(zip(("value", "low", "high"), figure, strict=True))
    unit = "times" if name in ("latency", "cost") else "points"
    content = {"name": name, "candidate": who, "reference": reference, "unit": unit, "figure": interval, "note": note}
    return Margin.model_validate(content)


def comparison(candidates: Sequence[CandidateScores], *tests: PairedTest) -> Comparison:
    """The first is the reference; latency and cost are sure to be in the ratio of the scores."""
    base, *others = candidates
    return Comparison(
        metric="accuracy",
        test_sha256="0" * 64,
        reference=base.candidate.name,
        candidates=list(candidates),
        tests=list(tests),
        margins=[
            margin(name, one.candidate.name, _ratio(getattr(one, figure), getattr(base, figure)))
            for one in others
            for name, figure in (("latency", "latency_p99_ms"), ("cost", "cost_per_request"))
        ],
    )


def _ratio(one: float | None, other: float | None) -> tuple[float, float, float] | None:
    return (one / other,) * 3 if one is not None and other else None
