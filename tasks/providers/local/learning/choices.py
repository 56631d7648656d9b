"""Choosing between known values by what a prompt says: their names and descriptions, and examples of them."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain
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

    def __init__(self, bags: Sequence[Bag]) -> None:
        by_count = [1 + math.log((1 + len(bags)) / (1 + count)) for count in range(len(bags) + 1)]
        counts = Counter(chain.from_iterable(bags))
        self._unseen = by_count[0]
        self._weights = {feature: by_count[count] for feature, count in counts.items()}

    def vector(self, found: Bag) -> dict[str, float]:
        """A bag as a vector of unit length."""
        weights, unseen = self._weights, self._unseen
        vector = {feature: weight * weights.get(feature, unseen) for feature, weight in found.items()}
        norm = math.hypot(*vector.values()) or 1.0
        return {feature: weight / norm for feature, weight in vector.items()}


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


def closeness(question: str, texts: Sequence[str], capacity: Capacity) -> list[float]:
    """Cosine of a question with each text."""
    bags = [bag(text, capacity) for text in texts]
    rarity = Rarity(bags)
    asked = rarity.vector(bag(question, capacity))
    return [_product(rarity.vector(found), asked) for found in bags]


def evidence(question: str, said: Sequence[str], shown: Sequence[tuple[float, int]], capacity: Capacity) -> list[float]:
    """A logit for each value from what is said of it, and from examples: (closeness, number of the value)."""
    logits = [_DESCRIBED * one for one in described(tuple(said), capacity).closeness(bag(question, capacity))]
    for close, number in shown:
        logits[number] += _SHOWN * close * close
    return logits


def mixed(keys: Sequence[str], logits: Sequence[float], learnt: Mapping[str, float]) -> list[float]:
    """Logits of a prompt and the probabilities that a tuned model has learnt, put together."""
    return [math.log(learnt.get(key, 0.0) + _UNLEARNT) + _HEARD * one for key, one in zip(keys, logits, strict=True)]


def ranked(values: Sequence[Value], logits: Sequence[float]) -> list[tuple[Value, float]]:
    """Values with their probabilities, best first."""
    chances = softmax(np.array(logits, np.float32)).tolist()
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
