"""The likeliest sources of rows: index their rare trigrams, list train under them, compare the rows listed most."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from tasks.similarity import workers
from tasks.similarity.arrays import Cut, Found, Index, Int32s, UInt64s
from tasks.similarity.texts import Texts

# Rows noted under a trigram: the first in train. Most have few, so that five stand beside their number in half a cache
# line, and the others in a line that takes memory once it is written. 31 find 99.8 % of the sources of texts with three
# words edited at a million rows, 15 find 98.9 %.
LISTED, LISTED_MORE = 5, 26
KEYS_A_ROW = 24  # trigrams that a row is looked for by, of longer texts a sample
COMPARED = 4  # likeliest sources that a row is compared with
KEYS_AT_ONCE = 2**24  # trigrams indexed for one pass over train, some 800 MB where no two rows share one


def search(judged: Texts, trained: Texts, cut: Cut, known: Int32s, compared: int = COMPARED) -> Found:
    """Each judged row compared with its likeliest rows of train; where its source is `known`, with that one."""
    found = _nothing_found(known, np.full(len(judged), len(trained), np.int32), compared)
    _fill(found, judged, trained, cut, KEYS_A_ROW)
    return found


def search_within(texts: Texts, cut: Cut, known: Int32s, keys_a_row: int) -> Found:
    """Each row compared with its likeliest rows before it."""
    found = _nothing_found(known, np.arange(len(texts), dtype=np.int32), COMPARED)
    _fill(found, texts, texts, cut, keys_a_row)
    return found


def first_with(keys: UInt64s, wanted: UInt64s) -> Int32s:
    """Position of the first row whose key is the wanted one, -1 where there is none."""
    among = np.flatnonzero(pd.Index(keys).isin(wanted))
    values, first = np.unique(keys[among], return_index=True)
    place = np.searchsorted(values, wanted).clip(max=max(len(values) - 1, 0))
    return np.where(np.isin(wanted, values), np.append(among[first], -1)[place], -1).astype(np.int32)


def _nothing_found(known: Int32s, before: Int32s, compared: int) -> Found:
    shape = (len(known), compared)
    measures = (np.zeros(shape, np.float32) for _measure in range(4))
    return Found(known, before, np.full(shape, -1, np.int32), np.zeros(shape, np.int32), *measures)


def _fill(found: Found, judged: Texts, trained: Texts, cut: Cut, keys_a_row: int) -> None:
    """Judged rows are searched in blocks. A row's result depends on itself, the counts and train alone."""
    sizes = np.clip(judged.length - 2, 0, keys_a_row)
    for block in _blocks(sizes):
        part = judged.take(block)
        index = _index(_rare_keys(part, int(sizes[block].sum()), cut, keys_a_row))
        _list(trained, index)
        _choose(found.part(block), part, cut, keys_a_row, index)
        _compare(found.part(block), part, trained, cut)


def _blocks(sizes: Int32s) -> Iterator[slice]:
    """Rows with so many trigrams together as are indexed at once."""
    passes = np.cumsum(sizes, dtype=np.int64) // KEYS_AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(passes)) + 1).tolist(), len(sizes)]
    return (slice(first, last) for first, last in pairwise(edges))


def _rare_keys(texts: Texts, most: int, cut: Cut, keys_a_row: int) -> UInt64s:
    """The trigrams that the rows are looked for by, each once, in order."""
    from tasks.similarity.listing import distinct, rare_keys

    def of_share(share: tuple[int, int]) -> UInt64s:
        keys = np.empty(most, np.uint64)  # memory is taken as far as it is written
        keys = keys[: rare_keys(texts.rows, cut, keys_a_row, share, keys)]
        keys.sort()
        return keys[: distinct(keys)]

    return np.concatenate(workers.each(of_share, workers.shares(2**16)))


def _index(keys: UInt64s) -> Index:
    from tasks.similarity.listing import fill

    bits = max(1, len(keys).bit_length())
    lines = np.zeros((len(keys), LISTED + 3), np.int32), np.empty((len(keys), LISTED_MORE), np.int32)
    index = Index(np.zeros(2**bits + 1, np.int32), np.uint64(64 - bits), np.zeros(2**bits, np.uint8), *lines)
    fill(index, keys)
    return index


def _list(trained: Texts, index: Index) -> None:
    from tasks.similarity.listing import list_rows

    workers.each(lambda share: list_rows(trained.rows, share, index), workers.shares(len(index.start) - 1))


def _choose(found: Found, judged: Texts, cut: Cut, keys_a_row: int, index: Index) -> None:
    from tasks.similarity.listing import choose

    def choose_some(span: slice) -> None:
        choose(judged.rows.part(span), cut, keys_a_row, index, found.part(span))

    workers.each(choose_some, workers.pieces(len(judged)))


def _compare(found: Found, judged: Texts, trained: Texts, cut: Cut) -> None:
    from tasks.similarity.comparing import compare_phrases, compare_words

    def compare(span: slice) -> None:
        part, rows = found.part(span), judged.rows.part(span)
        compare_phrases(rows, trained.rows, cut, part)
        compare_words(rows, trained.rows, cut, part)

    workers.each(compare, workers.pieces(len(judged)))
