"""By how much a candidate is slower, dearer, less well-formed or more forgetful than the reference (non-inferiority).

Cases are drawn again in pairs, or in clusters, so that what makes a case slow or long for both cancels out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numpy as np
import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.evidence import GeneralScore, Interval, Margin
from tasks.evaluate.comparison.clusters import Clusters, Figures, Sampling
from tasks.evaluate.comparison.statistics import interval
from tasks.evaluate.comparison.usage import cost_per_request, is_served, of_other_days, timed
from tasks.evaluate.scores.shares import paired_difference

ALIKE = Interval(value=1, low=1, high=1)

Figure = Callable[[Figures], Figures]
"""A figure of one candidate for each row of weights (rows x cases): one a row, NaN where it is unknown."""


@dataclass(frozen=True)
class MarginPolicy:
    """How margins are measured. `general` maps a tune's name to what it forgot."""

    clusters: Clusters
    sampling: Sampling = field(default_factory=Sampling)
    latency_quantile: float = 0.95
    general: Mapping[str, GeneralScore] = field(default_factory=dict)


@dataclass(frozen=True)
class _Side:
    """Who, the first answers, and their figures: on all cases, then on each resample."""

    candidate: Candidate
    answers: pd.DataFrame
    latency: Figures
    cost: Figures


def margins(
    candidates: Sequence[Candidate], answers: Sequence[pd.DataFrame], reference: str, policy: MarginPolicy
) -> list[Margin]:
    """Of every candidate but the reference: latency and cost as ratios, format as a difference, what a tune forgot.

    `answers` are the first answers of each candidate, row by row the same cases.
    """
    slow = [partial(quantile, timed(side), policy.latency_quantile) for side in answers]
    drawn = _drawn([*slow, *(_mean_cost(side) for side in answers)], policy)
    latencies, costs = drawn[: len(answers)], drawn[len(answers) :]
    sides = [_Side(*parts) for parts in zip(candidates, answers, latencies, costs, strict=True)]
    base = next(side for side in sides if side.candidate.name == reference)
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
    found = [_latency(side, base), _cost(side, base), _format(side, base, policy.clusters)]
    name = side.candidate.name
    if name in policy.general:
        score = policy.general[name]
        loss = {"candidate": name, "reference": score.base_model, "unit": "points", "figure": score.difference}
        found.append(Margin.model_validate(loss | {"name": "general tasks", "note": f"{score.cases} tasks"}))
    return found


def _latency(side: _Side, base: _Side) -> Margin:
    untimed = [one.candidate.name for one in (side, base) if np.isnan(one.latency[0])]
    if untimed:
        return _ratio("latency", side, base, None, f"no answer of {' and '.join(untimed)} was timed by itself")
    old = [one.candidate.name for one in (side, base) if of_other_days(one.answers)]
    note = f"most answers of {' and '.join(old)} are stored: their times are of the day they were asked" if old else ""
    return _ratio("latency", side, base, _interval(side.latency / base.latency), note)


def _cost(side: _Side, base: _Side) -> Margin:
    dear, usual = side.cost[0], base.cost[0]
    if np.isnan(dear) or np.isnan(usual):
        return _ratio("cost", side, base, None, "the price of a request is unknown")
    if usual == 0:
        note, figure = ("the reference costs nothing", None) if dear else ("neither costs anything", ALIKE)
        return _ratio("cost", side, base, figure, note)
    return _ratio("cost", side, base, _interval(side.cost / base.cost))


def _format(side: _Side, base: _Side, clusters: Clusters) -> Margin:
    """With an interval that has a width where both always answer in form, widened by what clusters are worth less."""
    mine, other = ((one.answers["outcome"] == "answered").to_numpy(np.float64) for one in (side, base))
    found, wider = paired_difference(mine, other), np.sqrt(clusters.design_effect(mine - other))
    return Margin(
        name="format",
        candidate=side.candidate.name,
        reference=base.candidate.name,
        unit="points",
        figure=Interval(
            value=found.value,
            low=max(-1.0, found.value - wider * (found.value - found.low)),
            high=min(1.0, found.value + wider * (found.high - found.value)),
        ),
    )


def _ratio(name: str, side: _Side, base: _Side, figure: Interval | None, note: str = "") -> Margin:
    who = {"candidate": side.candidate.name, "reference": base.candidate.name}
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


def _interval(ratio: Figures) -> Interval:
    return interval(ratio[0], ratio[1:])
