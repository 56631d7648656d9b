"""The rules a challenger is held to, each with the figure it rests on. A missing figure is not a passed rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data_contracts.contest import CandidateScores, Comparison, PairedTest, Payback, Rule
from data_contracts.use_case import Gates
from tasks.power import DISCORDANCE, detectable_difference

COMPLETE = "complete answers"
ROUNDING = 1e-9  # 0.95 - 0.93 is a little less than 0.02


@dataclass(frozen=True)
class Finding:
    """A rule, and whether it rules the challenger out for good: more test cases would not change it."""

    rule: Rule
    final: bool = False


def margin(test: PairedTest | None, opponent: str, gates: Gates) -> Finding:
    """Must: the paired difference is worth having, its interval lies above 0, and the exact test agrees.

    Final where the interval ends below the minimum effect: the challenger is shown to be not better by that much.
    """
    name = f"beats {opponent}"
    if test is None:
        return Finding(Rule(name=name, tier="must", passed=None, figure="no paired test of these two"))
    found = test.difference
    figure = (
        f"{_points(found.value)} points (95 % interval {_points(found.low)} to {_points(found.high)}, "
        f"p = {test.p_adjusted:.2g} Holm-adjusted; {test.wins} cases won, {test.losses} lost); "
        f"needed: {_points(gates.minimum_effect)} or more, interval above 0, p < {gates.alpha:g}"
    )
    passed = _reaches(found.value, gates.minimum_effect) and found.low > 0 and test.p_adjusted < gates.alpha
    final = not passed and (found.high <= 0 or not _reaches(found.high, gates.minimum_effect))
    if final and found.low > 0:
        figure += "; better, but shown to be by less than is asked for"
    return Finding(Rule(name=name, tier="must", passed=passed, figure=figure), final)


def complete_answers(comparison: Comparison) -> Finding:
    """Must: no candidate's case failed for good. Never final: the missing answers may be asked for again."""
    failed = {scores.candidate.name: scores.outcomes.get("failed", 0) for scores in comparison.candidates}
    figure = ", ".join(f"{name} {cases} failed" for name, cases in failed.items() if cases) or "every case was answered"
    return Finding(Rule(name=COMPLETE, tier="must", passed=not any(failed.values()), figure=figure))


def floors(challenger: CandidateScores, gates: Gates) -> list[Finding]:
    """Must: what the challenger has to reach by itself."""
    findings = [_at_least("format adherence", challenger.format_adherence, gates.min_format_adherence)]
    if gates.min_score is not None:
        findings.append(_at_least("minimum score", challenger.metric.value, gates.min_score))
    return findings


def ratios(challenger: CandidateScores, reference: CandidateScores | None, gates: Gates) -> list[Finding]:
    """Must, where the use case sets them: latency (p99) and cost per request against the reference."""
    findings = []
    if gates.max_latency_ratio is not None:
        base = reference.latency_p99_ms if reference else None
        findings.append(_at_most("latency", challenger.latency_p99_ms, base, gates.max_latency_ratio))
    if gates.max_cost_ratio is not None:
        base = reference.cost_per_request if reference else None
        findings.append(_at_most("cost", challenger.cost_per_request, base, gates.max_cost_ratio))
    return findings


def pays_back(payback: Payback | None, horizon_months: float) -> Finding:
    """Should: the money comes back within the horizon. It never blocks a better answer, and is always said."""
    months = payback.payback_months if payback else None
    unknown = payback is None or payback.monthly_saving is None or payback.one_off_cost is None
    passed = None if unknown else months is not None and months <= horizon_months
    figure = " ".join(payback.notes) if payback else "not computed"
    return Finding(Rule(name="pays back", tier="should", passed=passed, figure=figure))


def enough_cases(cases: int, gates: Gates) -> Finding:
    """Info: whether so many cases can show the minimum effect at all."""
    shown = detectable_difference(cases, alpha=gates.alpha)
    assumed = f"power 0.8, if candidates differ on {DISCORDANCE:.0%} of cases"
    figure = f"{cases} cases show a difference of {100 * shown:.1f} points or more ({assumed})"
    return Finding(Rule(name="test size", tier="info", passed=shown <= gates.minimum_effect, figure=figure))


def cases_to_settle(tests: Sequence[PairedTest], cases: int, gates: Gates) -> int | None:
    """Cases in all that settle these open tests if the differences stay what they are; None where no number does."""
    needed = [_cases_to_settle(test, cases, gates) for test in tests]
    return None if None in needed else max((number for number in needed if number is not None), default=None)


def _cases_to_settle(test: PairedTest, cases: int, gates: Gates) -> int | None:
    """A difference worth having has to be shown; of a smaller one the interval has to end below the minimum effect.

    The interval's upper arm shrinks with the root of the cases.
    """
    found = test.difference
    if _reaches(found.value, gates.minimum_effect):
        return test.cases_needed and max(test.cases_needed, cases + 1)
    shrink = (found.high - found.value) / (gates.minimum_effect - found.value)
    return max(cases + 1, math.ceil(cases * shrink**2))


def _at_least(name: str, value: float, floor: float) -> Finding:
    passed = None if math.isnan(value) else _reaches(value, floor)
    return Finding(
        Rule(name=name, tier="must", passed=passed, figure=f"{value:.3f}; at least {floor:g}"), passed is False
    )


def _at_most(name: str, value: float | None, base: float | None, limit: float) -> Finding:
    if value is None or base is None or math.isnan(value) or math.isnan(base):
        return Finding(
            Rule(name=name, tier="must", passed=None, figure=f"unknown; at most {limit:g} times the reference")
        )
    passed = _reaches(limit * base, value)
    times = f"{value / base:.2f} times" if base > 0 else f"{value:g} against 0, not"
    return Finding(
        Rule(name=name, tier="must", passed=passed, figure=f"{times} the reference; at most {limit:g}"), not passed
    )


def _reaches(value: float, floor: float) -> bool:
    return value >= floor - ROUNDING


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
