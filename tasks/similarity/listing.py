"""Compiled: the first rows of train under each trigram of the judged rows, and so their likeliest sources."""

import numpy as np

from tasks.similarity.arrays import Cut, Floats, Found, Index, Int32s, Int64s, Rows, Sources, UInt64s
from tasks.similarity.compiled import compiled
from tasks.similarity.grams import FIRST, HALF, cleared, enter, nats_of, power_of_two, rare, room, sample, trigrams

LISTED = np.float32(0.25)  # nats that a shared trigram counts on top, so that it counts however common it is
BELOW, FIRST_BITS = np.uint64(32), np.uint32(29)
SHARED = np.uint64(48)  # keys are shared out by the bits above
MIN_KEYS = 2  # one shared phrase is no reason to look closer


@compiled
def rare_keys(rows: Rows, cut: Cut, keys_a_row: int, share: tuple[int, int], keys: UInt64s) -> int:
    """The rows' rare trigrams, at most so many a row, those whose first 16 bits are in the share; how many."""
    grams, seen = room(rows)
    number = 0
    for row in range(len(rows.start)):
        size, _mask = rare(rows, row, cut, grams, seen)
        for gram in grams[: sample(grams[:size], keys_a_row)]:
            if share[0] <= np.int64(gram >> SHARED) < share[1]:
                keys[number] = gram
                number += 1
    return number


@compiled
def distinct(keys: UInt64s) -> int:
    """One of each key moves to the front of the keys, which are in order; how many."""
    size = 0
    for key in keys:
        keys[size] = key
        size += int(size == 0 or key != keys[size - 1])
    return size


@compiled
def fill(index: Index, keys: UInt64s) -> None:
    """Enter the keys, which are in order, into an empty index."""
    for line in range(len(keys)):
        slot, mark = np.int64(keys[line] >> index.shift), _mark(index, keys[line])
        index.start[slot + 1] += 1
        index.open[slot] |= np.uint8(1) << np.uint8(mark >> FIRST_BITS)
        index.lines[line, 0] = np.int32(mark)
    for place in range(1, len(index.start)):
        index.start[place] += index.start[place - 1]


@compiled
def list_rows(rows: Rows, share: tuple[int, int], index: Index) -> None:
    """Enter each row in the lists of its trigrams, those of this share of the slots, until a list is full."""
    grams, seen = room(rows)
    keys = np.empty(len(grams), np.int64)
    _here, most = _capacity(index)
    next_line = index.start[share[0]]  # a share goes on in lines of its own
    for row in range(len(rows.start)):
        size = _wanted(grams[: trigrams(rows, row, grams)], share, index)
        size = _keys_of(grams[:size], index, keys)
        mask = cleared(seen, size)
        for at in range(size):
            if index.lines[keys[at], 1] < most and enter(seen, mask, grams[at]):
                next_line += _note(index, keys[at], row, next_line)
                if index.lines[keys[at], 1] == most:
                    _open(index, int(np.int64(grams[at] >> index.shift)))


@compiled
def _note(index: Index, key: int, row: int, next_line: int) -> int:
    """Enter a row in a list, which goes on in the next line where its own is full; how many lines that takes."""
    here, _most = _capacity(index)
    line = index.lines[key]
    goes_on = line[1] == here
    if goes_on:
        line[-1] = next_line
    if line[1] < here:
        line[2 + line[1]] = row
    else:
        index.more[line[-1], line[1] - here] = row
    line[1] += 1
    return int(goes_on)


@compiled
def choose(judged: Rows, cut: Cut, keys_a_row: int, index: Index, found: Found) -> None:
    """The likeliest sources of each judged row: of the rows listed under its trigrams those that share most."""
    grams, seen = room(judged)
    keys, nats = np.empty(len(grams), np.int64), np.empty(len(grams), np.float32)
    places = power_of_two(2 * len(grams) * _capacity(index)[1])
    sources = Sources(np.empty(places, np.int32), np.empty(places, np.float32), np.empty(places, np.int32))
    for row in range(len(judged.start)):
        if found.known[row] >= 0:
            found.trained[row, 0] = found.known[row]
        else:
            size, _mask = rare(judged, row, cut, grams, seen)
            size = _keys_of(grams[: sample(grams[:size], keys_a_row)], index, keys)
            for at in range(size):
                nats[at] = nats_of(cut, grams[at]) + LISTED
            likely = _gather(keys[:size], nats, index, found.before[row], sources)
            _keep_best(likely, found.trained[row], found.evidence[row])


@compiled
def _gather(keys: Int64s, nats: Floats, index: Index, before: int, room_for_all: Sources) -> Sources:
    """Add up the nats that each row listed under a key shares.

    A full list names a few of many rows: it is asked only where most phrases of a row are so common.
    """
    most = _capacity(index)[1]
    full = listed = 0
    for key in keys:
        full += index.lines[key, 1] == most
        listed += index.lines[key, 1]
    places = power_of_two(2 * listed)
    sources = Sources(room_for_all.row[:places], room_for_all.nats[:places], room_for_all.keys[:places])
    sources.row[:] = -1
    for at in range(len(keys)):
        if index.lines[keys[at], 1] < most or 2 * full > len(keys):
            _add(index, keys[at], before, nats[at], sources)
    return sources


@compiled
def _add(index: Index, key: int, before: int, nats: np.float32, sources: Sources) -> None:
    """Enter the rows of one list, as far as they stand before `before`."""
    here, mask = _capacity(index)[0], len(sources.row) - 1
    line = index.lines[key]
    for at in range(line[1]):
        row = line[2 + at] if at < here else index.more[line[-1], at - here]
        if row >= before:
            break
        place = np.int64(np.uint64(row) * FIRST >> HALF) & mask
        while sources.row[place] != row and sources.row[place] >= 0:
            place = (place + 1) & mask
        if sources.row[place] < 0:
            sources.row[place], sources.nats[place], sources.keys[place] = row, 0, 0
        sources.nats[place] += nats
        sources.keys[place] += 1


@compiled
def _keep_best(sources: Sources, chosen: Int32s, nats: Floats) -> None:
    """The rows that share most, in order; of two that share as much, the earlier one."""
    for place in range(len(sources.row)):
        row, shared = sources.row[place], sources.nats[place]
        if row < 0 or sources.keys[place] < MIN_KEYS:
            continue
        rank = len(chosen)
        while rank > 0 and (
            chosen[rank - 1] < 0 or shared > nats[rank - 1] or (shared == nats[rank - 1] and row < chosen[rank - 1])
        ):
            rank -= 1
            if rank + 1 < len(chosen):
                chosen[rank + 1], nats[rank + 1] = chosen[rank], nats[rank]
            chosen[rank], nats[rank] = row, shared


@compiled
def _keys_of(grams: UInt64s, index: Index, keys: Int64s) -> int:
    """Lines of the trigrams that are keys, which move to the front; how many.

    Step by step for all of them, so that the processor waits for memory once a step and not once a trigram.
    """
    for at in range(len(grams)):
        keys[at] = index.start[np.int64(grams[at] >> index.shift)]
    size = 0
    for at in range(len(grams)):
        gram, key = grams[at], int(keys[at])
        behind = index.start[np.int64(gram >> index.shift) + 1]
        while key < behind and np.uint32(index.lines[key, 0]) != _mark(index, gram):
            key += 1
        grams[size], keys[size] = gram, key
        size += key < behind
    return size


@compiled
def _wanted(grams: UInt64s, share: tuple[int, int], index: Index) -> int:
    """Those of the share whose lists may have room move to the front; how many. No branch can be guessed wrong."""
    size = 0
    for gram in grams:
        slot = np.int64(gram >> index.shift)
        grams[size] = gram
        size += int(slot >= share[0]) & int(slot < share[1])
    wanted = 0
    for gram in grams[:size]:
        grams[wanted] = gram
        wanted += (index.open[np.int64(gram >> index.shift)] >> (_mark(index, gram) >> FIRST_BITS)) & 1
    return wanted


@compiled
def _open(index: Index, slot: int) -> None:
    """Note which lists of a slot have room."""
    marks = 0
    for line in index.lines[index.start[slot] : index.start[slot + 1]]:
        if line[1] < _capacity(index)[1]:
            marks |= 1 << int(np.int64(np.uint32(line[0]) >> FIRST_BITS))
    index.open[slot] = marks


@compiled
def _mark(index: Index, gram: np.uint64) -> np.uint32:
    return np.uint32(gram >> (index.shift - BELOW))


@compiled
def _capacity(index: Index) -> tuple[int, int]:
    """Rows that a line lists, and that line and its other one list together."""
    here = index.lines.shape[1] - 3
    return here, here + index.more.shape[1]
