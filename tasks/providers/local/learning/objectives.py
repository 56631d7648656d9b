"""What is right for a decision, as a gradient: a known value, a better and a worse one, or a reward for each."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.providers.local.learning.features import Floats
from tasks.providers.local.learning.softmax import Progress, softmax

UNKNOWN = -1
Numbers = NDArray[np.intp]
_EVEN = 1e-6  # a spread of rewards below which nothing tells good from bad


class Objective(Protocol):
    """One decision's target for each of the numbered examples."""

    def errors(self, logits: Floats, rows: Numbers) -> tuple[Floats, Progress]:
        """The gradient by the logits, (rows, values), and what was lost and right."""


@dataclass(frozen=True)
class RightValue:
    """Cross-entropy. `numbers`: which value is right for each example, UNKNOWN where nothing is said."""

    numbers: Numbers

    def errors(self, logits: Floats, rows: Numbers) -> tuple[Floats, Progress]:
        """Probabilities, less one for the right value."""
        numbers, chances = self.numbers[rows], softmax(logits)
        known = np.flatnonzero(numbers != UNKNOWN)
        right = chances[known, numbers[known]]
        best = chances[known].max(axis=1, initial=0.0)
        progress = Progress(float(-np.log(right + 1e-9).sum()), float((right >= best).sum()), len(known))
        chances[known, numbers[known]] -= 1
        chances[numbers == UNKNOWN] = 0
        return chances, progress


@dataclass(frozen=True)
class BetterValue:
    """Direct preference optimisation (Rafailov et al. 2023): -ln sigmoid(beta * (better - worse)), in logits.

    The base model takes every value for equally probable, so that its own margin is 0. The gradient is divided by
    beta, as an optimiser that scales its steps would: a small beta does not learn slowly, it goes further before it
    is content. Where the worse answer says the same or nothing, the better one is learnt as the right one.
    """

    better: Numbers
    worse: Numbers
    beta: float

    def errors(self, logits: Floats, rows: Numbers) -> tuple[Floats, Progress]:
        """Towards the better value and away from the worse; right where the better is already ahead."""
        better, worse = self.better[rows], self.worse[rows]
        paired = (better != UNKNOWN) & (worse != UNKNOWN) & (better != worse)
        errors, progress = RightValue(np.where(paired, UNKNOWN, better)).errors(logits, np.arange(len(rows)))
        pairs = np.flatnonzero(paired)
        margin = self.beta * (logits[pairs, better[pairs]] - logits[pairs, worse[pairs]])
        push = 1 / (1 + np.exp(margin))
        errors[pairs, better[pairs]], errors[pairs, worse[pairs]] = -push, push
        return errors, progress + Progress(float(np.logaddexp(0, -margin).sum()), float((margin > 0).sum()), len(pairs))


@dataclass(frozen=True)
class Rewards:
    """The gradient of the expected reward, exact since every value is tried. `rewards`: (examples, values)."""

    rewards: Floats

    def errors(self, logits: Floats, rows: Numbers) -> tuple[Floats, Progress]:
        """Advantages in units of their spread (as in Shao et al. 2024); lost is what the reward falls short of 1."""
        rewards, chances = self.rewards[rows], softmax(logits)
        advantage = rewards - (chances * rewards).sum(axis=1, keepdims=True)
        spread = np.sqrt((chances * advantage**2).sum(axis=1, keepdims=True))
        errors: Floats = np.where(spread > _EVEN, -chances * advantage / np.maximum(spread, _EVEN), 0)
        earned = rewards[np.arange(len(rows)), logits.argmax(axis=1)]
        lost = 1 - (chances * rewards).sum(axis=1)
        return errors.astype(np.float32), Progress(float(lost.sum()), float(earned.sum()), len(rows))
