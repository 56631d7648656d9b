"""Compiled: in how many rows each trigram stands."""


HEAD


@compiled
def count_rows(rows: Rows, form: UInt64s, share: tuple[int, int], counts: UInt32s) -> None:
    """Add the rows with each trigram, and with each form, to the counters of this share of them."""
    grams, seen = room(rows)
    for row in range(len(rows.start)):
        size = trigrams(rows, row, grams)
        mask = cleared(seen, size)
        for gram in grams[:size]:
            counter = counter_of(counts, gram)
            if share[0] <= counter < share[1] and enter(seen, mask, gram):
                counts[counter] += np.uint32(1)
        counter = counter_of(counts, form[row])
        if form[row] != 0 and share[0] <= counter < share[1]:
            counts[counter] += np.uint32(1)
