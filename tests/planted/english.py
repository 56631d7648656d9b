"""English of texts that every Python carries, and of what the customers of the bundled use case say."""

import ast
import json
import pydoc_data.topics
import re
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from data_contracts.generators import support_intents
from data_contracts.generators.grammar import PhraseBook
from tests.planted.language import Chain, Language, made_names, number_words, shared_blocks

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
MESSAGES = 1500
SAYINGS = 12  # said of each wording of a situation
SYLLABLES = "an el mar ro bri den ka lo ti ness vi or han ley sa ton wen dri fa mo be ric ul gar".split()


@lru_cache(maxsize=1)
def english() -> Language:
    """The language that thresholds may be tuned on."""
    chance = np.random.default_rng(11)
    vocabulary, corpus = number_words(word for text in _corpus() for word in WORD.findall(text.lower()))
    chain = Chain(corpus, len(vocabulary))
    return Language(
        name="english",
        chain=chain,
        vocabulary=vocabulary,
        names=made_names(SYLLABLES, 5000, chance),
        synonyms=synonyms(),
        intents=tuple(_intents()),
        shared=shared_blocks(vocabulary, chain, chance),
    )


def synonyms() -> dict[str, str]:
    """The table beside this file, word by word."""
    lines = Path(__file__).with_name("synonyms.txt").read_text("utf-8").splitlines()
    pairs = " / ".join(line for line in lines if not line.startswith("#")).split(" / ")
    return dict(pair.split() for pair in pairs)


def _corpus() -> Iterator[str]:
    """The language reference that `help()` shows, docstrings of the standard library, messages to a support desk."""
    yield from pydoc_data.topics.topics.values()
    for source in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.walk(ast.parse(source.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node, clean=False) or ""
    for line in support_intents.generate(7, MESSAGES).lines:
        yield _text(line)


def _text(line: str) -> str:
    """The text of a bundled row; a few are broken on purpose."""
    try:
        return str(json.loads(line)["text"])
    except json.JSONDecodeError:
        return ""


def _intents() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Each situation of the bundled use case: one half of its wordings, and the other."""
    book = PhraseBook("support_intents", 5)

    def say(wordings: list[str]) -> tuple[str, ...]:
        return tuple(book.say(wording) for wording in wordings for _ in range(SAYINGS))

    for situations in book.content["situations"].values():
        for wordings in (block.splitlines() for block in situations.values()):
            if len(wordings) > 1:
                yield say(wordings[::2]), say(wordings[1::2])
