"""An answer as text and tokens: drawing between candidates, and how probable each token was."""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")
Ranked = Sequence[tuple[Value, float]]  # candidates with their probabilities, best first
Token = tuple[str, float, list[tuple[str, float]]]

_TOKEN = re.compile(r"\s?\w{1,4}|\s?[^\w\s]|\s")
_RIVALS = 20


@dataclass(frozen=True)
class Reply:
    """The text and its tokens, each with its logprob and the most probable alternatives in its place."""

    text: str
    tokens: list[Token]


@dataclass(frozen=True)
class Stretch:
    """A piece of an answer and what could have stood there instead, itself included."""

    text: str
    candidates: Ranked[str] = ()


def tokens_of(text: str) -> list[str]:
    """Cut a text into up to four letters or digits, or one sign, with the space before it."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens a text has."""
    return len(tokens_of(text))


def draw(candidates: Ranked[Value], temperature: float, generator: random.Random) -> Value:
    """The most probable one at temperature 0; else one drawn in proportion to p ** (1 / temperature)."""
    if temperature <= 0 or len(candidates) == 1:
        return candidates[0][0]
    top = math.log(max(candidates[0][1], 1e-12))
    weights = [math.exp((math.log(max(chance, 1e-12)) - top) / temperature) for _, chance in candidates]
    return generator.choices([value for value, _ in candidates], weights)[0]


def spell(stretches: Sequence[Stretch]) -> Reply:
    """Join stretches into a reply."""
    text = "".join(stretch.text for stretch in stretches)
    return Reply(text, [token for stretch in stretches for token in _spelt(stretch)])


def _spelt(stretch: Stretch) -> list[Token]:
    """A token's probability is the share that it has of the candidates that agree so far.

    The last token also ends the stretch: those that go on are not meant, so that the product over all tokens is the
    probability of exactly this text.
    """
    rivals = [(tokens_of(text), chance) for text, chance in _rivals(stretch)]
    rest = max(0.0, 1.0 - sum(chance for _, chance in rivals)) if rivals else 0.0
    spelt: list[Token] = []
    tokens = tokens_of(stretch.text)
    for at, token in enumerate(tokens):
        here: dict[str, float] = {}
        for cut, chance in rivals:
            following = cut[at] if at < len(cut) else ""
            if at + 1 == len(tokens) < len(cut) and following == token:
                rest += chance
            else:
                here[following] = here.get(following, 0.0) + chance
        spelt.append(_token(token, here or {token: 1.0}, rest))
        rivals = [(cut, chance) for cut, chance in rivals if at < len(cut) and cut[at] == token]
        rest = 0.0 if rivals else rest
    return spelt


def _rivals(stretch: Stretch) -> Ranked[str]:
    """The most probable candidates, and the one that was drawn."""
    shown, hidden = stretch.candidates[:_RIVALS], stretch.candidates[_RIVALS:]
    return [*shown, *(one for one in hidden if one[0] == stretch.text)]


def _token(token: str, here: dict[str, float], rest: float) -> Token:
    total = sum(here.values()) + rest
    logprobs = {text: math.log(max(chance / total, 1e-9)) for text, chance in here.items() if text}
    best = sorted(logprobs.items(), key=lambda one: -one[1])[:_RIVALS]
    return token, logprobs.get(token, math.log(1e-9)), best
