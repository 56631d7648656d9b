"""What the report picks from a trial's documents, as rows of its tables."""

from dataclasses import dataclass
from typing import get_args

from data_contracts.contest import CandidateScores, PairedTest, Rule
from data_contracts.evidence import LabelScore, SliceScore
from data_contracts.gates import Tier
from data_contracts.money import usd
from data_contracts.trial import TrialRecord
from tasks.register.formats import milliseconds, months, per_thousand, percent, points, points_range

MAX_CONFUSED = 8
TIERS: tuple[Tier, ...] = get_args(Tier)


@dataclass(frozen=True)
class Figure:
    """One of the figures at the top: what, how much, and what it is read against."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class SliceRow:
    """A slice, and how each candidate did on its cases."""

    name: str
    cases: int
    scores: list[SliceScore | None]


@dataclass(frozen=True)
class LabelRow:
    """A label or a field: the winner's scores, and the F1 of each candidate."""

    name: str
    scores: LabelScore
    f1: list[float | None]


def glance(trial: TrialRecord) -> list[Figure]:
    """The figures that a signature rests on: the challenger against the reference."""
    by_name = {item.candidate.name: item for item in trial.comparison.candidates}
    reference = by_name[trial.comparison.reference]
    challenger = by_name.get(trial.verdict.challenger.name if trial.verdict.challenger else "", reference)
    pair = challenger, reference
    found = [
        _beside(trial.comparison.metric, pair, [percent(item.metric.value) for item in pair]),
        *_difference(trial, challenger.candidate.name),
        _beside("1,000 requests", pair, [per_thousand(item.cost_per_request) for item in pair]),
    ]
    if challenger.latency_p95_ms is not None:
        found.append(_beside("p95 latency, ms", pair, [milliseconds(item.latency_p95_ms) for item in pair]))
    return found + _worth(trial) + _last_day(trial)


def rules_by_tier(rules: list[Rule]) -> list[tuple[Tier, list[Rule]]]:
    """Must, should and info, each with its rules."""
    found = [(tier, [rule for rule in rules if rule.tier == tier]) for tier in TIERS]
    return [(tier, some) for tier, some in found if some]


def slice_rows(candidates: list[CandidateScores]) -> list[SliceRow]:
    """Every value of every declared slice."""
    keys = sorted({(name, value) for item in candidates for name, of in item.slices.items() for value in of})
    found = []
    for name, value in keys:
        scores = [item.slices.get(name, {}).get(value) for item in candidates]
        found.append(SliceRow(f"{name} = {value}", next(score.cases for score in scores if score), scores))
    return found


def label_rows(trial: TrialRecord) -> list[LabelRow]:
    """Labels of a classification or fields of an extraction, the winner's worst first."""
    of_each = [item.by_label or item.by_field for item in trial.comparison.candidates]
    winner = next(item for item in trial.comparison.candidates if item.candidate.name == trial.verdict.winner.name)
    worst = sorted((winner.by_label or winner.by_field).items(), key=lambda item: (item[1].f1, item[0]))
    return [LabelRow(name, scores, [f1_of(every.get(name)) for every in of_each]) for name, scores in worst]


def f1_of(scores: LabelScore | None) -> float | None:
    """F1 of a label that the candidate was asked for."""
    return scores.f1 if scores else None


def confused(trial: TrialRecord) -> list[tuple[str, str, int]]:
    """Most frequent (expected, given) pairs of the winner's mistakes."""
    table = trial.comparison.confusion.get(trial.verdict.winner.name, {})
    pairs = [(right, given, n) for right, row in table.items() for given, n in row.items() if right != given]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:MAX_CONFUSED]


def spent(trial: TrialRecord) -> str:
    """What the run spent; where a price is unknown, what is known of it."""
    costs = [item.cost_per_request for item in trial.comparison.candidates]
    costs += [item.cost_per_request for item in trial.search.tried]
    costs += [trial.tuned.training_cost] if trial.tuned else []
    known = None not in costs
    return usd(trial.spent) if known else f"unknown, at least {usd(trial.spent)}: not every price is known"


def _beside(name: str, pair: tuple[CandidateScores, CandidateScores], figures: list[str]) -> Figure:
    challenger, reference = pair
    note = "" if challenger is reference else f"{reference.candidate.name} {figures[1]}"
    return Figure(f"{challenger.candidate.name}, {name}", figures[0], note)


def _difference(trial: TrialRecord, challenger: str) -> list[Figure]:
    test = _headline(trial, challenger)
    if test is None:
        return []
    name, note = f"against {test.reference}, points", f"95 % interval {points_range(test.difference)}"
    return [Figure(name, points(test.difference.value), note)]


def _headline(trial: TrialRecord, challenger: str) -> PairedTest | None:
    wanted = challenger, trial.comparison.reference
    return next((test for test in trial.comparison.tests if (test.candidate, test.reference) == wanted), None)


def _worth(trial: TrialRecord) -> list[Figure]:
    found = trial.verdict.payback
    if found is None or found.monthly_saving is None:
        return []
    back = months(found.payback_months) if found.payback_months is not None else "never"
    return [Figure("payback", back, f"{usd(found.monthly_saving)} a month")]


def _last_day(trial: TrialRecord) -> list[Figure]:
    """When the champion that was met stops answering, or that it has."""
    met = trial.verdict.champion_standing
    if met is None or met.state == "answers":
        return []
    left = "it no longer answers" if met.state == "retired" else f"in {met.days_left} days"
    return [Figure("the champion's last day", met.last_day or "unknown", left)]
