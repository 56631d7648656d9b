"""Linear models with a softmax, trained by stochastic gradient descent: what learning is here."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tasks.providers.local.learning.features import Floats

RATE = 6.0  # step size for one example with features of unit length; decays linearly to zero
_PART = 16  # a larger batch is taken in parts, so that its size does not decide whether learning is stable


@dataclass
class Progress:
    """Sums over decisions: -ln of the probability of the right value, and how often that was the most probable."""

    loss: float = 0.0
    right: float = 0.0
    decisions: int = 0

    def __add__(self, other: "Progress") -> "Progress":
        return Progress(self.loss + other.loss, self.right + other.right, self.decisions + other.decisions)

    @property
    def mean_loss(self) -> float:
        """Nats a decision."""
        return self.loss / max(self.decisions, 1)

    @property
    def accuracy(self) -> float:
        """Share of decisions that were right."""
        return self.right / max(self.decisions, 1)


class Part(Protocol):
    """A part of a model that learns from the same numbered examples as the others."""

    def step(self, rows: NDArray[np.intp], rate: float) -> Progress:
        """Learn from these examples; what was right and wrong before."""

    def evaluate(self) -> Progress:
        """How well it does on the held-out examples."""


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    chances: Floats = exponents / exponents.sum(axis=-1, keepdims=True)
    return chances


def descend(weights: Floats, inputs: sp.csr_matrix, errors: Floats, rate: float) -> None:
    """weights -= rate * inputs.T @ errors, touching only the features that occur in the inputs."""
    columns, compact = np.unique(inputs.indices, return_inverse=True)
    narrow = sp.csr_matrix((inputs.data, compact, inputs.indptr), shape=(inputs.shape[0], len(columns)))
    weights[columns] -= rate * (narrow.T @ errors)


def in_parts(rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """A batch in parts small enough for one update each."""
    return np.array_split(rows, -(-len(rows) // _PART))
