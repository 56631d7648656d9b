"""Fits a copier: which tokens of each text are the first and the last of each field's value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tasks.providers.local.learning.copier import Copier
from tasks.providers.local.learning.features import Floats
from tasks.providers.local.learning.positions import position_rows
from tasks.providers.local.learning.softmax import Progress, descend
from tasks.providers.local.learning.spans import tokens

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Targets:
    """Texts one below the other: inputs, where each begins, the share of each row in what is right, what is known."""

    inputs: sp.csr_matrix
    ends: Rows  # (texts + 1,)
    shares: Floats  # (rows, 2 * fields)
    known: Floats  # (texts, 2 * fields), 1 or 0

    def of(self, texts: Rows) -> "Targets":
        """These texts only."""
        rows = np.concatenate([np.arange(self.ends[at], self.ends[at + 1]) for at in texts])
        ends = np.concatenate([[0], np.cumsum(self.ends[texts + 1] - self.ends[texts])])
        return Targets(self.inputs[rows], ends, self.shares[rows], self.known[texts])


def targets(copier: Copier, texts: Sequence[str], values: Mapping[str, Sequence[object]]) -> Targets:
    """`values`: for each field, one value a text; a value that is not copied is not known."""
    ends = np.cumsum([0, *(1 + len(tokens(text)) for text in texts)])
    width = len(copier.heads)
    shares, known = np.zeros((ends[-1], 2 * width), np.float32), np.zeros((len(texts), 2 * width), np.float32)
    for column, head in enumerate(copier.heads):
        for at, (text, value) in enumerate(zip(texts, values[head.name], strict=True)):
            places = head.places(value, text)
            if places is not None:
                known[at, [column, width + column]] = 1
                _share(shares, column, ends[at], [span.first for span in places])
                _share(shares, width + column, ends[at], [span.last for span in places])
    return Targets(copier.vectoriser.matrix(position_rows(texts, copier.capacity)), ends, shares, known)


class CopierTraining:
    """Learns from the same numbered examples as the other parts of a model."""

    def __init__(self, model: Copier, learnt: Targets, held_out: Targets | None) -> None:
        self.model, self._learnt, self._held_out = model, learnt, held_out

    def step(self, rows: Rows, rate: float) -> Progress:
        """One update."""
        batch = self._learnt.of(rows)
        errors, progress = self._errors(batch)
        descend(self.model.weights, batch.inputs, errors, rate)
        self.model.bias -= 0.1 * rate * errors[batch.ends[:-1]].sum(axis=0)
        return progress

    def evaluate(self) -> Progress:
        """On the examples held out."""
        return self._errors(self._held_out)[1] if self._held_out else Progress()

    def _errors(self, batch: Targets) -> tuple[Floats, Progress]:
        """The gradient of the loss by the logits. A decision is half the first token and half the last."""
        openings, lengths = batch.ends[:-1], np.diff(batch.ends)
        logits = self.model.logits(batch.inputs, openings.tolist())
        exponents = np.exp(logits - np.repeat(np.maximum.reduceat(logits, openings), lengths, axis=0))
        chances = exponents / np.repeat(np.add.reduceat(exponents, openings), lengths, axis=0)
        best = np.repeat(np.maximum.reduceat(chances, openings), lengths, axis=0)
        loss = float(-(batch.shares * np.log(chances + 1e-9)).sum()) / 2
        hits = np.maximum.reduceat((chances >= best) & (batch.shares > 0), openings)
        right = float((hits * batch.known).sum()) / 2
        errors = (chances - batch.shares) * np.repeat(batch.known, lengths, axis=0)
        return errors, Progress(loss, right, int(batch.known.sum()) // 2)


def _share(shares: Floats, column: int, opening: int, positions: Sequence[int]) -> None:
    """Row 0 of a text is right where there is no value."""
    rows = [opening + 1 + position for position in positions] or [opening]
    shares[rows, column] = 1 / len(set(rows))
