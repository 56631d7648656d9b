"""Texts, read once for every comparison."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.text import normalised_words
from tasks.similarity import workers
from tasks.similarity.arrays import Folding, Int32s, Int64s, Read, Rows, UInt32s, UInt64s
from tasks.similarity.characters import folding, settled_folding, unspaced

BYTES_A_PIECE = 4_000_000


@dataclass(frozen=True)
class Texts:
    """Texts as hashed words. What two rows have in common is all that is asked of them."""

    tokens: UInt32s  # every word of all rows, each number the same one
    start: Int64s
    length: Int32s  # words a row; a run of numbers is one word
    words: UInt64s  # hash of each row's words: case, space, punctuation and Unicode form folded away
    form: UInt64s  # the same with every number masked; 0 where the form has too few words to say anything
    source: pa.ChunkedArray
    position: Int64s  # of each row in the source

    @classmethod
    def of(cls, texts: Sequence[str] | pa.Array | pa.ChunkedArray) -> "Texts":
        """Read texts; a missing one is empty."""
        source = _column(texts)
        found = workers.each(_read, _pieces(source)) or [_read(pa.array([], pa.large_string()))]
        tokens, rows = zip(*found, strict=True)
        first = np.cumsum([0, *map(len, tokens)])
        start = [part.start + before for part, before in zip(rows, first, strict=False)]
        rest = (np.concatenate([getattr(part, name) for part in rows]) for name in ("length", "words", "form"))
        return cls(np.concatenate(tokens), np.concatenate(start), *rest, source, np.arange(len(source)))

    def __len__(self) -> int:
        return len(self.length)

    def take(self, positions: npt.ArrayLike | slice) -> "Texts":
        """Some of the texts, in this order. Words and source stay where they are: only row numbers are copied."""
        at = positions if isinstance(positions, slice) else np.asarray(positions)
        rows = (column[at] for column in (self.start, self.length, self.words, self.form))
        return Texts(self.tokens, *rows, self.source, self.position[at])

    def text(self, row: int) -> str:
        """As it was given."""
        return self.source[int(self.position[row])].as_py() or ""

    @property
    def rows(self) -> Rows:
        """For compiled code."""
        return Rows(self.tokens, self.start, self.length)


def spoken(text: str) -> list[str]:
    """The words that a row is compared by, as text: those of `normalised_words`, a run of numbers as one "0"."""
    found: list[str] = []
    for word in _separate(normalised_words(text)).split():
        masked = "0" if any(map(str.isdigit, word)) else word
        if masked != "0" or found[-1:] != ["0"]:
            found.append(masked)
    return found


def _separate(words: str) -> str:
    """Letters of languages without spaces as words of their own."""
    if words.isascii():
        return words
    return "".join(f" {letter} " if unspaced(letter) and not letter.isdigit() else letter for letter in words)


def _column(texts: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(texts, pa.ChunkedArray):
        return texts.cast(pa.large_string())
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    return pa.chunked_array([column.cast(pa.large_string())])


def _pieces(source: pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in source.chunks:
        offsets = _offsets(chunk)
        edges = np.searchsorted(offsets, np.arange(offsets[0], offsets[-1] + 1, BYTES_A_PIECE))
        edges = np.unique([0, *edges[edges < len(chunk)], len(chunk)])
        yield from (chunk[first:last] for first, last in zip(edges, edges[1:], strict=False))


def _read(piece: pa.Array) -> tuple[UInt32s, Read]:
    """Tokens and rows of a piece. What the tables cannot fold is normalised row by row, and read again."""
    texts = pc.fill_null(piece, "") if piece.null_count else piece
    ascii_only = pc.all(pc.string_is_ascii(texts)).as_py() is not False
    tokens, rows = _tokens(texts, folding(0x80) if ascii_only else folding())
    left = np.flatnonzero(rows.length < 0)
    if len(left):
        settled = pa.array(map(normalised_words, texts.take(pa.array(left)).to_pylist()), pa.large_string())
        more, again = _tokens(settled, settled_folding())
        for column, late in zip(rows, again._replace(start=again.start + len(tokens)), strict=True):
            column[left] = late
        tokens = np.concatenate([tokens, more])
    wordless = np.flatnonzero(rows.length == 0)
    rows.words[wordless] = [_hash(text) for text in texts.take(pa.array(wordless)).to_pylist()]
    return tokens, rows


def _tokens(texts: pa.Array, folding: Folding) -> tuple[UInt32s, Read]:
    from tasks.similarity.reader import read

    offsets, size = _offsets(texts), len(texts)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    tokens = np.empty(int(offsets[-1] - offsets[0]) // 2 + size, np.uint32)  # a word and its space take two bytes
    kinds = (np.int64, np.int32, np.uint64, np.uint64)
    rows = Read(*(np.zeros(size, kind) for kind in kinds))
    return tokens[: read(data, offsets, folding, tokens, rows)].copy(), rows


def _offsets(texts: pa.Array) -> Int64s:
    return np.frombuffer(texts.buffers()[1] or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]


def _hash(text: str) -> int:
    """A text without any word stands for itself."""
    return int.from_bytes(hashlib.blake2b(normalised_words(text).encode(), digest_size=8).digest())
