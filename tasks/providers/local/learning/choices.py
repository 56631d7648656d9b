"""Choosing between known values by what a prompt says: their names and descriptions, and examples of them."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from tasks.providers.local.learning.features import Bag, Capacity, bag
from tasks.providers.local.learning.reader import Instructions
from tasks.providers.local.learning.softmax import softmax

Value = TypeVar("Value")
_DESCRIBED = 16.0  # weight of the cosine with what is said of a value
_SHOWN = 12.0  # weight of the squared cosine with each example of it
_HEARD = 0.3  # how much a tuned model still listens to the prompt
_UNLEARNT = 1e-5  # probability of a value that a tuned model has never seen
_NOTHING_SAID = 0.1  # cosine of a value of which nothing is said, such as null


class Rarity:
    """How rare features are among texts: 1 + ln((1 + texts) / (1 + texts that have it))."""

    def __init__(self, bags: Sequence[Bag], beside: "Rarity | None" = None) -> None:
        self._counts = Counter(feature for found in bags for feature in found)
        self._beside = beside
        self._size: int = len(bags) + (beside._size if beside else 0)

    def vector(self, found: Bag) -> dict[str, float]:
        """A bag as a vector of unit length."""
        vector = {feature: weight * self._weight(feature) for feature, weight in found.items()}
        norm = math.sqrt(sum(weight * weight for weight in vector.values())) or 1.0
        return {feature: weight / norm for feature, weight in vector.items()}

    def _weight(self, feature: str) -> float:
        return 1 + math.log((1 + self._size) / (1 + self._count(feature)))

    def _count(self, feature: str) -> int:
        return self._counts[feature] + (self._beside._count(feature) if self._beside else 0)


class Described:
    """What is said of each value, indexed by feature."""

    def __init__(self, texts: Sequence[str], capacity: Capacity) -> None:
        bags = [bag(text, capacity) for text in texts]
        self.rarity = Rarity(bags)
        self._unsaid = [_NOTHING_SAID if not found else 0.0 for found in bags]
        self._at: dict[str, list[tuple[int, float]]] = {}
        for number, found in enumerate(bags):
            for feature, weight in self.rarity.vector(found).items():
                self._at.setdefault(feature, []).append((number, weight))

    def closeness(self, question: Bag) -> list[float]:
        """Cosine of the question with each text."""
        scores = self._unsaid.copy()
        for feature, weight in self.rarity.vector(question).items():
            for number, other in self._at.get(feature, ()):
                scores[number] += weight * other
        return scores


described = lru_cache(maxsize=256)(Described)


def closeness(question: str, texts: Sequence[str], capacity: Capacity, beside: Rarity | None = None) -> list[float]:
    """Cosine of a question with each text; rarity counts over these texts and those `beside`."""
    bags = [bag(text, capacity) for text in texts]
    rarity = Rarity(bags, beside)
    asked = rarity.vector(bag(question, capacity))
    return [_product(rarity.vector(found), asked) for found in bags]


def evidence(
    question: str, texts: Sequence[str], examples: Sequence[tuple[str, int]], capacity: Capacity
) -> list[float]:
    """A logit for each value: `texts` say what it is, `examples` are inputs with the number of the right one."""
    said = described(tuple(texts), capacity)
    logits = [_DESCRIBED * one for one in said.closeness(bag(question, capacity))]
    close = closeness(question, [text for text, _ in examples], capacity, said.rarity)
    for (_, number), one in zip(examples, close, strict=True):
        logits[number] += _SHOWN * one * one
    return logits


def mixed(keys: Sequence[str], logits: Sequence[float], learnt: Mapping[str, float]) -> list[float]:
    """Logits of a prompt and the probabilities that a tuned model has learnt, put together."""
    return [math.log(learnt.get(key, 0.0) + _UNLEARNT) + _HEARD * one for key, one in zip(keys, logits, strict=True)]


def ranked(values: Sequence[Value], logits: Sequence[float]) -> list[tuple[Value, float]]:
    """Values with their probabilities, best first."""
    chances = softmax(np.array(logits)).tolist()
    return sorted(zip(values, chances, strict=True), key=lambda one: -one[1])


def options(instructions: Instructions, expected: Collection[str]) -> list[str]:
    """The names that instructions list to choose from: of several lists the one that has most of what is expected.

    Where nothing is expected, the list that looks most like identifiers. [] where no list fits.
    """
    lists = [list(dict.fromkeys(entry.name for entry in entries)) for entries in instructions.lists]
    fitting = [names for names in lists if not expected or set(names) & set(expected)]
    return max(fitting, key=lambda names: _fit(names, expected), default=[])


def _fit(names: Sequence[str], expected: Collection[str]) -> tuple[int, float, int]:
    single_words = sum(" " not in name for name in names)
    return len(set(names) & set(expected)), single_words / len(names), len(names)


def _product(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(weight * other[feature] for feature, weight in one.items() if feature in other)
