"""Population stability index: how far two samples of categories lie apart, and how much of that is chance."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from data_contracts.evidence import Interval

Counts = npt.NDArray[np.int64]
DRAWS = 2000
SEED = 7
MOST_CATEGORIES = 20
FEWEST = 5  # of the reference: rarer categories count as one


def stability_index(reference: Counts, now: Counts, aspects: int = 1) -> Interval:
    """PSI of two histograms, what chance adds taken off, with a bootstrap interval.

    The index is the sum of (p - q) ln(p / q), half a row added to each bin so that none is empty. Two samples of one
    population give (bins - 1) (1/N + 1/M) in the mean (Yurdakul and Naranjo, Statistical properties of the population
    stability index, 2020): on few rows most of it. The interval is a basic bootstrap, whose limits take the same bias
    off; with several `aspects` measured at once each has the wider one of Bonferroni.
    """
    found = float(_index(reference[None], now[None])[0])
    rng, tail = np.random.default_rng(SEED), 0.025 / aspects
    draws = _index(_drawn(reference, rng), _drawn(now, rng))
    low, high = np.quantile(draws, [1 - tail, tail])
    chance = (len(reference) - 1) * (1 / reference.sum() + 1 / now.sum())
    return Interval(value=max(0.0, found - chance), low=max(0.0, 2 * found - low), high=max(0.0, 2 * found - high))


def histograms(reference: Sequence[Hashable], now: Iterable[Hashable]) -> tuple[Counts, Counts]:
    """Both samples on the reference's most frequent categories; what is rare or new there is one category together."""
    common = [name for name, rows in Counter(reference).most_common(MOST_CATEGORIES) if rows >= FEWEST]
    place = {name: number for number, name in enumerate(common)}
    sides = ([place.get(name, len(place)) for name in side] for side in (reference, now))
    first, second = (np.bincount(np.array(side, np.int64), minlength=len(place) + 1) for side in sides)
    return first, second


def _index(reference: npt.NDArray[np.int64], now: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One index a row."""
    p, q = ((side + 0.5) / (side.sum(axis=1, keepdims=True) + side.shape[1] / 2) for side in (reference, now))
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=1), np.float64)


def _drawn(side: Counts, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    smoothed = (side + 0.5) / (side.sum() + len(side) / 2)
    return rng.multinomial(int(side.sum()), smoothed, size=DRAWS)
