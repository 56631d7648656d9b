"""What texts are made of: a vocabulary, chains of words with natural frequencies, and what unrelated texts share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Chance = np.random.Generator

FORMS = 6  # a word stands plain, before a comma or at the end of a sentence; each in lower case or with a capital
COMMA, STOP, CAPITAL = 1, 2, 3
CLAUSE_ENDS = 0.12  # share of words that end a clause; half of those end the sentence
NEW_SUBJECT = 0.12  # share of words drawn by frequency alone, whatever stands before them
ENTITIES = 0.04  # share of words that are a name or a number, half of each


@dataclass(frozen=True)
class Chain:
    """Word after word as in a corpus: each successor as often as it follows there (bigrams, backed off to words)."""

    corpus: Ints
    words: int

    @cached_property
    def _successors(self) -> tuple[Ints, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """What follows each word, word by word; where each word's part starts; how long it is."""
        order = np.argsort(self.corpus, kind="stable")
        counts = np.bincount(self.corpus, minlength=self.words)
        return np.roll(self.corpus, -1)[order], np.cumsum(counts) - counts, counts

    def draw(self, lengths: Ints, chance: Chance) -> Ints:
        """Words of texts with these lengths, one text after the other."""
        following, start, count = self._successors
        starts = np.cumsum(lengths) - lengths
        longest_first = np.argsort(-lengths, kind="stable")
        offsets, falling = starts[longest_first], lengths[longest_first]
        drawn = np.empty(int(lengths.sum()), np.int32)
        word = chance.choice(self.corpus, len(lengths))
        for step in range(int(lengths.max(initial=0))):
            still = int(np.searchsorted(-falling, -step))  # texts longer than `step`
            word = word[:still]
            pick = chance.random(still)
            fresh = self.corpus[(pick * (len(self.corpus) / NEW_SUBJECT) % len(self.corpus)).astype(np.int64)]
            follows = following[start[word] + (chance.random(still) * count[word]).astype(np.int64)]
            word = np.where(pick < NEW_SUBJECT, fresh, follows)
            drawn[offsets[:still] + step] = word
        return drawn


@dataclass(frozen=True)
class Shared:
    """What unrelated texts have in common: no leak by itself."""

    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    footers: tuple[str, ...]
    form: tuple[str, ...]
    templates: tuple[tuple[str, ...], ...]  # whose words in CAPITALS differ from text to text


@dataclass(frozen=True)
class Language:
    """Texts of one kind of words. `intents`: per intent what is said in train, and in other words in test."""

    name: str
    chain: Chain
    vocabulary: tuple[str, ...]
    names: tuple[str, ...]
    synonyms: dict[str, str]
    intents: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    shared: Shared

    @cached_property
    def pieces(self) -> npt.NDArray[np.object_]:
        """Each word in its FORMS, then names and numbers in theirs."""
        numbers = [str(number) for number in range(100, 5100)]
        plain = [*self.vocabulary, *self.names, *numbers]
        return np.array([form for word in plain for form in forms(word)], object)

    def spoken(self, lengths: Ints, chance: Chance) -> npt.NDArray[np.int64]:
        """Positions in `pieces` of texts with these lengths: words, some entities, punctuated in sentences."""
        words = self.chain.draw(lengths, chance).astype(np.int64)
        extra = len(self.names) + 5000
        entities = np.flatnonzero(chance.random(len(words)) < ENTITIES)
        half = np.where(chance.random(len(entities)) < 0.5, len(self.names) / extra, 1.0)
        place = half - chance.random(len(entities)) * np.where(half < 1, half, 5000 / extra)
        words[entities] = len(self.vocabulary) + (place * extra).astype(np.int64).clip(0, extra - 1)
        return words * FORMS + punctuation(lengths, chance)


def forms(word: str) -> tuple[str, ...]:
    """The word in its FORMS."""
    capital = word[:1].upper() + word[1:]
    return (word, f"{word},", f"{word}.", capital, f"{capital},", f"{capital}.")


def punctuation(lengths: Ints, chance: Chance) -> npt.NDArray[np.int64]:
    """The form of each word of texts with these lengths, each text ending with a full stop."""
    draw = chance.random(int(lengths.sum()))
    marks = np.where(draw < CLAUSE_ENDS / 2, STOP, np.where(draw < CLAUSE_ENDS, COMMA, 0))
    marks[np.cumsum(lengths) - 1] = STOP
    forms_of_words: npt.NDArray[np.int64] = marks + CAPITAL * np.roll(marks == STOP, 1)
    return forms_of_words


def made_names(syllables: Sequence[str], number: int, chance: Chance) -> tuple[str, ...]:
    """Distinct names of two or three syllables; one in twenty carries an accent."""
    picks = chance.integers(0, len(syllables), (number * 2, 3))
    made = dict.fromkeys("".join(syllables[at] for at in pick[: 2 + pick[0] % 2]).title() for pick in picks)
    plain = list(made)[:number]
    return tuple(accented(name) if at % 20 == 0 else name for at, name in enumerate(plain))


def accented(name: str) -> str:
    """With its first a, e, i, o or u accented."""
    for plain, accent in zip("aeiou", "áéíöü", strict=True):
        if plain in name:
            return name.replace(plain, accent, 1)
    return f"{name}é"


def number_words(corpus: Iterable[str]) -> tuple[tuple[str, ...], Ints]:
    """The vocabulary of a corpus, and its words as positions in that."""
    numbers: dict[str, int] = {}
    places = np.fromiter((numbers.setdefault(word, len(numbers)) for word in corpus), np.int32)
    return tuple(numbers), places


def texts(language_words: Sequence[str], chain: Chain, lengths: Sequence[int], chance: Chance) -> list[list[str]]:
    """Plain words of texts with these lengths."""
    words = chain.draw(np.array(lengths, np.int32), chance)
    parts = np.split(words, np.cumsum(lengths)[:-1])
    return [[language_words[word] for word in part] for part in parts]


def shared_blocks(words: Sequence[str], chain: Chain, chance: Chance) -> Shared:
    """Greetings of 6 to 10 words, closings of 8 to 14, footers of 40 to 60, ten templates, one form of nine fields."""

    def said(number: int, least: int, most: int) -> list[list[str]]:
        return texts(words, chain, chance.integers(least, most + 1, number).tolist(), chance)

    def sentences(blocks: list[list[str]]) -> tuple[str, ...]:
        return tuple(f"{' '.join(block).capitalize()}." for block in blocks)

    templates = said(10, 35, 70)
    for words_of in templates:
        for slot in chance.choice(len(words_of), len(words_of) // 12, replace=False):
            words_of[slot] = "NAME" if slot % 2 else "NUMBER"
    return Shared(
        greetings=sentences(said(8, 6, 10)),
        closings=sentences(said(8, 8, 14)),
        footers=sentences(said(3, 40, 60)),
        form=tuple(" ".join(label).capitalize() + ":" for label in said(9, 1, 5)),
        templates=tuple(tuple(block) for block in templates),
    )
