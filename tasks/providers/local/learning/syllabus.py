"""What a set of examples asks to learn: one of few answers, the fields of an object, or texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import scipy.sparse as sp

from tasks.providers.local.learning.copier import CopyHead, copy_head
from tasks.providers.local.learning.features import Capacity, Vectoriser, bag
from tasks.providers.local.learning.fields import ABSENT, Absent, Field, as_object, fields_of_objects, value_at
from tasks.providers.local.learning.passages import Passage, passages
from tasks.providers.local.learning.reader import Example

Kind = Literal["choice", "object", "text"]
ANSWER = "answer"  # the name of the only decision where an answer is no object
LEAST_COPIED = 0.7  # share of a field's values that must stand in the input for it to count as copied
_SHORT = 6  # words
_GROUPS, _ALIKE = 200, 0.5  # groups of like texts at most, and the cosine from which texts are alike
_MOST_SLOTS = 32


class Syllabus(Protocol):
    """Decisions between known values and copied values; both as lists, one item an example."""

    kind: Kind
    heads: list[CopyHead]

    def decisions(self, examples: Sequence[Example]) -> dict[str, list[str | None]]:
        """For each decision the right value; None where an example says nothing of it."""

    def copies(self, examples: Sequence[Example]) -> dict[str, list[object]]:
        """For each copied field its value."""


def kind_of(examples: Sequence[Example], few: bool) -> Kind:
    """What kind of answer examples show. Short answers that vary are texts where `few` does not explain it."""
    if all(as_object(example.answer) is not None for example in examples):
        return "object"
    short = [len(example.answer.split()) <= _SHORT and "\n" not in example.answer.strip() for example in examples]
    varied = len({example.answer for example in examples}) > 0.75 * len(examples)
    copied = sum(example.answer.strip() in example.text for example in examples) >= LEAST_COPIED * len(examples)
    return "text" if sum(short) < 0.9 * len(short) or (varied and (copied or not few)) else "choice"


def syllabus_of(examples: Sequence[Example], capacity: Capacity) -> Syllabus:
    """What a training file asks to learn."""
    kind = kind_of(examples, few=False)
    return Choices() if kind == "choice" else Objects.of(examples) if kind == "object" else Texts.of(examples, capacity)


class Choices:
    """One of few short answers."""

    kind: Kind = "choice"
    heads: list[CopyHead]

    def __init__(self) -> None:
        self.heads = []

    def decisions(self, examples: Sequence[Example]) -> dict[str, list[str | None]]:
        """The answer itself."""
        return {ANSWER: [example.answer.strip() or None for example in examples]}

    def copies(self, examples: Sequence[Example]) -> dict[str, list[object]]:
        """None."""
        return {}


@dataclass
class Objects:
    """JSON objects: copied fields, and decisions for the others."""

    fields: list[Field]
    heads: list[CopyHead]
    kind: Kind = "object"

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "Objects":
        """Fields as the answers have them."""
        fields = fields_of_objects([as_object(example.answer) or {} for example in examples])
        heads = [copy_head(name_of(field), copied_examples(field, examples), LEAST_COPIED) for field in fields]
        return cls(fields, [head for head in heads if head])

    def decisions(self, examples: Sequence[Example]) -> dict[str, list[str | None]]:
        """For each field that is not copied, the key of its value; None for an answer that is no object."""
        copied = {head.name for head in self.heads}
        objects = [as_object(example.answer) for example in examples]
        return {
            name_of(field): [None if one is None else key_of(value_at(one, field.path)) for one in objects]
            for field in self.fields
            if name_of(field) not in copied
        }

    def copies(self, examples: Sequence[Example]) -> dict[str, list[object]]:
        """What was copied, or not, for each copied field."""
        copied = {head.name for head in self.heads}
        fields = [field for field in self.fields if name_of(field) in copied]
        objects = [as_object(example.answer) or {} for example in examples]
        return {name_of(field): [_copied(value_at(one, field.path)) for one in objects] for field in fields}


@dataclass
class Texts:
    """Texts: which group of like answers, and what fills the slots in them."""

    passages: list[Passage]
    groups: list[int]  # of each passage
    heads: list[CopyHead]
    outlines: Vectoriser
    leaders: sp.csr_matrix  # the outline that opened each group
    capacity: Capacity
    kind: Kind = "text"

    @classmethod
    def of(cls, examples: Sequence[Example], capacity: Capacity) -> "Texts":
        """Answers that read alike once their copied values are taken out form a group."""
        found = passages([(example.text, example.answer) for example in examples], least=2)
        bags = [bag(passage.outline, capacity) for passage in found]
        outlines = Vectoriser.fit(bags, minimum=1)
        rows = outlines.matrix(bags)
        leaders = rows[_leaders(rows)]
        return cls(found, _nearest(rows, leaders), slot_heads(found), outlines, leaders, capacity)

    def decisions(self, examples: Sequence[Example]) -> dict[str, list[str | None]]:
        """The number of the group whose answers the example's is most like; None where it is like none."""
        rows = self.outlines.matrix([bag(passage.outline, self.capacity) for passage in self._passages(examples)])
        likeness = (rows @ self.leaders.T).toarray()
        return {ANSWER: [str(one.argmax()) if one.max() > 0 else None for one in likeness]}

    def copies(self, examples: Sequence[Example]) -> dict[str, list[object]]:
        """What fills each slot that the answer has."""
        found = self._passages(examples)
        return {head.name: [passage.slots.get(head.name, ABSENT) for passage in found] for head in self.heads}

    def _passages(self, examples: Sequence[Example]) -> list[Passage]:
        return passages([(example.text, example.answer) for example in examples], least=1)


def slot_heads(found: Sequence[Passage]) -> list[CopyHead]:
    """A head for each of the most frequent slots."""
    cases: dict[str, list[tuple[str, object]]] = {}
    for passage in found:
        for slot, value in passage.slots.items():
            cases.setdefault(slot, []).append((passage.text, value))
    frequent = sorted(cases, key=lambda slot: -len(cases[slot]))[:_MOST_SLOTS]
    return [head for slot in frequent if (head := copy_head(slot, cases[slot], least=0.0))]


def name_of(field: Field) -> str:
    """A field's path as text."""
    return json.dumps(field.path)


def key_of(value: object) -> str:
    """A value as text; "" where it is left out."""
    return "" if isinstance(value, Absent) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def value_of(key: str) -> object:
    """The value of a key."""
    value: object = json.loads(key) if key else ABSENT
    return value


def field_examples(field: Field, examples: Sequence[Example]) -> list[tuple[str, object]]:
    """(input, value) of each example that is an object."""
    objects = [(example.text, as_object(example.answer)) for example in examples]
    return [(text, value_at(value, field.path)) for text, value in objects if value is not None]


def copied_examples(field: Field, examples: Sequence[Example]) -> list[tuple[str, object]]:
    """The same for a field that may be copied: one that is left out counts as null, there is nothing to copy."""
    return [(text, _copied(value)) for text, value in field_examples(field, examples)]


def _copied(value: object) -> object:
    return None if isinstance(value, Absent) else value


def _leaders(rows: sp.csr_matrix) -> list[int]:
    """Row after row opens a group if it is like no group's first row, up to a limit."""
    closest = np.full(rows.shape[0], -1.0)
    found: list[int] = []
    while len(found) < _GROUPS and closest.min() < _ALIKE:
        found.append(int(np.argmax(closest < _ALIKE)))
        closest = np.maximum(closest, (rows @ rows[found[-1]].T).toarray()[:, 0])
        closest[found[-1]] = 1.0
    return found


def _nearest(rows: sp.csr_matrix, leaders: sp.csr_matrix) -> list[int]:
    return [int(group) for group in (rows @ leaders.T).toarray().argmax(axis=1)]
