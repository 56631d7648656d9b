"""Single messages, to be copied and changed: the same make as the rows around them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

import numpy as np

from tests.planted.language import Chance, Ints, Language

MEDIAN, SPREAD, LEAST, MOST = 50, 0.61, 20, 400  # words a text; with what frames it 20, 54 and 138 at p5, p50, p95
LEAST_OWN = 16  # words besides greeting, closing and footer
GREETED, CLOSED, FOOTED = 0.35, 0.35, 0.10  # share of the rows that carry one
BATCH = 512


@dataclass(frozen=True)
class Message:
    """One user text: words of its own, amid what others say too."""

    core: tuple[str, ...]
    greeting: str = ""
    closing: str = ""
    footer: str = ""

    @property
    def text(self) -> str:
        """As it stands in the row."""
        return " ".join(part for part in (self.greeting, *self.core, self.closing, self.footer) if part)

    def saying(self, core: list[str]) -> str:
        """The text with another core."""
        return replace(self, core=tuple(core)).text


class Voice:
    """Says messages in one language with one source of chance."""

    def __init__(self, language: Language, seed: int) -> None:
        self.language = language
        self.chance = Random(seed)
        self._numbers = np.random.default_rng([seed, 1])
        self._words: Iterator[str] = iter(())

    def words(self, number: int) -> list[str]:
        """So many words, punctuated, the last one ending the sentence."""
        taken = list(islice(self._words, number))
        if len(taken) < number:
            lengths = np.full(BATCH, MOST, np.int32)
            self._words = iter(self.language.pieces[self.language.spoken(lengths, self._numbers)])
            taken = list(islice(self._words, number))
        return [*taken[:-1], f"{bare(taken[-1])}."]

    def message(self, suits: Callable[[Message], bool] = lambda _message: True) -> Message:
        """The next message that suits."""
        for _attempt in range(10_000):
            message = self._message()
            if suits(message):
                return message
        raise ValueError("no message suits: the language has not what this kind needs")

    def name(self) -> str:
        """A customer's name, a product's, a place's."""
        return self.chance.choice(self.language.names)

    def number(self) -> str:
        """Of an order, an amount, a day."""
        return str(self.chance.randrange(100, 100_000))

    def _message(self) -> Message:
        shared, chance = self.language.shared, self.chance
        greeting = chance.choice(shared.greetings) if chance.random() < GREETED else ""
        closing = chance.choice(shared.closings) if chance.random() < CLOSED else ""
        footer = chance.choice(shared.footers) if chance.random() < FOOTED else ""
        around = sum(len(block.split()) for block in (greeting, closing, footer))
        length = min(max(int(MEDIAN * np.exp(chance.gauss(0, SPREAD))), LEAST), MOST)
        return Message(tuple(self.words(max(length - around, LEAST_OWN))), greeting, closing, footer)


def lengths(rows: int, chance: Chance) -> Ints:
    """Words a text, of so many texts."""
    drawn = MEDIAN * np.exp(chance.normal(0, SPREAD, rows))
    return drawn.clip(LEAST, MOST).astype(np.int32)


def bare(word: str) -> str:
    """Without the comma or full stop behind it."""
    return word.rstrip(".,")


def dressed(word: str, like: str) -> str:
    """`word` with the capital and the mark that `like` has."""
    return (word.capitalize() if like[:1].isupper() else word) + like[len(bare(like)) :]
