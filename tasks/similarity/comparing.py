"""Compiled: what a judged row and its likeliest sources share."""

from tasks.similarity.arrays import Cut, Found, Rows
from tasks.similarity.compiled import compiled
from tasks.similarity.grams import members, own_words, rare, room, shared_nats, weight_of

# Words are compared only where phrases hint at a copy: single words are shared by chance.
MIN_PHRASES, MIN_NATS, MIN_OWN_WORDS = 3, 7.0, 7


@compiled
def compare_phrases(judged: Rows, trained: Rows, cut: Cut, found: Found) -> None:
    """Measure what each judged row and its sources share of their rare trigrams."""
    mine, my_seen = room(judged)
    theirs, their_seen = room(trained)
    for row in range(len(judged.start)):
        size, mask = rare(judged, row, cut, mine, my_seen)
        total = weight_of(mine[:size], cut)
        for rank in range(found.trained.shape[1]):
            if found.trained[row, rank] >= 0:
                other, _mask = rare(trained, found.trained[row, rank], cut, theirs, their_seen)
                shared, evidence = shared_nats(theirs[:other], cut, my_seen, mask)
                found.shared[row, rank], found.evidence[row, rank] = shared, evidence
                if shared >= MIN_PHRASES:
                    either = total + weight_of(theirs[:other], cut) - evidence
                    found.phrases[row, rank] = shared / (size + other - shared)
                    found.weighted[row, rank] = evidence / either if either > 0 else 0


@compiled
def compare_words(judged: Rows, trained: Rows, cut: Cut, found: Found) -> None:
    """Measure what they share of their words outside boilerplate, where their trigrams say that it is worth it."""
    mine, my_seen = room(judged)
    theirs, their_seen = room(trained)
    for row in range(len(judged.start)):
        size = mask = -1
        for rank in range(found.trained.shape[1]):
            if found.shared[row, rank] >= MIN_PHRASES and found.evidence[row, rank] >= MIN_NATS:
                if size < 0:
                    size, mask = own_words(judged, row, cut, mine, my_seen)
                other, _mask = own_words(trained, found.trained[row, rank], cut, theirs, their_seen)
                if min(size, other) >= MIN_OWN_WORDS:
                    shared = members(theirs[:other], my_seen, mask)
                    found.words[row, rank] = shared / (size + other - shared)
