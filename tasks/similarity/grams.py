"""Compiled parts of every loop: the trigrams of a row, sets of them, their weight."""

import numpy as np

from tasks.similarity.arrays import Cut, Rows, UInt32s, UInt64s
from tasks.similarity.compiled import compiled

FIRST, SECOND, THIRD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
SPREAD = np.uint64(0xD6E8FEB86659FD93)
HALF, REST = np.uint64(32), np.uint64(29)


@compiled
def trigrams(rows: Rows, row: int, grams: UInt64s) -> int:
    """Hashes of each three words in a row, into `grams`; how many."""
    tokens = rows.tokens[rows.start[row] : rows.start[row] + rows.length[row]]
    size = max(len(tokens) - 2, 0)
    for at in range(size):
        gram = np.uint64(tokens[at]) * FIRST + np.uint64(tokens[at + 1]) * SECOND + np.uint64(tokens[at + 2]) * THIRD
        gram = (gram ^ (gram >> HALF)) * SPREAD
        grams[at] = gram ^ (gram >> REST)
    return size


@compiled
def rare(rows: Rows, row: int, cut: Cut, grams: UInt64s, seen: UInt64s) -> tuple[int, int]:
    """A row's distinct rare trigrams into `grams`, as a set into `seen`; how many, and the set's mask."""
    size = 0
    for gram in grams[: trigrams(rows, row, grams)]:
        grams[size] = gram
        size += cut.counts[counter_of(cut.counts, gram)] <= cut.most
    mask = cleared(seen, size)
    kept = 0
    for gram in grams[:size]:
        grams[kept] = gram
        kept += enter(seen, mask, gram)
    return kept, mask


@compiled
def sample(grams: UInt64s, most: int) -> int:
    """Those that `scattered` puts first, in that order, move to the front where there are more; how many."""
    if len(grams) <= most:
        return len(grams)
    size = 0
    for gram in grams:
        if size < most or scattered(gram) < scattered(grams[size - 1]):
            size = min(size + 1, most)
            place = size - 1
            while place > 0 and scattered(grams[place - 1]) > scattered(gram):
                grams[place] = grams[place - 1]
                place -= 1
            grams[place] = gram
    return size


@compiled
def scattered(gram: np.uint64) -> np.uint64:
    """Another hash, so that those that it puts first have any first bits."""
    return np.uint64(gram * SECOND)


@compiled
def own_words(rows: Rows, row: int, cut: Cut, words: UInt64s, seen: UInt64s) -> tuple[int, int]:
    """A row's distinct words outside boilerplate into `words`, as a set into `seen`; how many, and the set's mask."""
    size = trigrams(rows, row, words)
    mask = cleared(seen, rows.length[row])
    kept, boilerplate_until = 0, -1
    for at in range(rows.length[row]):
        if at < size and cut.counts[counter_of(cut.counts, words[at])] > cut.most:
            boilerplate_until = at + 2
        if at > boilerplate_until:
            words[kept] = (np.uint64(rows.tokens[rows.start[row] + at]) + np.uint64(1)) * FIRST
            kept += enter(seen, mask, words[kept])
    return kept, mask


@compiled
def weight_of(grams: UInt64s, cut: Cut) -> float:
    """In nats, of all together."""
    nats = 0.0
    for gram in grams:
        nats += float(nats_of(cut, gram))
    return nats


@compiled
def nats_of(cut: Cut, gram: np.uint64) -> np.float32:
    """What it says that two rows share it."""
    return np.float32(cut.weight[min(cut.counts[counter_of(cut.counts, gram)], np.uint32(len(cut.weight) - 1))])


@compiled
def counter_of(counts: UInt32s, gram: np.uint64) -> int:
    """Place of its counter. Trigrams may share one."""
    return int(np.int64(gram & np.uint64(len(counts) - 1)))


@compiled
def members(words: UInt64s, seen: UInt64s, mask: int) -> int:
    """How many of the words have been seen."""
    shared = 0
    for word in words:
        shared += seen[place_of(seen, mask, word)] == word
    return shared


@compiled
def shared_nats(grams: UInt64s, cut: Cut, seen: UInt64s, mask: int) -> tuple[int, float]:
    """How many of the trigrams have been seen, and their weight."""
    shared, nats = 0, 0.0
    for gram in grams:
        place = place_of(seen, mask, gram)
        if seen[place] == gram:
            shared += 1
            nats += float(nats_of(cut, gram))
    return shared, nats


@compiled
def room(rows: Rows) -> tuple[UInt64s, UInt64s]:
    """For the trigrams of the longest row, and for a set of them."""
    longest = 1
    for length in rows.length:
        longest = max(longest, length)
    return np.empty(longest, np.uint64), np.empty(power_of_two(2 * longest), np.uint64)


@compiled
def cleared(seen: UInt64s, size: int) -> int:
    """Mask of an empty set with room for so many; 0 marks a free place."""
    mask = power_of_two(2 * size) - 1
    seen[: mask + 1] = 0
    return mask


@compiled
def enter(seen: UInt64s, mask: int, gram: np.uint64) -> bool:
    """Whether the set did not hold it yet."""
    place = place_of(seen, mask, gram)
    new = bool(seen[place] != gram)
    seen[place] = gram
    return new


@compiled
def place_of(seen: UInt64s, mask: int, gram: np.uint64) -> int:
    """Where it stands in the set, or would stand."""
    place = int(np.int64(gram >> HALF)) & mask
    while seen[place] != gram and seen[place] != 0:
        place = (place + 1) & mask
    return place


@compiled
def power_of_two(least: int) -> int:
    """The smallest that is not less; 2 or more."""
    size = 2
    while size < least:
        size *= 2
    return size
