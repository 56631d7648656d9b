"""Sentences from a phrase book: `{name}` picks a line of a symbol, `<a|b>` picks inline."""

import re
from pathlib import Path
from random import Random
from typing import Any

from data_contracts.load import read_yaml

INLINE = re.compile(r"<([^<>]*)>")
SYMBOL = re.compile(r"\{(\w+)\}")
LOOSE_PUNCTUATION = re.compile(r" +([.,?!])")


class PhraseBook:
    """phrases.yaml of a use case: blocks of alternatives, one a line, said with one source of chance."""

    def __init__(self, use_case: str, seed: int) -> None:
        self.content: dict[str, Any] = read_yaml(Path(__file__).parents[1] / use_case / "phrases.yaml")
        self.symbols: dict[str, str] = self.content["symbols"]
        self.chance = Random(seed)  # noqa: S311 - rows have to come out the same again

    def say(self, text: str, **given: str) -> str:
        """Expand one text; `given` fixes what a symbol says."""
        while INLINE.search(text):
            text = INLINE.sub(lambda found: self.chance.choice(found[1].split("|")), text)
        text = SYMBOL.sub(lambda found: given.get(found[1]) or self.pick(self.symbols[found[1]], **given), text)
        return LOOSE_PUNCTUATION.sub(r"\1", " ".join(text.split()))

    def pick(self, block: str, **given: str) -> str:
        """Say one line of a block."""
        return self.say(self.chance.choice(block.splitlines()), **given)


def mistype(text: str, share: float, chance: Random) -> str:
    """Swap two letters in about this share of the longer words, as hasty thumbs do."""
    words = text.split()
    for position, word in enumerate(words):
        if len(word) > 4 and word.isalpha() and chance.random() < share:
            at = chance.randrange(1, len(word) - 2)
            words[position] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
