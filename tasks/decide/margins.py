"""Non-inferiority: a challenger may be slower, dearer, less well-formed or more forgetful, up to a stated margin.

The whole interval has to lie within the margin, and only where it lies wholly outside is the challenger ruled out: a
percentile of few answers moves by chance, and a figure that may be on either side of its limit is no evidence.
"""

from dataclasses import dataclass

from data_contracts.contest import CandidateScores, Comparison, Rule
from data_contracts.evidence import Interval, Margin
from data_contracts.gates import Gates
from tasks.decide.rules import Finding, cases_until, points, reaches, tier

GENERAL = "general tasks"


@dataclass(frozen=True)
class Limit:
    """What a figure may be at most: times the reference, or points (as a share) below it."""

    rule: str
    figure: str  # name of the Margin
    most: float


def margins(challenger: CandidateScores, comparison: Comparison, gates: Gates) -> list[Finding]:
    """The margins that the use case sets, and for a tune the general tasks in any case."""
    measured: dict[str, Margin] = {
        one.name: one for one in comparison.margins if one.candidate == challenger.candidate.name
    }
    findings = [_held(limit, measured.get(limit.figure), challenger.cases, gates) for limit in _limits(gates)]
    if challenger.candidate.kind == "tune":
        findings.append(_general(measured.get(GENERAL), gates))
    return [_free(found, challenger, comparison) if found.rule.name == "cost" else found for found in findings]


def _limits(gates: Gates) -> list[Limit]:
    wanted = (
        ("latency", "latency", gates.max_latency_ratio),
        ("cost", "cost", gates.max_cost_ratio),
        ("format loss", "format", gates.max_format_loss),
    )
    return [Limit(rule, figure, most) for rule, figure, most in wanted if most is not None]


def _held(limit: Limit, margin: Margin | None, cases: int | None, gates: Gates) -> Finding:
    """`cases`: test cases that the figure rests on, None where it rests on something else."""
    weight = tier(limit.rule, gates)
    if margin is None or margin.figure is None:
        reason = margin.note if margin and margin.note else "not measured"
        figure = f"unknown, {reason}; {_allowed(limit)}"
        return Finding(Rule(name=limit.rule, tier=weight, passed=None, figure=figure))
    worse = _worse(margin.figure, margin)
    passed, final = reaches(limit.most, worse.high), not reaches(limit.most, worse.low)
    unsettled = "" if passed or final else "; the interval does not settle it"
    note = f" ({margin.note})" if margin.note else ""
    figure = f"{_said(margin.figure, margin)}; {_allowed(limit)}{unsettled}{note}"
    rule = Rule(name=limit.rule, tier=weight, passed=passed, figure=figure)
    return Finding(rule, final, None if cases is None else _needed(worse, limit.most, cases))


def _worse(found: Interval, margin: Margin) -> Interval:
    """The figure as it is limited: a ratio as it is, a difference turned into a loss."""
    return found if margin.unit == "times" else Interval(value=-found.value, low=-found.high, high=-found.low)


def _needed(worse: Interval, most: float, cases: int) -> float:
    """Test cases at which the interval, as it narrows, would lie on one side of the limit."""
    inside = reaches(most, worse.value)
    return cases_until(worse.high - worse.value if inside else worse.value - worse.low, abs(most - worse.value), cases)


def _general(margin: Margin | None, gates: Gates) -> Finding:
    """Must where general tasks were asked, answered or not, and a loss is limited; that nobody looked is said."""
    limit = gates.max_general_loss
    if margin is not None and limit is not None:
        return _held(Limit(GENERAL, GENERAL, limit), margin, None, gates)
    figure = f"not measured: {margin.note if margin else '`evaluation.general` names no tasks'}"
    if margin is not None and margin.figure is not None:
        figure = f"{_said(margin.figure, margin)}; no limit is set (`gates.max_general_loss`)"
    return Finding(Rule(name=GENERAL, tier=tier(GENERAL, gates, "info"), passed=None, figure=figure))


def _free(found: Finding, challenger: CandidateScores, comparison: Comparison) -> Finding:
    """A challenger that costs anything is dearer by any factor than a reference that costs nothing."""
    costs = {one.candidate.name: one.cost_per_request for one in comparison.candidates}
    if found.rule.passed is None and costs.get(comparison.reference) == 0 and challenger.cost_per_request:
        return Finding(found.rule.model_copy(update={"passed": False}), final=True)
    return found


def _said(found: Interval, margin: Margin) -> str:
    numbers = found.value, found.low, found.high
    if margin.unit == "times":
        value, low, high = (f"{number:.2f}" for number in numbers)
        return f"{value} times {margin.reference} (95 % interval {low} to {high})"
    value, low, high = (points(number) for number in numbers)
    return f"{value} points beside {margin.reference} (95 % interval {low} to {high})"


def _allowed(limit: Limit) -> str:
    if limit.rule in ("latency", "cost"):
        return f"the whole interval at most {limit.most:g} times"
    return f"the whole interval at most {100 * limit.most:g} points below"
