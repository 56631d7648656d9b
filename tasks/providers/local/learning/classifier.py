"""Learnt decisions between known values: one multinomial logistic model, with a softmax for each field."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tasks.providers.local.learning.features import Bag, Floats, Vectoriser
from tasks.providers.local.learning.softmax import Progress, descend, softmax

UNKNOWN = -1
_MOST = 500  # values of one field


@dataclass(frozen=True)
class Head:
    """The values that one field can take; their columns are start, start + 1, ..."""

    name: str
    values: tuple[str, ...]
    start: int

    @property
    def columns(self) -> slice:
        """Where its logits stand."""
        return slice(self.start, self.start + len(self.values))


def heads_of(targets: Mapping[str, Sequence[str | None]]) -> list[Head]:
    """One head a field with the most frequent values of its examples; None is no example."""
    heads: list[Head] = []
    for name, values in targets.items():
        start = heads[-1].columns.stop if heads else 0
        counts = Counter(value for value in values if value is not None)
        heads.append(Head(name, tuple(value for value, _ in counts.most_common(_MOST)), start))
    return heads


class Classifier:
    """Weights (features, values of all heads) and a bias for each value."""

    def __init__(self, vectoriser: Vectoriser, heads: Sequence[Head], weights: Floats, bias: Floats) -> None:
        self.vectoriser, self.weights, self.bias = vectoriser, weights, bias
        self.heads = {head.name: head for head in heads}

    @classmethod
    def untrained(cls, vectoriser: Vectoriser, heads: Sequence[Head]) -> "Classifier":
        """Every value equally probable."""
        width = heads[-1].columns.stop if heads else 0
        weights = np.zeros((len(vectoriser.features), width), np.float32)
        return cls(vectoriser, heads, weights, np.zeros(width, np.float32))

    def logits(self, inputs: sp.csr_matrix) -> Floats:
        """(inputs, values of all heads)."""
        return np.asarray(inputs @ self.weights + self.bias, np.float32)

    def probabilities(self, found: Bag) -> dict[str, dict[str, float]]:
        """For each head, value to probability."""
        logits = self.logits(self.vectoriser.matrix([found]))[0]
        return {
            name: dict(zip(head.values, softmax(logits[head.columns]).tolist(), strict=True))
            for name, head in self.heads.items()
        }


class ClassifierTraining:
    """Fits a classifier to examples: an input row and, for each head, which value is right (UNKNOWN: not said)."""

    def __init__(self, model: Classifier, inputs: sp.csr_matrix, targets: Mapping[str, Sequence[str | None]]) -> None:
        self.model, self._inputs = model, inputs
        self._targets = self._numbers(targets)
        self._held_out: tuple[sp.csr_matrix, dict[str, NDArray[np.intp]]] | None = None

    def hold_out(self, inputs: sp.csr_matrix, targets: Mapping[str, Sequence[str | None]]) -> None:
        """Examples to evaluate on, never learnt."""
        self._held_out = inputs, self._numbers(targets)

    def step(self, rows: NDArray[np.intp], rate: float) -> Progress:
        """One update."""
        inputs = self._inputs[rows]
        targets = {name: numbers[rows] for name, numbers in self._targets.items()}
        errors, progress = self._errors(inputs, targets)
        descend(self.model.weights, inputs, errors, rate)
        self.model.bias -= 0.1 * rate * errors.sum(axis=0)
        return progress

    def evaluate(self) -> Progress:
        """On the examples held out."""
        return self._errors(*self._held_out)[1] if self._held_out else Progress()

    def _errors(self, inputs: sp.csr_matrix, targets: Mapping[str, NDArray[np.intp]]) -> tuple[Floats, Progress]:
        """The gradient of the loss by the logits."""
        errors, progress = self.model.logits(inputs), Progress()
        for name, numbers in targets.items():
            columns = self.model.heads[name].columns
            chances = softmax(errors[:, columns])
            known = np.flatnonzero(numbers != UNKNOWN)
            right = chances[known, numbers[known]]
            best = chances[known].max(axis=1, initial=0.0)
            progress += Progress(float(-np.log(right + 1e-9).sum()), float((right >= best).sum()), len(known))
            chances[known, numbers[known]] -= 1
            chances[numbers == UNKNOWN] = 0
            errors[:, columns] = chances
        return errors, progress

    def _numbers(self, targets: Mapping[str, Sequence[str | None]]) -> dict[str, NDArray[np.intp]]:
        number = {name: {value: at for at, value in enumerate(head.values)} for name, head in self.model.heads.items()}
        return {
            name: np.array(
                [UNKNOWN if value is None else number[name].get(value, UNKNOWN) for value in values], np.intp
            )
            for name, values in targets.items()
        }
