"""A champion that leaves or has left: what may take its place, and what is said of it.

A champion whose model has a last day is going to be replaced whatever a trial finds. What outlasts it therefore need
not beat it, only be shown not to be worse by more than the minimum effect (non-inferiority, as tasks/decide/margins.py
has it for latency and cost). A champion that no longer answers cannot stay at all: the best prompt is the reference,
and the champion's recorded answers inform without deciding anything.
"""

from data_contracts.contest import ChampionStanding, Comparison, PairedTest, Rule
from data_contracts.gates import Gates
from tasks.decide.rules import NOT_WORSE, Finding, cases_read, cases_until, points, reaches

UNKNOWN_DATA = (
    "{model} was adopted: what it was trained on is unknown. It may have learnt test rows, so its figures may be too "
    "high."
)


def not_worse(test: PairedTest | None, opponent: str, cases: int, gates: Gates) -> Finding:
    """Must: the whole interval of the paired difference loses no more than the minimum effect.

    Final where it lies wholly below that: the challenger is shown to be worse by more.
    """
    name = f"{NOT_WORSE} {opponent}"
    if test is None:
        return Finding(Rule(name=name, tier="must", passed=None, figure="no paired test of these two"))
    found, most = test.difference, gates.minimum_effect
    passed, final = reaches(found.low, -most), not reaches(found.high, -most)
    figure = (
        f"{points(found.value)} points (95 % interval {points(found.low)} to {points(found.high)}; {test.wins} cases "
        f"won, {test.losses} lost); needed: the whole interval at most {100 * most:.1f} below, as {opponent} leaves"
    )
    inside = found.value > -most
    arm = found.value - found.low if inside else found.high - found.value
    needed = cases_until(arm, abs(found.value + most), cases_read(test, cases))
    return Finding(Rule(name=name, tier="must", passed=passed, figure=figure), final, needed)


def contested(comparison: Comparison) -> Comparison:
    """Those who can win and what decides between them: without a retired champion and the tests against it."""
    retired = {test.reference for test in comparison.tests if test.informational}
    return comparison.model_copy(
        update={
            "candidates": [one for one in comparison.candidates if one.candidate.name not in retired],
            "tests": [test for test in comparison.tests if not test.informational],
            "confusion": {name: table for name, table in comparison.confusion.items() if name not in retired},
        }
    )


def said_of(standing: ChampionStanding, comparison: Comparison, gates: Gates) -> list[str]:
    """What a verdict has to say of the champion that it found: its last day, what is left of it, what nobody knows."""
    told = {"answers": [], "leaving": _leaving(standing, gates), "retired": _retired(standing, comparison)}
    unknown = [UNKNOWN_DATA.format(model=standing.model)] if standing.training_data == "unknown" else []
    return [*told[standing.state], *unknown]


def _leaving(standing: ChampionStanding, gates: Gates) -> list[str]:
    days = standing.days_left or 0
    left = f"in {days} days" if days > 0 else "which is past, though it still answers"
    effect = f"{100 * gates.minimum_effect:g} points"
    says = f"The champion's model ({standing.model}) no longer answers from {standing.last_day} on, {left}"
    if not standing.outlasted_by:
        return [f"{says}; nothing that was tried answers longer, so the champion has to be beaten."]
    longer = ", ".join(standing.outlasted_by)
    rule = f"what answers longer ({longer}) takes its place if it is not worse by more than {effect}"
    return [f"{says}: {rule}. These intervals are not widened for the number of candidates."]


def _retired(standing: ChampionStanding, comparison: Comparison) -> list[str]:
    """What is lost or gained against it, or why nobody can say."""
    tests = [test for test in comparison.tests if test.informational]
    since = f" (gone since {standing.last_day})" if standing.last_day else ""
    if standing.recorded is None:
        missing = (
            f"{standing.unrecorded} test cases have no recorded answer of it" if standing.unrecorded else "unknown"
        )
        return [f"What is lost or gained against the retired champion{since} cannot be said: {missing}."]
    if not tests:
        return [f"The judge has not read the retired champion's recorded answers{since}, so they are not compared."]
    score = next(one for one in comparison.candidates if one.candidate.name == tests[0].reference)
    found = "; ".join(f"{test.candidate} {_beside(test)}{_cost(test, comparison)}" for test in tests)
    says = f"Beside the retired champion{since}, by its answers recorded by {standing.recorded}"
    return [
        f"{says} ({score.metric.value:.3f}): {found}. That is for information: it decided nothing, and Holm's "
        "adjustment of the others does not count it."
    ]


def _beside(test: PairedTest) -> str:
    found = test.difference
    return f"{points(found.value)} points (95 % interval {points(found.low)} to {points(found.high)})"


def _cost(test: PairedTest, comparison: Comparison) -> str:
    costs = {one.candidate.name: one.cost_per_request for one in comparison.candidates}
    one, other = costs.get(test.candidate), costs.get(test.reference)
    return f" at {one / other:.2f} times its cost" if one is not None and other else ""
