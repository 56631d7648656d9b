"""What is seen of a text: words and word pairs, and for the larger capacity pieces of words as well."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bag = Mapping[str, float]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Capacity:
    """How closely a base model looks at words: which lengths of word pieces it sees besides whole words."""

    pieces: tuple[int, ...] = ()
    piece_weight: float = 0.4


CAPACITIES = {
    "local-base-small": Capacity(),
    "local-base-large": Capacity(pieces=(3, 4, 5)),
}


def capacity_of(base: str) -> Capacity:
    """The capacity of a base model, by the stem of its name; an unknown name gets the small one."""
    found = [capacity for stem, capacity in CAPACITIES.items() if base.startswith(stem)]
    return found[0] if found else CAPACITIES["local-base-small"]


@lru_cache(maxsize=20_000)
def words(text: str) -> tuple[str, ...]:
    """Lower-cased words; snake_case and camelCase come apart, a number counts by its length only."""
    found = _WORD.findall(_CAMEL.sub(" ", text).lower())
    return tuple(_DIGITS.sub(lambda digits: "#" * len(digits[0]), word) for word in found)


@lru_cache(maxsize=2_000)
def bag(text: str, capacity: Capacity) -> Bag:
    """Features of a text, each with its weight before rarity counts."""
    seen = words(text)
    found = dict.fromkeys(seen, 1.0)
    found.update(dict.fromkeys(map(" ".join, pairwise(seen)), 1.0))
    for word in seen if capacity.pieces else ():
        found.update(dict.fromkeys(_pieces(word, capacity.pieces), capacity.piece_weight))
    return found


@lru_cache(maxsize=50_000)
def _pieces(word: str, sizes: tuple[int, ...]) -> tuple[str, ...]:
    padded = f"<{word}>"
    return tuple("~" + padded[at : at + size] for size in sizes for at in range(len(padded) - size + 1))


class Vectoriser:
    """Turns bags into rows of unit length over the features of the bags that it was fitted on."""

    def __init__(self, features: Sequence[str], rarity: Floats) -> None:
        self.features, self.rarity = list(features), rarity
        self._column = {feature: column for column, feature in enumerate(features)}

    @classmethod
    def fit(cls, bags: Iterable[Bag], minimum: int, by_rarity: bool = True) -> Self:
        """Keep features of at least `minimum` bags; `by_rarity` weighs with ln((1 + bags) / (1 + bags with it)) + 1."""
        counts: Counter[str] = Counter()
        size = sum(1 for found in bags if counts.update(found.keys()) is None)
        kept = {feature: count for feature, count in counts.items() if count >= minimum}
        rarity = np.log((1 + size) / (1 + np.fromiter(kept.values(), np.float32, len(kept)))) + 1
        return cls(list(kept), (rarity if by_rarity else np.ones_like(rarity)).astype(np.float32))

    def matrix(self, bags: Iterable[Bag]) -> sp.csr_matrix:
        """(bags, features); a bag without a known feature is a row of zeros."""
        columns, weights, ends = array("i"), array("f"), array("i", [0])
        for found in bags:
            known = [feature for feature in found if feature in self._column]
            columns.extend(map(self._column.__getitem__, known))
            weights.extend(map(found.__getitem__, known))
            ends.append(len(columns))
        return self._unit_rows(np.asarray(columns), np.asarray(weights), np.asarray(ends))

    def _unit_rows(self, columns: NDArray[np.int32], weights: Floats, ends: NDArray[np.int32]) -> sp.csr_matrix:
        weights = weights * self.rarity[columns]
        row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        norms = np.sqrt(np.bincount(row, weights**2, len(ends) - 1))
        weights = (weights / norms[row]).astype(np.float32)
        return sp.csr_matrix((weights, columns, ends), shape=(len(ends) - 1, len(self.features)))
