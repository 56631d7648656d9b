"""95 % intervals of a figure in production, and of what it makes of the same figure in the trial."""

import math
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from data_contracts.evidence import Interval

Figures = npt.NDArray[np.float64]
Groups = Sequence[Hashable]  # what each value belongs to: values of one group say much the same
LEVEL = 0.95
DRAWS = 2000
SEED = 7
_Z = 1.959963984540054  # of a normal distribution, two-sided at LEVEL
_NO_SPREAD = 1e-12


def exactly(value: float) -> Interval:
    """A figure that is known without its sample."""
    return Interval(value=value, low=value, high=value)


def share(hits: float, of: float) -> Interval:
    """A share with Wilson's interval, by statsmodels; of an effective size it may be one of no whole numbers."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, of, alpha=1 - LEVEL, method="wilson")
    return Interval(value=hits / of, low=float(low), high=float(high))


def mean(values: Figures, groups: Groups | None = None) -> Interval:
    """A mean of figures above 0, its interval made on the scale of logarithms (delta method): it stays above 0."""
    value = float(values.mean())
    if value <= 0 or len(values) < 2:
        return exactly(value)
    arm = _Z * float(values.std(ddof=1)) / (math.sqrt(effective_size(values, groups)) * value)
    return Interval(value=value, low=value * math.exp(-arm), high=value * math.exp(arm))


def score(values: Figures, groups: Groups | None = None) -> Interval:
    """The mean of scores from 0 to 1: Wilson, for as many 0s and 1s as would be as uncertain (Korn and Graubard)."""
    value, size = float(values.mean()), effective_size(values, groups)
    spread = float(values.var())
    scale = value * (1 - value) / spread if spread > _NO_SPREAD else 1.0  # 1 where each score is 0 or 1
    return share(value * size * scale, size * scale)


def macro_f1(expected: Sequence[str], given: Sequence[str], groups: Groups | None = None) -> Interval:
    """F1 over the labels that are expected, each weighing the same, with a percentile bootstrap over the groups.

    The arms are as much longer as Student's t is for so few groups.
    """
    labels = {label: number for number, label in enumerate(sorted(set(expected)))}
    right = np.array([labels[label] for label in expected])
    said = np.array([labels.get(label, len(labels)) for label in given])
    members = _codes(groups, len(right))
    count, rng = int(members.max()) + 1, np.random.default_rng(SEED)
    chosen = (rng.multinomial(count, np.full(count, 1 / count))[members] for _ in range(DRAWS // 4))
    low, high = np.quantile([_macro_f1(right, said, weights, len(labels)) for weights in chosen], _tails())
    value = _macro_f1(right, said, np.ones(len(right)), len(labels))
    if count < 2:
        return Interval(value=value, low=0.0, high=1.0)
    longer = _student(count) / _Z
    low, high = value - longer * (value - float(low)), value + longer * (float(high) - value)
    return Interval(value=value, low=max(0.0, low), high=min(1.0, high))


def percentile(values: Figures, point: float, groups: Groups | None = None) -> Interval:
    """A percentile of figures above 0 between order statistics, whatever their distribution.

    Hahn and Meeker, Statistical Intervals, 1991, section 5.2. Too few for a lower one: 0; for an upper one: the
    largest. With groups the ranks are those of the effective size (Woodruff 1952).
    """
    from scipy.stats import binom

    ordered, middle = np.sort(values), float(np.percentile(values, point))
    size = max(1, int(effective_size((values <= middle).astype(np.float64), groups)))
    lower, upper = binom.ppf(_tails(), size, point / 100)
    return Interval(
        value=middle,
        low=_at_rank(ordered, (lower - 1) / size) if lower >= 1 else 0.0,
        high=_at_rank(ordered, upper / size),
    )


def effective_size(values: Figures, groups: Groups | None) -> float:
    """How many independent values would say as much of the mean: their number by the design effect of the groups.

    The variance between groups by linearisation, against that of single rows, at least 1; with the degrees of freedom
    of so many groups (Korn and Graubard, Confidence intervals for proportions with small expected number of positive
    counts, 1998). Where it cannot be told each group counts as one value.
    """
    rows, members = len(values), _codes(groups, len(values))
    sizes = np.bincount(members)
    if len(sizes) == rows:
        return float(rows)
    worst = float((sizes.astype(np.float64) ** 2).sum()) / rows
    apart = values - values.mean()
    spread = float((apart**2).sum())
    if len(sizes) < 2 or spread <= _NO_SPREAD * rows:
        return rows / worst
    between = float((np.bincount(members, weights=apart) ** 2).sum()) * len(sizes) / (len(sizes) - 1)
    effect = max(1.0, between / (spread * rows / (rows - 1)))
    return float(rows / effect * (_student(rows) / _student(len(sizes))) ** 2)


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


def _codes(groups: Groups | None, rows: int) -> npt.NDArray[np.int64]:
    """A number for each value's group; without groups each is its own."""
    if groups is None:
        return np.arange(rows)
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(group, len(known)) for group in groups], np.int64)


def _student(count: int) -> float:
    """The quantile of Student's t for the mean of so many, two-sided at LEVEL."""
    from scipy.stats import t

    return float(t.ppf(_tails()[1], count - 1))


def _at_rank(ordered: Figures, share: float) -> float:
    """The order statistic so far up, counted from 0."""
    return float(ordered[min(len(ordered) - 1, int(round(share * len(ordered), 6)))])


def _macro_f1(right: npt.NDArray[np.int64], said: npt.NDArray[np.int64], weights: npt.ArrayLike, labels: int) -> float:
    """Labels that no row expects are left out, as in the trial."""
    told = np.asarray(weights, np.float64)
    expected = np.bincount(right, told, minlength=labels)
    given = np.bincount(said, told, minlength=labels + 1)[:labels]
    hits = np.bincount(right, told * (right == said), minlength=labels)
    present = expected > 0
    return float((2 * hits[present] / (expected + given)[present]).mean())
