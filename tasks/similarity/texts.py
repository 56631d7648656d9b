"""Texts, read once for every comparison."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_contracts.text import normalised_words
from tasks.similarity.arrays import Int32s, Int64s, Rows, UInt32s, UInt64s
from tasks.similarity.characters import unspaced
from tasks.similarity.reading import read_all


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
        tokens, rows = read_all(source)
        return cls(tokens, rows.start, rows.length, rows.words, rows.form, source, np.arange(len(source)))

    def __len__(self) -> int:
        return len(self.length)

    def take(self, positions: npt.ArrayLike | slice) -> "Texts":
        """Some of the texts, in this order. Words and source stay where they are: only row numbers are copied."""
        at = positions if isinstance(positions, slice) else np.asarray(positions)
        if not isinstance(at, slice) and not at.size:
            at = at.astype(np.int64)  # NumPy takes an empty list for numbers with a fraction
        return replace(
            self,
            start=self.start[at],
            length=self.length[at],
            words=self.words[at],
            form=self.form[at],
            position=self.position[at],
        )

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
