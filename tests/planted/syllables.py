"""A vocabulary that shares no word with English: syllables, frequencies after Zipf. Held out from all tuning."""

from functools import lru_cache

import numpy as np

from tests.planted.language import Chain, Chance, Ints, Language, made_names, number_words, shared_blocks, texts

INITIALS = "kv zh tsk vr shk dzh kz mj ghy zv".split()
VOWELS = "a ae i o oi u ya".split()
WORDS, CORPUS = 12_000, 400_000
FAVOURITES = 12  # words that like to follow a word
INTENTS, KEYWORDS = 60, 6


@lru_cache(maxsize=1)
def syllables() -> Language:
    """The language that only reports are made with."""
    chance = np.random.default_rng(12)
    words = _words()
    vocabulary, corpus = number_words(words[rank] for rank in _corpus(chance))
    chain = Chain(corpus, len(vocabulary))
    return Language(
        name="syllables",
        chain=chain,
        vocabulary=vocabulary,
        names=made_names([initial + vowel for initial in INITIALS[::-1] for vowel in "eou"], 5000, chance),
        synonyms=_synonyms(vocabulary),
        intents=tuple(_intent(vocabulary, chain, chance) for _ in range(INTENTS)),
        shared=shared_blocks(vocabulary, chain, chance),
    )


def _words() -> list[str]:
    """Short words first, as the frequent ones are short."""
    syllable = [initial + vowel for initial in INITIALS for vowel in VOWELS]
    longer = [first + second for first in syllable for second in syllable]
    longest = [first + last for first in longer[::3] for last in syllable[::9]]
    return [*syllable, *longer, *longest][:WORDS]


def _corpus(chance: Chance) -> Ints:
    """Ranks of words: half drawn by frequency, half one of the words that like to follow the one before."""
    frequency = 1 / (np.arange(WORDS) + 2.7)  # Zipf-Mandelbrot
    steps = np.cumsum(frequency / frequency.sum())
    favourites = np.searchsorted(steps, chance.random((WORDS, FAVOURITES)))
    threads = CORPUS // 400
    columns = [np.searchsorted(steps, chance.random(threads))]
    for _ in range(399):
        liked = favourites[columns[-1], (FAVOURITES * chance.random(threads) ** 2).astype(np.int64)]
        free = np.searchsorted(steps, chance.random(threads))
        columns.append(np.where(chance.random(threads) < 0.5, liked, free))
    return np.column_stack(columns).ravel().clip(0, WORDS - 1).astype(np.int32)


def _synonyms(vocabulary: tuple[str, ...]) -> dict[str, str]:
    """Two of three words have one: the word of the next but two ranks."""
    return {word: vocabulary[at - 2] for at, word in enumerate(vocabulary) if at % 3}


def _intent(vocabulary: tuple[str, ...], chain: Chain, chance: Chance) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sayings that have the keywords of an intent in common, never two of them side by side."""
    keywords = [vocabulary[word] for word in chance.integers(500, 5000, KEYWORDS)]

    def say(block: list[str]) -> str:
        for slot, keyword in zip(range(0, len(block), 3), chance.permutation(keywords), strict=False):
            block[slot] = str(keyword)
        return f"{' '.join(block).capitalize()}."

    said = [say(block) for block in texts(vocabulary, chain, [18] * 24, chance)]
    return tuple(said[:12]), tuple(said[12:])
