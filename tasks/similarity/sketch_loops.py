"""The compiled comparison of sketches."""

import numpy as np

from tasks.similarity.arrays import Cut, Floats64, Int64s, Rows, UInt32s, UInt64s
from tasks.similarity.compiled import compiled
from tasks.similarity.grams import rare, room, sample, scattered

HALF, LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
EMPTY = np.uint32(0xFFFFFFFF)


@compiled
def sketch_rows(rows: Rows, cut: Cut, lines: UInt32s) -> None:
    """The smallest hashes of each row's rare trigrams into its line."""
    grams, seen = room(rows)
    for row in range(len(rows.start)):
        size, _mask = rare(rows, row, cut, grams, seen)
        for at in range(sample(grams[:size], lines.shape[1])):
            lines[row, at] = np.uint32(scattered(grams[at]) >> HALF)


@compiled
def meet(ours: UInt64s, theirs: UInt64s, listed: int, met: UInt64s) -> int:
    """Pairs of rows that share a hash, ours in the upper half: each of ours with the first `listed` of theirs.

    Both sides are hashes with rows, in order. Returns how many pairs there are; one that shares several comes often.
    """
    number, first = 0, 0
    for entry in ours:
        wanted = entry >> HALF
        while first < len(theirs) and theirs[first] >> HALF < wanted:
            first += 1
        place = first
        while place < min(first + listed, len(theirs)) and theirs[place] >> HALF == wanted:
            met[number] = ((entry & LOWER) << HALF) | (theirs[place] & LOWER)
            number += 1
            place += 1
    return number


@compiled
def resemblance(ours: UInt32s, theirs: UInt32s, pairs: tuple[Int64s, Int64s], score: Floats64) -> None:
    """Share of the smallest hashes of both rows together that stand in both (Broder 1997)."""
    size = ours.shape[1]
    for pair in range(len(score)):
        one, other = ours[pairs[0][pair]], theirs[pairs[1][pair]]
        here = there = shared = either = 0
        while max(either, here, there) < size and min(one[here], other[there]) != EMPTY:
            equal = one[here] == other[there]
            ahead = one[here] > other[there]
            here += not ahead
            there += equal or ahead
            shared += equal
            either += 1
        score[pair] = shared / max(either, 1)
