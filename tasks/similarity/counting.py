"""Compiled: in how many rows each trigram stands."""

import numpy as np

from tasks.similarity.arrays import Bytes, Cut, Int64s, Rows, UInt32s, UInt64s
from tasks.similarity.compiled import compiled
from tasks.similarity.grams import cleared, counter_of, enter, room, trigrams


@compiled
def count_rows(rows: Rows, form: UInt64s, share: tuple[int, int], counts: UInt32s) -> None:
    """Add the rows with each trigram, and with each form, to the counters of this share of them."""
    grams, seen = room(rows)
    for row in range(len(rows.start)):
        size = 0
        for gram in grams[: trigrams(rows, row, grams)]:
            counter = counter_of(counts, gram)
            grams[size] = gram
            size += int(counter >= share[0]) & int(counter < share[1])
        mask = cleared(seen, size)
        for gram in grams[:size]:
            if enter(seen, mask, gram):
                counts[counter_of(counts, gram)] += np.uint32(1)
        counter = counter_of(counts, form[row])
        if form[row] != 0 and share[0] <= counter < share[1]:
            counts[counter] += np.uint32(1)


@compiled
def boilerplate_runs(rows: Rows, cut: Cut, told: Bytes, runs: Int64s) -> int:
    """Runs of trigrams that are boilerplate, no trigram in two of them: row, first word, behind the last word, rows.

    A run goes on while the next trigram stands in about as many rows. Returns how many runs there are.
    """
    grams, _seen = room(rows)
    number = 0
    for row in range(len(rows.start)):
        size = trigrams(rows, row, grams)
        at = 0
        while at < size and number < len(runs):
            begin, fewest = at, cut.counts[counter_of(cut.counts, grams[at])]
            while at < size and _goes_on(cut, told, grams[at], fewest):
                told[counter_of(cut.counts, grams[at])] = 1
                fewest = min(fewest, cut.counts[counter_of(cut.counts, grams[at])])
                at += 1
            if at > begin:
                runs[number, 0], runs[number, 1], runs[number, 2], runs[number, 3] = row, begin, at + 2, fewest
                number += 1
            at += at == begin
    return number


@compiled
def _goes_on(cut: Cut, told: Bytes, gram: np.uint64, fewest: int) -> bool:
    counter = counter_of(cut.counts, gram)
    rows = cut.counts[counter]
    return rows > cut.most and not told[counter] and fewest <= 2 * rows and rows <= 2 * fewest
