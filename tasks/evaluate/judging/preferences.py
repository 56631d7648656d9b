"""A judge's preferences as scores: what a candidate won against another, case by case."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.evaluate.comparison.clusters import Figures
from tasks.evaluate.comparison.measure import ComparisonError, MeanScore

TIE = 0.5


def against(preferences: pd.DataFrame, cases: Sequence[str], candidate: str, reference: str) -> Figures:
    """For each case 1 where the candidate is preferred, 0 where the reference is, 0.5 for a tie; NaN: not judged.

    `preferences` has candidate, reference, case and preference (1, 0 or -1, seen from the candidate).
    """
    pair = preferences[(preferences["candidate"] == candidate) & (preferences["reference"] == reference)]
    found = pair.groupby("case")["preference"].mean()
    return np.asarray(TIE + found.reindex(cases).to_numpy(np.float64) / 2)


def measure(preferences: pd.DataFrame, cases: Sequence[str], names: Sequence[str], reference: str) -> MeanScore:
    """Each candidate's share of wins against the reference, ties counted half; the reference's own is 0.5.

    Raises ComparisonError where a candidate was not judged against the reference at all.
    """
    rows = [
        np.full(len(cases), TIE) if name == reference else against(preferences, cases, name, reference)
        for name in names
    ]
    for name, row in zip(names, rows, strict=True):
        if np.isnan(row).all():
            problem = f"no case was judged against {reference}"
            raise ComparisonError(f"candidate {name}", problem, "Let the judge read it, or take another gates.metric.")
    return MeanScore(np.stack(rows))


def duel(preferences: pd.DataFrame, cases: Sequence[str], candidate: str, reference: str) -> MeanScore:
    """The candidate's wins beside a tie on every case: two rows, NaN in both where the pair was not judged."""
    won = against(preferences, cases, candidate, reference)
    return MeanScore(np.stack([won, np.where(np.isnan(won), np.nan, TIE)]))
