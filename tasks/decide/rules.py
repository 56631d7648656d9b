"""The rules a challenger is held to, each with the figure it rests on. A missing figure is not a passed rule."""

import math
from dataclasses import dataclass

from data_contracts.contest import CandidateScores, Comparison, PairedTest, Rule
from data_contracts.evidence import Interval
from data_contracts.gates import Gates, Tier
from data_contracts.worth import Payback
from tasks.errors import ConfigurationError
from tasks.power import POWER, assumption, cases_needed, detectable_difference

BEATS, NOT_WORSE = "beats", "not worse than"
COMPLETE = "complete answers"
TIERS: dict[str, Tier] = {
    "format adherence": "must",
    "minimum score": "must",
    "latency": "must",
    "cost": "must",
    "format loss": "must",
    "general tasks": "must",
    "pays back": "should",
    "test size": "info",
    "achieved power": "info",
    "consistency": "info",
    "judge agreement": "info",
    "position bias": "info",
}
"""Rules that `gates.tiers` may weigh differently. To beat the others on complete answers is a must in any case."""

ROUNDING = 1e-9  # 0.95 - 0.93 is a little less than 0.02


@dataclass(frozen=True)
class Finding:
    """A rule, and where it leaves the challenger.

    `final`: ruled out for good, more test cases would not change it. `needed`: test cases in all that would settle an
    open rule if its figure stays what it is; infinite where no number does, None where they have no bearing on it.
    """

    rule: Rule
    final: bool = False
    needed: float | None = None


@dataclass(frozen=True)
class Floor:
    """The least that a rule asks for."""

    rule: str
    least: float


def check_tiers(gates: Gates) -> None:
    """Raise ConfigurationError where `gates.tiers` names what is no rule, or one that always must hold."""
    for name in gates.tiers:
        if name not in TIERS:
            always = name == COMPLETE or name.startswith((BEATS, NOT_WORSE))
            problem = f"{name!r} always must hold" if always else f"there is no rule {name!r}"
            raise ConfigurationError("gates.tiers", problem, f"Take one of: {', '.join(TIERS)}.")


def tier(name: str, gates: Gates, usual: Tier | None = None) -> Tier:
    """How much a rule weighs here."""
    return gates.tiers.get(name, usual or TIERS[name])


def wanted(name: str, gates: Gates) -> bool:
    """Whether a rule is to be stated even where nothing was measured for it."""
    return name in gates.tiers


# ---------------------------------------------------------------- always a must


def beats(test: PairedTest | None, opponent: str, cases: int, gates: Gates) -> Finding:
    """Must: the paired difference is worth having, its interval lies above 0, and the test agrees.

    Final where the interval ends below the minimum effect: the challenger is shown to be not better by that much.
    """
    name = f"{BEATS} {opponent}"
    if test is None:
        return Finding(Rule(name=name, tier="must", passed=None, figure="no paired test of these two"))
    found = test.difference
    figure = (
        f"{points(found.value)} points (95 % interval {points(found.low)} to {points(found.high)}, "
        f"p = {test.p_adjusted:.2g} Holm-adjusted{_by(test)}; {test.wins} cases won, {test.losses} lost); "
        f"needed: {points(gates.minimum_effect)} or more, interval above 0, p < {gates.alpha:g}"
    )
    passed = reaches(found.value, gates.minimum_effect) and found.low > 0 and test.p_adjusted < gates.alpha
    final = not passed and (found.high <= 0 or not reaches(found.high, gates.minimum_effect))
    if final and found.low > 0:
        figure += "; better, but shown to be by less than is asked for"
    rule = Rule(name=name, tier="must", passed=passed, figure=figure)
    return Finding(rule, final, _cases_to_settle(test, cases, gates))


def complete_answers(comparison: Comparison) -> Finding:
    """Must: no candidate's case failed for good. Never final: the missing answers may be asked for again."""
    failed = {scores.candidate.name: scores.outcomes.get("failed", 0) for scores in comparison.candidates}
    figure = ", ".join(f"{name} {cases} failed" for name, cases in failed.items() if cases) or "every case was answered"
    return Finding(Rule(name=COMPLETE, tier="must", passed=not any(failed.values()), figure=figure))


# ---------------------------------------------------------------- by the use case


def floors(challenger: CandidateScores, independent: int, gates: Gates) -> list[Finding]:
    """What the challenger has to reach by itself. `independent`: its cases, or the groups that they stand in."""
    form, floor = _share(challenger.format_adherence, independent), gates.min_format_adherence
    findings = [_at_least(Floor("format adherence", floor), form, challenger.cases, gates)]
    if gates.min_score is not None:
        floor = gates.min_score
        findings.append(_at_least(Floor("minimum score", floor), challenger.metric, challenger.cases, gates))
    return findings


def independent_cases(tests: list[PairedTest], cases: int) -> int:
    """Groups of like cases where there are such, else the cases; a share of them is no surer than so many tell."""
    return min((test.clusters for test in tests if test.clusters), default=cases)


def pays_back(payback: Payback | None, horizon_months: float, gates: Gates) -> Finding:
    """Whether the money comes back within the horizon. As a should-rule it never blocks, and is always said."""
    months = payback.payback_months if payback else None
    unknown = payback is None or payback.monthly_saving is None or payback.one_off_cost is None
    passed = None if unknown else months is not None and months <= horizon_months
    figure = " ".join(payback.notes) if payback else "not computed"
    return Finding(Rule(name="pays back", tier=tier("pays back", gates), passed=passed, figure=figure), passed is False)


def enough_cases(cases: int, gates: Gates) -> Finding:
    """Whether so many cases can show the minimum effect at all."""
    shown = detectable_difference(cases, alpha=gates.alpha)
    figure = f"{cases} cases show a difference of {100 * shown:.1f} points or more ({assumption()})"
    passed = shown <= gates.minimum_effect
    needed = cases_needed(gates.minimum_effect, alpha=gates.alpha) if gates.minimum_effect else math.inf
    return Finding(Rule(name="test size", tier=tier("test size", gates), passed=passed, figure=figure), needed=needed)


def enough_power(tests: list[PairedTest], gates: Gates) -> list[Finding]:
    """Whether the minimum effect, had it been there, would have been shown on these cases; none without such effect."""
    known = [test for test in tests if test.power is not None]
    if not known:
        return []
    least = min(known, key=lambda test: test.power or 0.0)
    power, differ = least.power or 0.0, least.discordance
    observed = "" if differ is None else f", the two differing on {differ:.1%} of cases"
    figure = (
        f"{power:.2f} to have shown {100 * gates.minimum_effect:.1f} points against {least.reference} by the test, at "
        f"Holm's strictest level{observed}; wanted: {POWER:g}"
    )
    rule = Rule(name="achieved power", tier=tier("achieved power", gates), passed=power >= POWER, figure=figure)
    return [Finding(rule)]


def consistent(challenger: CandidateScores, gates: Gates) -> list[Finding]:
    """Whether no case is right at one time and wrong at another."""
    name, found = "consistency", challenger.consistency
    if found is None:
        unknown = "not measured: no case was asked twice (`evaluation.repeats`)"
        rule = Rule(name=name, tier=tier(name, gates), passed=None, figure=unknown)
        return [Finding(rule)] if wanted(name, gates) else []
    figure = (
        f"{found.agreement:.3f} of the pairs of answers to one input agree; {found.unstable} of {found.cases} cases "
        f"asked {found.repeats} times are right at one time and wrong at another; wanted: none"
    )
    passed = found.unstable == 0
    return [Finding(Rule(name=name, tier=tier(name, gates), passed=passed, figure=figure), not passed)]


# ---------------------------------------------------------------- figures


def _cases_to_settle(test: PairedTest, cases: int, gates: Gates) -> float:
    """A difference worth having has to be shown; of a smaller one the interval has to end below the minimum effect."""
    found = test.difference
    read = cases_read(test, cases)
    if reaches(found.value, gates.minimum_effect):
        return max(test.cases_needed, read + 1) if test.cases_needed else math.inf
    return cases_until(found.high - found.value, gates.minimum_effect - found.value, read)


def cases_read(test: PairedTest, cases: int) -> int:
    """Cases that a test rests on: a judge reads some of them."""
    return round((test.wins + test.losses) / test.discordance) if test.discordance else cases


def cases_until(arm: float, room: float, cases: int) -> float:
    """Cases at which an arm of an interval, which shrinks with the root of their number, has room."""
    return max(cases + 1, math.ceil(cases * (arm / room) ** 2)) if room > ROUNDING else math.inf


def _at_least(floor: Floor, found: Interval, cases: int, gates: Gates) -> Finding:
    """Passed by the figure itself; ruled out for good only where its whole interval is below the floor."""
    value, weight = found.value, tier(floor.rule, gates)
    wanted = f"at least {floor.least:g} passes, an interval that ends below it rules out"
    if math.isnan(value):
        return Finding(Rule(name=floor.rule, tier=weight, passed=None, figure=f"unknown; {wanted}"))
    passed, final = reaches(value, floor.least), not reaches(found.high, floor.least)
    unsettled = "" if passed or final else "; the interval does not settle it"
    figure = f"{value:.3f} (95 % interval {found.low:.3f} to {found.high:.3f}); {wanted}{unsettled}"
    needed = None if passed else cases_until(found.high - value, floor.least - value, cases)
    return Finding(Rule(name=floor.rule, tier=weight, passed=passed, figure=figure), final and not passed, needed)


def _share(value: float, cases: int) -> Interval:
    """With Wilson's 95 % interval."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(value * cases, cases, method="wilson")
    return Interval(value=value, low=float(low), high=float(high))


def _by(test: PairedTest) -> str:
    return f" by {test.test}" if test.test else ""


def reaches(value: float, floor: float) -> bool:
    """Whether a figure is at its floor or above, rounding aside."""
    return value >= floor - ROUNDING


def points(share: float) -> str:
    """A difference of shares, in points."""
    return f"{100 * share:+.1f}"
