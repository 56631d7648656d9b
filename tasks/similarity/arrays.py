"""The arrays that compiled code takes, in bundles of few names."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


class Folding(NamedTuple):
    """For each code point what it is and what it folds into; `several` holds how many, and then which.

    `plain` is the same for the letters of ASCII alone, by byte, and 0 for what is none.
    """

    plain: Bytes
    sort: Bytes
    into: Int32s
    several: Int32s


class Read(NamedTuple):
    """What is known of each row once it is read; length -1 where it is left to Python."""

    start: Int64s
    length: Int32s
    words: UInt64s
    form: UInt64s

    def part(self, span: slice) -> "Read":
        """The rows of a span; nothing is copied."""
        return Read(self.start[span], self.length[span], self.words[span], self.form[span])


class Rows(NamedTuple):
    """Rows of hashed words: row r is tokens[start[r] : start[r] + length[r]]."""

    tokens: UInt32s
    start: Int64s
    length: Int32s

    def part(self, span: slice) -> "Rows":
        """The rows of a span; nothing is copied."""
        return Rows(self.tokens, self.start[span], self.length[span])


class Cut(NamedTuple):
    """Which trigrams count: those of `most` rows or fewer. `weight` is in nats, by the rows that have one."""

    counts: UInt32s
    most: int
    weight: Floats


class Index(NamedTuple):
    """Trigrams in order of their hash, a line each, with the first rows that have it.

    A slot is what is left of a hash that is shifted by `shift`, a mark the 32 bits below. A line of `lines`: the mark,
    how many rows are listed, the first of them, and the line of `more` that lists the others. `start` says at which
    line the trigrams of a slot begin, `open` with which three bits the marks of those begin whose lists have room.
    """

    start: Int32s
    shift: np.uint64
    open: Bytes
    lines: Int32s
    more: Int32s


class Sources(NamedTuple):
    """A hash table of rows (-1 where free), with the nats and the number of keys that each shares."""

    row: Int32s
    nats: Floats
    keys: Int32s


class Found(NamedTuple):
    """For each judged row its likeliest sources among the rows of train before `before`, the likeliest first.

    `known` is a row that is the source already, or -1. `trained` is -1 where there are no more sources.
    """

    known: Int32s
    before: Int32s
    trained: Int32s
    shared: Int32s  # rare trigrams
    phrases: Floats  # Jaccard of rare trigrams
    weighted: Floats  # the same, each with its weight
    words: Floats  # Jaccard of the words outside boilerplate; 0 where too little is shared to ask
    evidence: Floats  # weight shared, in nats

    def part(self, span: slice) -> "Found":
        """The rows of a span; nothing is copied."""
        return Found._make(column[span] for column in self)
