"""Intervals and paired tests. Candidates answer the same cases, so every figure is resampled by case, or by cluster."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from data_contracts.evidence import Interval
from tasks import power
from tasks.evaluate.comparison.clusters import BLOCK_CELLS, Clusters, Figures, Sampling
from tasks.evaluate.comparison.measure import MacroF1, MeanScore, Measure, macro_f1, overall

Statistic = Callable[[Figures], Figures]
"""The difference of two candidates, for rows of 0 and 1 (rows x clusters) that say where they trade places."""

# ---------------------------------------------------------------- intervals


def bootstrap(measure: Measure, clusters: Clusters, sampling: Sampling) -> Figures:
    """The metric on each resample, the same draws for all candidates: candidates x resamples."""
    return np.concatenate([measure(weights) for weights in clusters.draws(sampling)], axis=1)


def interval(value: float, resampled: Figures) -> Interval:
    """A figure with the percentiles 2.5 and 97.5 of its resampled values; draws without a value do not count."""
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return Interval(value=float(value), low=float(low), high=float(high))


def share_interval(right: float, cases: float) -> Interval:
    """A share with Wilson's 95 % interval: unlike the bootstrap's it has a width where all or none is right."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(right, cases, alpha=0.05, method="wilson")
    return Interval(value=right / cases, low=float(low), high=float(high))


def right_or_wrong_interval(values: Figures, clusters: Clusters) -> Interval:
    """Mean of 0 and 1 by Wilson, on as many independent cases as the clusters are worth (Korn and Graubard 1998)."""
    worth = len(values) / clusters.design_effect(values)
    found = share_interval(float(values.mean()) * worth, worth)
    return found.model_copy(update={"value": float(values.mean())})


def is_right_or_wrong(values: Figures) -> bool:
    """Whether each case is right or wrong, nothing between."""
    return bool(np.isin(values, (0.0, 1.0)).all())


# ---------------------------------------------------------------- tests of a candidate (row 0) against another (row 1)


def p_value(pair: Measure, clusters: Clusters, sampling: Sampling) -> tuple[float, str]:
    """Two-sided p of no difference between the two candidates of a measure, and the test that gave it.

    Under no difference the two may trade places, a cluster's cases all at once. Where each cluster's difference has
    the same size this is the exact binomial test: McNemar's for right or wrong. Else it is a permutation test.
    """
    of_groups = "" if clusters.single else " of groups"
    if isinstance(pair, MacroF1):
        return _permutation(*_labels_traded(pair, clusters), sampling), f"permutation test{of_groups}"
    differences = clusters.sums(pair.per_case[0] - pair.per_case[1])
    sizes = np.abs(differences[differences != 0])
    if len(sizes) == 0 or np.allclose(sizes, sizes[0], rtol=1e-9, atol=0):
        single = is_right_or_wrong(pair.per_case) and (sizes == 1).all()
        name = "exact McNemar test" if single else "exact sign test"
        return mcnemar(int((differences > 0).sum()), int((differences < 0).sum())), f"{name}{of_groups}"
    return _permutation(*_scores_traded(differences), sampling), f"permutation test{of_groups}"


def mcnemar(wins: int, losses: int) -> float:
    """Exact McNemar: the binomial test of the cases that only one of the two has right."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _permutation(statistic: Statistic, clusters: int, sampling: Sampling) -> float:
    """All ways to trade places where there are few, else so many random ones."""
    from scipy.stats import permutation_test

    if clusters < 2:  # both ways round, a single difference is equally far from none
        return 1.0

    def of(traded: Figures, _: Figures, axis: int) -> Figures:
        return statistic(np.atleast_2d(traded)).reshape(traded.shape[:-1])

    test = permutation_test(
        (np.zeros(clusters), np.ones(clusters)),
        of,
        permutation_type="samples",
        n_resamples=sampling.permutations,
        batch=max(1, BLOCK_CELLS // 4 // clusters),
        rng=sampling.seed,
    )
    return float(test.pvalue)


def _scores_traded(differences: Figures) -> tuple[Statistic, int]:
    """Clusters without a difference change nothing and are left out."""
    differing = differences[differences != 0]
    return (lambda traded: (1 - 2 * traded) @ differing), len(differing)


def _labels_traded(pair: MacroF1, clusters: Clusters) -> tuple[Statistic, int]:
    """Clusters whose cases are all answered alike change nothing and are counted once and for all."""
    differ = np.flatnonzero(np.isin(clusters.codes, clusters.codes[pair.given[0] != pair.given[1]]))
    among = clusters.at(differ)
    members = among.members
    given = [pair.marks(codes) for codes in pair.given]
    hits = [pair.marks(pair.hits(codes)) for codes in pair.given]
    expected = pair.marks(pair.expected).sum(axis=0)
    gained = [members @ (marks[1] - marks[0])[differ] for marks in (given, hits)]

    def figure(candidate: int, sign: int, traded: Figures) -> Figures:
        counts = [
            marks[candidate].sum(axis=0) + sign * (traded @ gain)
            for marks, gain in zip((given, hits), gained, strict=True)
        ]
        return macro_f1(expected, *counts)

    return (lambda traded: figure(0, 1, traded) - figure(1, -1, traded)), among.count


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjustment for looking more than once."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if len(p_values) else []


# ---------------------------------------------------------------- what more or fewer cases would show


def variance(pair: Measure, clusters: Clusters, resampled: Figures) -> float:
    """Of the difference of two candidates, as if each case were by itself: cases x variance of the mean difference.

    Macro F1, which no case has by itself, takes it from the bootstrap.
    """
    if isinstance(pair, MeanScore):
        differences = pair.per_case[0] - pair.per_case[1]
        return clusters.design_effect(differences) * float(differences.var())
    return float(len(pair.expected) * (resampled[0] - resampled[1]).var())


def differing(pair: Measure, clusters: Clusters) -> int:
    """Clusters that tell two candidates apart; the others say nothing to a test."""
    if isinstance(pair, MacroF1):
        return len(np.unique(clusters.codes[pair.given[0] != pair.given[1]]))
    return int(np.count_nonzero(np.abs(clusters.sums(pair.per_case[0] - pair.per_case[1])) > 1e-9))


def cases_needed(pair: Measure, clusters: Clusters, spread: float, alpha: float) -> int | None:
    """Cases that show the difference by `cases_for`, and on which the exact test can pass; None where none is to show.

    The clusters that differ are taken to grow with the cases.
    """
    mine, other = overall(pair)
    planned, units = cases_for(float(mine - other), spread, alpha), differing(pair, clusters)
    if planned is None or units == 0:
        return None
    cases: int = pair.per_case.shape[1]
    return max(planned, math.ceil(power.least_differing(alpha) * cases / units))


def cases_for(difference: float, spread: float, alpha: float) -> int | None:
    """Paired cases that show a difference at level alpha with power 0.8; None where there is none to show.

    `spread` is the `variance` of the difference. Connor's formula rests on d^2 / s alone, s being the mean squared
    difference a case: the discordance of right or wrong. So it holds for graded scores too, in the unit of s = d.
    """
    if abs(difference) < 1e-9:
        return None
    share = difference**2 / (difference**2 + spread)
    return power.cases_needed(share, share, alpha)


def achieved_power(effect: float, pair: Measure, spread: float, alpha: float) -> float | None:
    """Chance to have shown an effect on these cases, by the `variance` found on them; None for no effect at all."""
    if effect <= 0:
        return None
    square = spread + effect**2
    if isinstance(pair, MeanScore) and is_right_or_wrong(pair.per_case):
        square = max(square, effect)  # two who are right or wrong differ on at least so many cases
    return power.achieved(effect, pair.per_case.shape[1], square, alpha)
