"""Shares over cases that bring up to two readings each, and paired differences, with intervals that never collapse."""

import numpy as np
import numpy.typing as npt

from data_contracts.evidence import Interval

Figures = npt.NDArray[np.float64]
Z = 1.959964  # of a 95 % interval


def clustered_share(taken: Figures, of: Figures) -> Interval:
    """Share of readings, those of one case (`taken` of `of`, at most 2) being no independent ones; 0.5 without any.

    The interval for matched pairs of Agresti and Min (2005, Statistics in Medicine 24): Wald's after half a case on
    either side and one between were added; where a case has fewer than two readings, by the ratio's variance.
    """
    taken, of = np.append(taken, [2.0, 0.0, 1.0]), np.append(of, [2.0, 2.0, 2.0])
    weights = np.append(np.ones(len(of) - 3), [0.5, 0.5, 1.0])
    readings = (weights * of).sum()
    share = (weights * taken).sum() / readings
    half = Z * np.sqrt((weights * (taken - share * of) ** 2).sum()) / readings
    value = taken[:-3].sum() / of[:-3].sum() if of[:-3].any() else 0.5
    return Interval(value=float(value), low=float(max(0.0, share - half)), high=float(min(1.0, share + half)))


def paired_difference(one: Figures, other: Figures) -> Interval:
    """Mean of one minus mean of the other, each 1 or 0 on the same cases, with Agresti and Min's interval."""
    share = clustered_share(1 + one - other, np.full(len(one), 2.0))
    return Interval(value=2 * share.value - 1, low=2 * share.low - 1, high=2 * share.high - 1)
