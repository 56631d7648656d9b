"""Copies: the better row stays, the others name it."""

import numpy as np
import pandas as pd

from tasks.curate.cleaning.columns import Positions
from tasks.curate.cleaning.near import Alike

Dropped = tuple[Positions, Positions]  # rows that leave, and the row that stays for each


def same_words(rows: pd.DataFrame) -> Dropped:
    """Rows with the question and the answer of a better row. rows: question, output, rank, indexed by position."""
    best = rows.groupby(["question", "output"])["rank"].transform("min")
    place = pd.Series(rows.index, index=rows["rank"])
    left = rows["rank"] != best
    return rows.index.to_numpy()[left], place.loc[best[left]].to_numpy()


def near_words(alike: Alike, rows: Positions, rank: pd.Series) -> dict[int, int]:
    """Of rows some of which are near copies: each that leaves -> the better one that it is like, and that stays.

    Of a chain a-b-c, of which a is best, b leaves and c stays: no row leaves for one that it is not like itself.
    """
    kept, stays = rows, dict[int, int]()
    while lesser := _lesser(alike.copies(kept), rank):
        stays |= lesser
        kept = np.setdiff1d(kept, [*lesser])
    orphans = np.array([row for row, keeper in stays.items() if keeper in stays], np.int64)
    if not len(orphans):
        return stays
    found = {row: keeper for row, keeper in alike.nearest(orphans, kept).items() if rank[keeper] < rank[row]}
    loose = np.setdiff1d(orphans, [*found])
    settled = {row: keeper for row, keeper in stays.items() if keeper not in stays}
    return {**settled, **found, **near_words(alike, loose, rank)}


def _lesser(pairs: pd.DataFrame, rank: pd.Series) -> dict[int, int]:
    """Rows with a better copy that has none itself -> that copy. pairs: left, right, in any order."""
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    first = rank.to_numpy()[left] < rank.to_numpy()[right]
    better, worse = np.where(first, left, right), np.where(first, right, left)
    order = np.lexsort((rank.to_numpy()[better], rank.to_numpy()[worse]))
    leaves: dict[int, int] = {}
    for stays, goes in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if stays not in leaves:  # all pairs in which it is the worse one came before
            leaves.setdefault(goes, stays)
    return leaves
