"""95 % intervals of a figure in production, and of what it makes of the same figure in the trial."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_contracts.evidence import Interval

Figures = npt.NDArray[np.float64]
LEVEL = 0.95
DRAWS = 2000
SEED = 7
_Z = 1.959963984540054  # of a normal distribution, two-sided at LEVEL


def exactly(value: float) -> Interval:
    """A figure that is known without its sample."""
    return Interval(value=value, low=value, high=value)


def share(hits: int, of: int) -> Interval:
    """A share with Wilson's interval, by statsmodels."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, of, alpha=1 - LEVEL, method="wilson")
    return Interval(value=hits / of, low=float(low), high=float(high))


def mean(values: Figures) -> Interval:
    """A mean of figures above 0, its interval made on the scale of logarithms (delta method): it stays above 0."""
    value = float(values.mean())
    if value <= 0 or len(values) < 2:
        return exactly(value)
    arm = _Z * float(values.std(ddof=1)) / (math.sqrt(len(values)) * value)
    return Interval(value=value, low=value * math.exp(-arm), high=value * math.exp(arm))


def score(values: Figures) -> Interval:
    """The mean of scores from 0 to 1: Wilson where each is 0 or 1, else a percentile bootstrap by scipy."""
    if np.isin(values, (0.0, 1.0)).all():
        return share(int(values.sum()), len(values))
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,), np.mean, n_resamples=DRAWS, batch=100, method="percentile", rng=np.random.default_rng(SEED)
    ).confidence_interval
    return Interval(value=float(values.mean()), low=float(found.low), high=float(found.high))


def macro_f1(expected: Sequence[str], given: Sequence[str]) -> Interval:
    """F1 over the labels that are expected, each weighing the same, with a percentile bootstrap over the rows."""
    labels = {label: number for number, label in enumerate(sorted(set(expected)))}
    right = np.array([labels[label] for label in expected])
    said = np.array([labels.get(label, len(labels)) for label in given])
    rng = np.random.default_rng(SEED)
    draws = (rng.integers(len(right), size=len(right)) for _ in range(DRAWS // 4))
    low, high = np.quantile([_macro_f1(right[rows], said[rows], len(labels)) for rows in draws], _tails())
    return Interval(value=_macro_f1(right, said, len(labels)), low=float(low), high=float(high))


def percentile(values: Figures, point: float) -> Interval:
    """A percentile between order statistics, whatever the distribution (Hahn and Meeker, Statistical Intervals)."""
    from scipy.stats import binom

    ordered, share = np.sort(values), point / 100
    ranks = np.clip(binom.ppf(_tails(), len(ordered), share), 0, len(ordered) - 1).astype(int)
    return Interval(
        value=float(np.percentile(ordered, point)), low=float(ordered[ranks[0]]), high=float(ordered[ranks[1]])
    )


def difference(one: Interval, other: Interval) -> Interval:
    """`one` minus `other`, of independent samples, from their intervals: MOVER (Zou and Donner 2008)."""
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Interval(value=value, low=low, high=high)


def ratio(one: Interval, other: Interval) -> Interval | None:
    """`one` / `other`, the same on the scale of logarithms; None where one of them reaches 0."""
    if min(one.low, other.low) <= 0:
        return None
    found = difference(_logarithm(one), _logarithm(other))
    return Interval(value=math.exp(found.value), low=math.exp(found.low), high=math.exp(found.high))


def _logarithm(interval: Interval) -> Interval:
    return Interval(value=math.log(interval.value), low=math.log(interval.low), high=math.log(interval.high))


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2


def _macro_f1(right: npt.NDArray[np.int64], said: npt.NDArray[np.int64], labels: int) -> float:
    """Labels that no row expects are left out, as in the trial."""
    expected = np.bincount(right, minlength=labels).astype(np.float64)
    given = np.bincount(said, minlength=labels + 1)[:labels]
    hits = np.bincount(right[right == said], minlength=labels)
    present = expected > 0
    return float((2 * hits[present] / (expected + given)[present]).mean())
