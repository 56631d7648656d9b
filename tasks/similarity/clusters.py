"""Rows of one set that are alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_contracts.data_policy import Leakage
from tasks.similarity.arrays import Int32s, Int64s
from tasks.similarity.pairs import KINDS, SAME_WORDS, UNLIKE, judge, mark_known, of_one_form, pair_frame
from tasks.similarity.phrases import RowCounts
from tasks.similarity.search import first_with, search_within
from tasks.similarity.texts import Texts

KEYS_A_ROW = 16  # of two rows with Jaccard 0.45, none of the one's keys stands in the other once in ten thousand times


def near_pairs(texts: Texts, counts: RowCounts, policy: Leakage) -> pd.DataFrame:
    """Rows that are alike: left < right (positions), kind (of KINDS), score, evidence; in the order of right.

    A row is paired with the first of its words or form, or else with its likest few before it: enough to reach every
    row of a family by a chain, not all pairs of it.
    """
    same = _earlier(first_with(texts.words, texts.words))
    form = _earlier(of_one_form(texts, texts, counts, policy))
    found = search_within(texts, counts.cut(policy), np.where(same >= 0, same, form), KEYS_A_ROW)
    kind, score = judge(found, counts, policy)
    mark_known(kind, score, same, form)
    alike = np.nonzero(kind < UNLIKE)
    left, right = found.trained[alike].astype(np.int64), alike[0].astype(np.int64)
    return pair_frame({"left": left, "right": right}, kind[alike], score[alike], found.evidence[alike])


def clusters(texts: Texts, counts: RowCounts, policy: Leakage) -> Int64s:
    """Cluster number a row: rows that are alike, directly or by a chain. Short ones by the same words only."""
    pairs = near_pairs(texts, counts, policy)
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    long = np.minimum(texts.length[left], texts.length[right]) >= policy.short_words
    linked = long | (pairs["kind"] == KINDS[SAME_WORDS]).to_numpy()
    return _components(len(texts), left[linked], right[linked])


def connected(rows: int, columns: Sequence[pd.Series]) -> Int64s:
    """Unit number of each row 0..rows-1: rows that share a value in any column, directly or by a chain, are one unit.

    A column is a series of values indexed by row; a row may occur several times or not at all, NaN joins nothing.
    """
    present = [column.dropna() for column in columns]
    nodes, size = [], rows
    for column in present:
        codes, values = pd.factorize(column)
        nodes.append(codes + size)
        size += len(values)
    members = [column.index.to_numpy() for column in present]
    return _components(size, np.concatenate(members), np.concatenate(nodes))[:rows]


def _components(size: int, left: Int64s, right: Int64s) -> Int64s:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    found: Int64s = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def _earlier(first: Int32s) -> Int32s:
    """The first row of the same key, where that is not the row itself."""
    return np.where(first == np.arange(len(first)), np.int32(-1), first)
