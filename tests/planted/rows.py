"""Rows by the million that have nothing to do with each other, but what everybody says."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tests.planted.language import Chance, Ints, Language
from tests.planted.message import CLOSED, FOOTED, GREETED, LEAST_OWN, lengths

LABELS = 40


def unrelated(language: Language, rows: int, chance: Chance) -> pa.Array:
    """User texts: 20, 54 and 138 words at p5, p50 and p95, some greeted, closed and footed."""
    shared = language.shared
    blocks = ((shared.greetings, GREETED), (shared.closings, CLOSED), (shared.footers, FOOTED))
    (greeting, closing, footer), words = zip(*(_some(*block, rows, chance) for block in blocks), strict=True)
    core = spoken(language, np.maximum(lengths(rows, chance) - sum(words), LEAST_OWN), chance)
    return pc.binary_join_element_wise(greeting, core, closing, footer, " ", null_handling="skip")


def spoken(language: Language, own: Ints, chance: Chance) -> pa.Array:
    """Texts with so many words of their own."""
    words = _pieces(language).take(pa.array(language.spoken(own, chance)))
    offsets = np.concatenate([[0], np.cumsum(own)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), words), " ")


def labels(rows: int, chance: Chance) -> pa.Array:
    """One of LABELS each, some far more often than others."""
    frequency = 1 / np.arange(1, LABELS + 1)
    return _numbered("queue-", chance.choice(LABELS, rows, p=frequency / frequency.sum()))


def customers(side: str, rows: int, of: int, chance: Chance) -> pa.Array:
    """Who wrote: one of `of` customers of that side."""
    return _numbered(f"{side}-customer-", chance.integers(0, of, rows))


def ids(side: str, first: int, rows: int) -> pa.Array:
    """Numbers from `first` on."""
    return _numbered(f"{side}-", np.arange(first, first + rows))


def _numbered(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _some(blocks: tuple[str, ...], share: float, rows: int, chance: Chance) -> tuple[pa.Array, Ints]:
    """For about this share of the rows one of the blocks, for the others null; and the words of it."""
    absent = chance.random(rows) >= share
    picks = chance.integers(0, len(blocks), rows)
    words = np.array([len(block.split()) for block in blocks], np.int32)
    return pa.array(blocks).take(pa.array(picks, mask=absent)), np.where(absent, 0, words[picks]).astype(np.int32)


def _pieces(language: Language) -> pa.Array:
    return pa.array(language.pieces, pa.string())
