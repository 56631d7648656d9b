"""From a column of texts to hashed words, piece by piece, side by side."""

import hashlib
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

BYTES_A_PIECE = 4_000_000


class Piece(NamedTuple):
    """Some texts, which rows they are, and the room for their words."""

    texts: pa.Array
    rows: slice
    room: slice


def read_all(source: pa.ChunkedArray) -> tuple[UInt32s, Read]:
    """The words of all rows, and what is known of each row."""
    rows = Read._make(np.zeros(len(source), kind) for kind in (np.int64, np.int32, np.uint64, np.uint64))
    pieces = list(_pieces(source))
    tokens = Together(sum(map(_most_words, pieces)))
    workers.each(lambda piece: _read(piece, tokens, rows), pieces)
    _read_left(source, tokens, rows)
    _name_wordless(source, rows)
    return tokens.all(), rows


def _pieces(source: pa.ChunkedArray) -> Iterator[Piece]:
    row = room = 0
    for chunk in source.chunks:
        offsets = _offsets(chunk)
        edges = np.searchsorted(offsets, np.arange(offsets[0], offsets[-1] + 1, BYTES_A_PIECE))
        for first, last in pairwise(np.unique([0, *edges[edges < len(chunk)], len(chunk)]).tolist()):
            words = int(offsets[last] - offsets[first]) // 2 + last - first  # a word and its space take two bytes
            yield Piece(chunk[first:last], slice(row, row + last - first), slice(room, room + words))
            row, room = row + last - first, room + words


def _read(piece: Piece, tokens: UInt32s, rows: Read) -> int:
    """Read a piece into its room; how many words. What the tables cannot fold is left with length -1."""
    texts = pc.fill_null(piece.texts, "") if piece.texts.null_count else piece.texts
    ascii_only = pc.all(pc.string_is_ascii(texts)).as_py() is not False
    return _run(texts, folding(0x80) if ascii_only else folding(), tokens, rows)


def _close_gaps(tokens: UInt32s, rows: Read, pieces: list[Piece], sizes: list[int]) -> int:
    """Move the words of all pieces together; how many they are."""
    end = 0
    for piece, size in zip(pieces, sizes, strict=True):
        tokens[end : end + size] = tokens[piece.room.start : piece.room.start + size]
        rows.start[piece.rows] += end
        end += size
    return end


def _read_left(source: pa.ChunkedArray, rows: Read, end: int) -> UInt32s:
    """Read the rows that were left, normalised one by one; their words, which begin at `end`."""
    left = np.flatnonzero(rows.length < 0)
    given = source.take(pa.array(left)).to_pylist() if len(left) else []
    texts = pa.array([normalised_words(text).translate(SEPARATORS) for text in given], pa.large_string())
    tokens = np.empty(sum(len(text) + 1 for text in texts.to_pylist()), np.uint32)
    again = Read._make(column[left] for column in rows)
    size = _run(texts, settled_folding(), tokens, again) if given else 0
    rows.start[left], rows.length[left] = again.start + end, again.length
    rows.words[left], rows.form[left] = again.words, again.form
    return tokens[:size]


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
