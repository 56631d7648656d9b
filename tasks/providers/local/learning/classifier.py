"""Learnt decisions between known values: one multinomial logistic model, with a softmax for each field."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tasks.providers.local.learning.features import Bag, Floats, Vectoriser
from tasks.providers.local.learning.objectives import Numbers, Objective
from tasks.providers.local.learning.softmax import Progress, descend, softmax

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
    """Fits a classifier to examples: an input row each, and for each head what is right."""

    def __init__(self, model: Classifier, inputs: sp.csr_matrix, targets: Mapping[str, Objective]) -> None:
        self.model, self._inputs, self._targets = model, inputs, targets
        self._held_out: tuple[sp.csr_matrix, Mapping[str, Objective]] | None = None

    def hold_out(self, inputs: sp.csr_matrix, targets: Mapping[str, Objective]) -> None:
        """Examples to evaluate on, never learnt."""
        self._held_out = inputs, targets

    def step(self, rows: Numbers, rate: float) -> Progress:
        """One update."""
        inputs = self._inputs[rows]
        errors, progress = self._errors(inputs, self._targets, rows)
        descend(self.model.weights, inputs, errors, rate)
        self.model.bias -= 0.1 * rate * errors.sum(axis=0)
        return progress

    def evaluate(self) -> Progress:
        """On the examples held out."""
        if self._held_out is None:
            return Progress()
        inputs, targets = self._held_out
        return self._errors(inputs, targets, np.arange(inputs.shape[0]))[1]

    def _errors(
        self, inputs: sp.csr_matrix, targets: Mapping[str, Objective], rows: Numbers
    ) -> tuple[Floats, Progress]:
        """The gradient of the loss by the logits."""
        errors, progress = self.model.logits(inputs), Progress()
        for name, objective in targets.items():
            columns = self.model.heads[name].columns
            errors[:, columns], one = objective.errors(errors[:, columns], rows)
            progress += one
        return errors, progress
