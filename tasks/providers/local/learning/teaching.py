"""What a training file teaches, by method: right answers, better and worse ones, or answers that a grader rewards."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tasks.providers.local.learning.classifier import Head
from tasks.providers.local.learning.fields import as_object, nested, value_at
from tasks.providers.local.learning.objectives import UNKNOWN, BetterValue, Numbers, Objective, Rewards, RightValue
from tasks.providers.local.learning.reader import Example
from tasks.providers.local.learning.syllabus import ANSWER, Objects, Syllabus, Texts, name_of, value_of

Decisions = dict[str, list[str | None]]


class Teaching(Protocol):
    """Examples, and what is right for each decision on them."""

    @property
    def examples(self) -> Sequence[Example]:
        """Inputs with their right, better or reference answers."""

    def further(self, syllabus: Syllabus) -> Mapping[str, Sequence[str | None]]:
        """Values of decisions that are known besides those of the examples."""

    def objective(self, syllabus: Syllabus, head: Head) -> Objective:
        """What is right for one decision."""


@dataclass(frozen=True)
class RightAnswers:
    """Supervised: each example's answer is right."""

    examples: Sequence[Example]

    def further(self, syllabus: Syllabus) -> Mapping[str, Sequence[str | None]]:
        """None."""
        return {}

    def objective(self, syllabus: Syllabus, head: Head) -> Objective:
        """The example's value."""
        return RightValue(_numbers(head, syllabus.decisions(self.examples)))


@dataclass(frozen=True)
class BetterAnswers:
    """Preferences: each example's answer is better than the one in `worse`."""

    examples: Sequence[Example]
    worse: Sequence[Example]
    beta: float

    def further(self, syllabus: Syllabus) -> Mapping[str, Sequence[str | None]]:
        """What the worse answers say; of texts only the better ones are ever said."""
        return {} if isinstance(syllabus, Texts) else syllabus.decisions(self.worse)

    def objective(self, syllabus: Syllabus, head: Head) -> Objective:
        """The better answer's value before the worse one's."""
        better, worse = (_numbers(head, syllabus.decisions(some)) for some in (self.examples, self.worse))
        return BetterValue(better, worse, self.beta)


@dataclass(frozen=True)
class GradedAnswers:
    """Reinforcement: `grade(number of the example, answer)`. An example's answer is what the grader compares with.

    `listed`: the answers that the prompts list to choose from.
    """

    examples: Sequence[Example]
    grade: Callable[[int, str], float]
    listed: Sequence[str] = field(default_factory=tuple)

    def further(self, syllabus: Syllabus) -> Mapping[str, Sequence[str | None]]:
        """The listed answers, where an answer is one of few."""
        return {ANSWER: list(self.listed)} if syllabus.kind == "choice" else {}

    def objective(self, syllabus: Syllabus, head: Head) -> Objective:
        """The reward of each value, all else being as in the example's answer."""
        table = [
            [self.grade(number, _answer_with(syllabus, example, head, value)) for value in head.values]
            for number, example in enumerate(self.examples)
        ]
        return Rewards(np.array(table, np.float32).reshape(len(self.examples), len(head.values)))


def _numbers(head: Head, decisions: Decisions) -> Numbers:
    number = {value: at for at, value in enumerate(head.values)}
    values = decisions[head.name]
    return np.array([UNKNOWN if value is None else number.get(value, UNKNOWN) for value in values], np.intp)


def _answer_with(syllabus: Syllabus, example: Example, head: Head, value: str) -> str:
    """The answer of an example with one decision taken so."""
    if isinstance(syllabus, Texts):
        return syllabus.passages[syllabus.groups.index(int(value))].outline
    if not isinstance(syllabus, Objects):
        return value
    known = as_object(example.answer) or {}
    leaves: dict[tuple[str, ...], Any] = {one.path: value_at(known, one.path) for one in syllabus.fields}
    leaves |= {one.path: value_of(value) for one in syllabus.fields if name_of(one) == head.name}
    return json.dumps(nested(leaves), ensure_ascii=False)
