"""By how much a candidate is slower, dearer, less well-formed or more forgetful than the reference (non-inferiority).

Cases are drawn again in pairs, or in clusters, so that what makes a case slow or long for both cancels out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.evidence import GeneralScore, Interval, Margin
from tasks.evaluate.comparison.clusters import Clusters, Codes, Figures, Sampling
from tasks.evaluate.comparison.measure import first_answers
from tasks.evaluate.comparison.statistics import interval
from tasks.evaluate.comparison.usage import ENOUGH_TIMED, cost_per_request, is_served, times, times_now
from tasks.evaluate.scores.shares import paired_difference

ALIKE = Interval(value=1, low=1, high=1)

Clock = Callable[[pd.DataFrame], Figures]
"""Milliseconds of each answer, NaN for those that tell none."""

Figure = Callable[[Figures], Figures]
"""A figure of one candidate for each row of weights (rows x cases): one a row, NaN where it is unknown."""


@dataclass(frozen=True)
class MarginPolicy:
    """How margins are measured. `general` maps a tune's name to what it forgot, `general_asked` names who was asked."""

    clusters: Clusters
    sampling: Sampling = field(default_factory=Sampling)
    latency_quantile: float = 0.95
    general: Mapping[str, GeneralScore] = field(default_factory=dict)
    general_asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Side:
    """Who, all answers, and the first to each case."""

    candidate: Candidate
    asked: pd.DataFrame
    firsts: pd.DataFrame

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def cases(self) -> Codes:
        """Position of each answer's case."""
        return np.asarray(np.cumsum(~self.asked["case"].duplicated()) - 1, dtype=np.intp)


def margins(
    candidates: Sequence[Candidate], answers: Sequence[pd.DataFrame], reference: str, policy: MarginPolicy
) -> list[Margin]:
    """Of every candidate but the reference: latency and cost as ratios, format as a difference, what a tune forgot.

    `answers` are all of each candidate by case and repeat, the cases the same. Time is told from all that were asked in
    this run, the rest from the first to each case.
    """
    firsts = [first_answers(side) for side in answers]
    sides = [_Side(*parts) for parts in zip(candidates, answers, firsts, strict=True)]
    base = next(side for side in sides if side.name == reference)
    return [margin for side in sides if side is not base for margin in _of(side, base, policy)]


def quantile(values: Figures, at: float, weights: Figures) -> Figures:
    """numpy's linear quantile of values that occur as often as each row of weights says; NaN values do not count."""
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # NaN stands last
    if len(order) == 0:
        return np.full(len(weights), np.nan)
    reached = np.cumsum(weights[:, order], axis=1)
    place = at * (reached[:, -1] - 1)
    found = [
        values[order][np.minimum((reached <= edge[:, None]).sum(axis=1), len(order) - 1)]
        for edge in (np.floor(place), np.ceil(place))
    ]
    between = found[0] + (place - np.floor(place)) * (found[1] - found[0])
    return np.asarray(np.where(reached[:, -1] > 0, between, np.nan))


def _of(side: _Side, base: _Side, policy: MarginPolicy) -> list[Margin]:
    found = [_latency(side, base, policy), _cost(side, base, policy), _format(side, base, policy.clusters)]
    if side.name in policy.general or side.name in policy.general_asked:
        found.append(_general(side.candidate, policy.general.get(side.name)))
    return found


def _general(tune: Candidate, score: GeneralScore | None) -> Margin:
    content = {"name": "general tasks", "candidate": tune.name, "unit": "points", "reference": tune.base_model}
    if score is None:
        return Margin.model_validate(content | {"figure": None, "note": "base model or tune did not answer"})
    found = {"reference": score.base_model, "figure": score.difference, "note": f"{score.cases} tasks"}
    return Margin.model_validate(content | found)


def _latency(side: _Side, base: _Side, policy: MarginPolicy) -> Margin:
    """Of one and the same day and on the same cases: another day's load, or shorter inputs, compare nothing."""
    untimed = [one.name for one in (side, base) if np.isnan(times(one.asked)).all()]
    if untimed:
        return _ratio("latency", side, base, None, f"no answer of {' and '.join(untimed)} was timed by itself")
    told, note = _told(side, base)
    if told is None:
        return _ratio("latency", side, base, None, note)
    shared = _shared(side, base, told)
    slow = [partial(_slow, told(one.asked)[at], one.cases[at], policy.latency_quantile) for one, at in shared]
    figure = _divided(_drawn(slow, policy))
    return _ratio("latency", side, base, figure, note if figure else f"{base.name} took 0 ms, or too few were timed")


def _told(side: _Side, base: _Side) -> tuple[Clock | None, str]:
    """Which answers tell the time, and what is to be said of them; None where those of the two would not compare."""
    enough = min(ENOUGH_TIMED, *(len(np.unique(one.cases[at])) for one, at in _shared(side, base, times)))
    if all(at.sum() >= max(1, enough) for _, at in _shared(side, base, times_now)):
        return times_now, ""
    old = [one.name for one in (side, base) if one.asked.loc[~np.isnan(times(one.asked)), "stored"].mean() > 0.5]
    if len(old) == 2:
        return times, "answers of both are stored: their times are of the days they were asked"
    return None, (
        f"too few answers of {' and '.join(old) or 'both'} to the same cases were asked in this run, and a stored one "
        "keeps the time of its day: raise `evaluation.repeats`, or set `gates.tiers: {latency: should}`"
    )


def _shared(side: _Side, base: _Side, told: Clock) -> list[tuple[_Side, npt.NDArray[np.bool_]]]:
    """Both, with the answers that tell the time of cases of which the other's do too."""
    timed = [(one, ~np.isnan(told(one.asked))) for one in (side, base)]
    common = np.intersect1d(side.cases[timed[0][1]], base.cases[timed[1][1]])
    return [(one, at & np.isin(one.cases, common)) for one, at in timed]


def _slow(values: Figures, cases: Codes, at: float, weights: Figures) -> Figures:
    return quantile(values, at, weights[:, cases])


def _cost(side: _Side, base: _Side, policy: MarginPolicy) -> Margin:
    drawn = _drawn([_mean_cost(side.firsts), _mean_cost(base.firsts)], policy)
    dear, usual = drawn[:, 0]
    if np.isnan(dear) or np.isnan(usual):
        return _ratio("cost", side, base, None, "the price of a request is unknown")
    if usual == 0:
        note, figure = ("the reference costs nothing", None) if dear else ("neither costs anything", ALIKE)
        return _ratio("cost", side, base, figure, note)
    figure = _divided(drawn)
    return _ratio("cost", side, base, figure, "" if figure else f"too few requests of {base.name} cost anything")


def _format(side: _Side, base: _Side, clusters: Clusters) -> Margin:
    """With an interval that has a width where both always answer in form, widened by what clusters are worth less."""
    mine, other = ((one.firsts["outcome"] == "answered").to_numpy(np.float64) for one in (side, base))
    found, wider = paired_difference(mine, other), np.sqrt(clusters.design_effect(mine - other))
    return Margin(
        name="format",
        candidate=side.name,
        reference=base.name,
        unit="points",
        figure=Interval(
            value=found.value,
            low=max(-1.0, found.value - wider * (found.value - found.low)),
            high=min(1.0, found.value + wider * (found.high - found.value)),
        ),
    )


def _ratio(name: str, side: _Side, base: _Side, figure: Interval | None, note: str = "") -> Margin:
    who = {"candidate": side.name, "reference": base.name}
    return Margin.model_validate(who | {"name": name, "unit": "times", "figure": figure, "note": note})


def _mean_cost(side: pd.DataFrame) -> Figure:
    served = is_served(side).to_numpy(np.float64)
    cost = np.where(served > 0, side["cost"] if cost_per_request(side) is not None else np.nan, 0.0)
    return lambda weights: np.asarray((weights @ cost) / (weights @ served))


def _drawn(figures: Sequence[Figure], policy: MarginPolicy) -> Figures:
    """Each figure on all cases, then on every resample: figures x (1 + resamples)."""
    every_case = np.ones((1, len(policy.clusters.codes)))
    blocks = chain([every_case], policy.clusters.draws(policy.sampling))
    with np.errstate(invalid="ignore"):
        return np.concatenate([np.stack([of(weights) for of in figures]) for weights in blocks], axis=1)


def _divided(drawn: Figures) -> Interval | None:
    """The first figure as a multiple of the second, with the interval of its draws; None where any is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = drawn[0] / drawn[1]
        if not np.isfinite(ratio[0]):
            return None
        found = interval(ratio[0], ratio[1:])
    return found if np.isfinite([found.low, found.high]).all() else None
