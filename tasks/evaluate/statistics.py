"""Intervals and paired tests. Candidates answer the same cases, so every figure is resampled by case."""

from collections.abc import Sequence

import numpy as np

from data_contracts.contest import Interval
from tasks import power
from tasks.evaluate.measure import Codes, Figures, MacroF1, Measure, macro_f1, tally

RESAMPLES = 2_000
PERMUTATIONS = 9_999
BLOCK_CELLS = 1_000_000  # case positions held in memory at once


def bootstrap(measure: Measure, seed: int) -> Figures:
    """The metric on RESAMPLES draws of the cases, the same draws for all candidates: candidates x RESAMPLES."""
    draw = np.random.default_rng(seed)
    cases = measure.per_case.shape[1]
    rows = max(1, BLOCK_CELLS // cases)
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    return np.concatenate([measure(draw.integers(cases, size=(size, cases))) for size in sizes], axis=1)


def interval(value: float, resampled: Figures) -> Interval:
    """A figure with the percentiles 2.5 and 97.5 of its resampled values."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(value=float(value), low=float(low), high=float(high))


def share_interval(right: int, cases: int) -> Interval:
    """A share with Wilson's 95 % interval: unlike the bootstrap's it has a width where all or none is right."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(right, cases, alpha=0.05, method="wilson")
    return Interval(value=right / cases, low=float(low), high=float(high))


def is_right_or_wrong(values: Figures) -> bool:
    """Whether each case is right or wrong, nothing between."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def p_value(measure: Measure, candidate: int, reference: int, seed: int) -> float:
    """Two-sided p of no difference: exact McNemar for right or wrong, else a paired permutation test."""
    if isinstance(measure, MacroF1):
        return _swap_labels(measure, candidate, reference, seed)
    differences = measure.per_case[candidate] - measure.per_case[reference]
    if is_right_or_wrong(measure.per_case[[candidate, reference]]):
        return mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
    return _flip_signs(differences, seed)


def mcnemar(wins: int, losses: int) -> float:
    """Exact McNemar: the binomial test of the cases that only one of the two has right."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _flip_signs(differences: Figures, seed: int) -> float:
    """Each case's two scores may trade places; cases without a difference change nothing and are left out."""
    from scipy.stats import permutation_test

    differing = differences[differences != 0]
    if len(differing) < 2:  # both signs of a single difference are equally far from none
        return 1.0
    batch = max(1, BLOCK_CELLS // len(differing))
    test = permutation_test(
        (differing,), np.mean, permutation_type="samples", n_resamples=PERMUTATIONS, batch=batch, rng=seed
    )
    return float(test.pvalue)


def _swap_labels(measure: MacroF1, candidate: int, reference: int, seed: int) -> float:
    """Each case's two answers may trade places; the cases answered alike are counted once and for all."""
    from scipy.stats import permutation_test

    given = measure.given[[candidate, reference]]
    differ = given[0] != given[1]
    if differ.sum() < 2:
        return 1.0
    expected = measure.expected[differ]
    alike = tally(measure.expected[None, ~differ], given[:1, ~differ], measure.labels)

    def difference(one: Codes, other: Codes, axis: int) -> Figures:
        figures = [
            macro_f1(alike + tally(np.broadcast_to(expected, rows.shape), rows, measure.labels))
            for rows in (np.atleast_2d(one), np.atleast_2d(other))
        ]
        return (figures[0] - figures[1]).reshape(one.shape[:-1])

    answers = (given[0, differ], given[1, differ])
    batch = max(1, BLOCK_CELLS // len(expected))
    test = permutation_test(
        answers, difference, permutation_type="samples", n_resamples=PERMUTATIONS, batch=batch, rng=seed
    )
    return float(test.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjustment for looking more than once."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if len(p_values) else []


def mean_square(measure: Measure, resampled: Figures, candidate: int, reference: int) -> float:
    """Mean squared difference a case; for macro F1, which no case has by itself, from the bootstrap's variance."""
    if isinstance(measure, MacroF1):
        differences = resampled[candidate] - resampled[reference]
        return float(len(measure.expected) * differences.var() + differences.mean() ** 2)
    return float(np.mean((measure.per_case[candidate] - measure.per_case[reference]) ** 2))


def cases_needed(difference: float, square: float, alpha: float) -> int | None:
    """Paired cases that show a difference at level alpha with power 0.8; None where there is none to show.

    Connor's formula rests on d^2 / s alone, s being the mean squared difference a case: the discordance of right or
    wrong. So it holds for graded scores too, taken in the unit in which s = d.
    """
    if abs(difference) < 1e-9:
        return None
    share = min(1.0, difference**2 / square)
    return power.cases_needed(share, share, alpha)
