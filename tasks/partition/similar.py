"""Near-duplicate search: two texts are alike by the rare phrases they share, never by stock phrases.

A word trigram that stands in many rows (greeting, footer, form label) is boilerplate and dropped; what is left is
compared by Jaccard. Without boilerplate two unrelated texts share next to nothing, so a low threshold is safe.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.data_policy import Leakage
from data_contracts.text import normalised_words

# In a small set a real family of copies would soon exceed the share: a phrase of up to 20 rows always counts.
MIN_BOILERPLATE_ROWS = 20
# Short texts hold few trigrams, so that one common turn of phrase ("why was I charged") already makes 0.45. On
# Banking77 (8 to 12 words) 2, 3 and 5 shared ones flag 606, 482 and 212 test rows, whose nearest train row has the
# same label in 85, 87 and 92 %. The price: texts of fewer than seven words are compared by their words alone.
MIN_SHARED = 5
# `5 3` and `12 7` are numbers, not a form with other numbers in it.
MIN_FORM_WORDS = 3
COLUMNS = 2**22  # hashed trigrams; at a million distinct ones a fifth shares a column, five in one pair by chance never
MAX_CANDIDATES = 5_000_000  # row pairs held at once, about 60 MB

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RareTrigrams:
    """What of each text counts in a comparison."""

    shared: Any  # sparse rows x trigrams that at least two rows hold
    sizes: npt.NDArray[np.int64]  # rare trigrams a row, those of its own included
    boilerplate: int  # trigrams that were dropped


def near_pairs(left: Sequence[str], right: Sequence[str], policy: Leakage) -> pd.DataFrame:
    """Pairs of `policy.near` or more: columns left, right (positions) and score (Jaccard of rare trigrams)."""
    trigrams = rare_trigrams([*left, *right], policy)
    pairs = compare(trigrams, np.arange(len(left)), np.arange(len(right)) + len(left), policy)
    return pairs.assign(right=pairs["right"] - len(left))


def clusters(texts: Sequence[str], policy: Leakage) -> npt.NDArray[np.int64]:
    """Cluster number a row: near-duplicates, and texts that are the same but for numbers, directly or by a chain."""
    rows = np.arange(len(texts))
    pairs = compare(rare_trigrams(texts, policy), rows, rows, policy)
    both = pd.concat([pairs["left"], pairs["right"]], ignore_index=True)
    links = pd.DataFrame({"row": both, "key": np.tile(np.arange(len(pairs)), 2)})
    return connected(len(texts), [forms(texts, policy), links.set_index("row")["key"]])


def connected(rows: int, columns: Sequence[pd.Series]) -> npt.NDArray[np.int64]:
    """Unit number of each row 0..rows-1: rows that share a value in any column, directly or by a chain, are one unit.

    A column is a series of values indexed by row; a row may occur several times or not at all, NaN joins nothing.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    present = [column.dropna() for column in columns]
    nodes, size = [], rows
    for column in present:
        codes, values = pd.factorize(column)
        nodes.append(codes + size)
        size += len(values)
    members = np.concatenate([column.index.to_numpy() for column in present])
    graph = coo_matrix((np.ones(len(members), np.int8), (members, np.concatenate(nodes))), shape=(size, size))
    units: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1][:rows].astype(np.int64)
    return units


def forms(texts: Sequence[str], policy: Leakage) -> pd.Series:
    """Words with every number masked; None where the form is in so many rows, or so short, that it says nothing."""
    masked = pd.Series([" ".join(_masked_words(text)) for text in texts], dtype=object)
    telling = masked.map(lambda form: sum(word != "0" for word in form.split()) >= MIN_FORM_WORDS).astype(bool)
    common = masked.map(masked.value_counts()) > _most_rows(len(texts), policy)
    return masked.where(telling & ~common)


def rare_trigrams(texts: Sequence[str], policy: Leakage) -> RareTrigrams:
    """Trigrams of words, numbers masked, without those in more than `policy.max_row_share` of these rows."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer=_trigrams, n_features=COLUMNS, binary=True, norm=None, alternate_sign=False, dtype=np.int32
    )
    matrix = vectorizer.transform(texts) if texts else csr_matrix((0, COLUMNS), dtype=np.int32)
    rows_with = np.asarray(matrix.sum(axis=0)).ravel()
    rare = rows_with <= _most_rows(len(texts), policy)
    sizes = matrix @ rare.astype(np.int64)
    return RareTrigrams(matrix[:, np.flatnonzero(rare & (rows_with > 1))], sizes, int((~rare).sum()))


def compare(trigrams: RareTrigrams, left: Positions, right: Positions, policy: Leakage) -> pd.DataFrame:
    """Near pairs between two choices of rows; columns left, right (positions among the texts) and score.

    Where a row is on both sides, each pair comes once and no row is paired with itself.
    """
    found = [_score(trigrams, left[block], right, policy) for block in _blocks(trigrams, left, right)]
    pairs = pd.concat(found, ignore_index=True)
    mirrored = np.isin(pairs["left"], right) & np.isin(pairs["right"], left) & (pairs["left"] >= pairs["right"])
    return pairs[~mirrored].sort_values(["left", "right"], ignore_index=True)


def _score(trigrams: RareTrigrams, left: Positions, right: Positions, policy: Leakage) -> pd.DataFrame:
    common = (trigrams.shared[left] @ trigrams.shared[right].T).tocoo()
    enough = common.data >= MIN_SHARED
    pairs = pd.DataFrame({"left": left[common.row[enough]], "right": right[common.col[enough]]})
    shared = common.data[enough]
    score = shared / (trigrams.sizes[pairs["left"]] + trigrams.sizes[pairs["right"]] - shared)
    return pairs.assign(score=score)[score >= policy.near]


def _blocks(trigrams: RareTrigrams, left: Positions, right: Positions) -> Iterator[Positions]:
    """Row numbers of `left` in blocks that meet a bounded number of candidates on the right."""
    rows_with = np.asarray(trigrams.shared[right].sum(axis=0)).ravel()
    candidates = np.cumsum(trigrams.shared[left] @ rows_with.astype(np.int64))
    edges = np.flatnonzero(np.diff(candidates // MAX_CANDIDATES)) + 1
    yield from np.split(np.arange(len(left)), edges)


def _trigrams(text: str) -> list[str]:
    words = _masked_words(text)
    return [" ".join(words[start : start + 3]) for start in range(len(words) - 2)]


def _masked_words(text: str) -> list[str]:
    return ["0" if any(map(str.isdigit, word)) else word for word in normalised_words(text).split()]


def _most_rows(rows: int, policy: Leakage) -> float:
    return max(MIN_BOILERPLATE_ROWS, policy.max_row_share * rows)
