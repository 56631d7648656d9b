"""From a column of texts to hashed words, piece by piece, side by side."""

import hashlib
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.text import SEPARATORS, normalised_words
from tasks.similarity import workers
from tasks.similarity.arrays import Folding, Int64s, Read, UInt32s
from tasks.similarity.characters import folding, settled_folding

BYTES_A_PIECE = 1_000_000


class Piece(NamedTuple):
    """Some texts, and which rows they are."""

    texts: pa.Array
    rows: slice

    @property
    def most_words(self) -> int:
        """A word and its space take two bytes."""
        offsets = _offsets(self.texts)
        return int(offsets[-1] - offsets[0]) // 2 + len(self.texts)


class Words:
    """The words of all rows, piece by piece, in the order in which they come."""

    def __init__(self, most: int) -> None:
        self._all = np.empty(most, np.uint32)  # memory is taken as far as it is written
        self.end = 0
        self._lock = threading.Lock()

    def add(self, words: UInt32s) -> int:
        """Where they begin."""
        with self._lock:
            first, self.end = self.end, self.end + len(words)
        self._all[first : first + len(words)] = words
        return first

    def all(self, left: UInt32s) -> UInt32s:
        """Every word, those that were left last."""
        self._all.resize(self.end + len(left), refcheck=False)
        self._all[self.end :] = left
        return self._all


def read_all(source: pa.ChunkedArray) -> tuple[UInt32s, Read]:
    """The words of all rows, and what is known of each row. What the tables cannot fold is normalised row by row."""
    rows = Read._make(np.zeros(len(source), kind) for kind in (np.int64, np.int32, np.uint64, np.uint64))
    pieces = list(_pieces(source))
    words = Words(sum(piece.most_words for piece in pieces))
    workers.each(lambda piece: _read(piece, words, rows.part(piece.rows)), pieces)
    left = _read_left(source, rows, words.end)
    _name_wordless(source, rows)
    return words.all(left), rows


def _pieces(source: pa.ChunkedArray) -> Iterator[Piece]:
    row = 0
    for chunk in source.chunks:
        offsets = _offsets(chunk)
        edges = np.searchsorted(offsets, np.arange(offsets[0], offsets[-1] + 1, BYTES_A_PIECE))
        for first, last in pairwise(np.unique([0, *edges[edges < len(chunk)], len(chunk)]).tolist()):
            yield Piece(chunk[first:last], slice(row + first, row + last))
        row += len(chunk)


def _read(piece: Piece, words: Words, rows: Read) -> None:
    """Read a piece. What the tables cannot fold is left with length -1."""
    texts = pc.fill_null(piece.texts, "") if piece.texts.null_count else piece.texts
    ascii_only = pc.all(pc.string_is_ascii(texts)).as_py() is not False
    room = np.empty(piece.most_words, np.uint32)
    size = _run(texts, folding(0x80) if ascii_only else folding(), room, rows)
    rows.start[:] += words.add(room[:size])


def _read_left(source: pa.ChunkedArray, rows: Read, end: int) -> UInt32s:
    """Read the rows that were left, normalised one by one; their words, which begin at `end`."""
    left = np.flatnonzero(rows.length < 0)
    given = source.take(pa.array(left)).to_pylist() if len(left) else []
    texts = [normalised_words(text).translate(SEPARATORS) for text in given]
    again = Read._make(column[left] for column in rows)
    room = np.empty(sum(len(text) + 1 for text in texts), np.uint32)
    size = _run(pa.array(texts, pa.large_string()), settled_folding(), room, again) if texts else 0
    rows.start[left], rows.length[left] = again.start + end, again.length
    rows.words[left], rows.form[left] = again.words, again.form
    return room[:size]


def _name_wordless(source: pa.ChunkedArray, rows: Read) -> None:
    """A text without any word stands for itself."""
    wordless = np.flatnonzero(rows.length == 0)
    given = source.take(pa.array(wordless)).to_pylist() if len(wordless) else []
    digests = [hashlib.blake2b(normalised_words(text or "").encode(), digest_size=8).digest() for text in given]
    rows.words[wordless] = np.frombuffer(b"".join(digests), np.uint64)


def _run(texts: pa.Array, folding: Folding, tokens: UInt32s, rows: Read) -> int:
    from tasks.similarity.reader import read

    return read(np.frombuffer(texts.buffers()[2] or b"", np.uint8), _offsets(texts), folding, tokens, rows)


def _offsets(texts: pa.Array) -> Int64s:
    return np.frombuffer(texts.buffers()[1] or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]
