"""A JSON object as an answer: for each field what has been learnt, shown or said of it."""

import json
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tasks.providers.local.learning.choices import closeness, evidence, mixed, ranked
from tasks.providers.local.learning.features import Capacity
from tasks.providers.local.learning.fields import (
    ABSENT,
    Absent,
    Field,
    as_object,
    fields_of_objects,
    fields_of_schema,
    nested,
)
from tasks.providers.local.learning.guesses import guess, together
from tasks.providers.local.learning.learnt import Learnt
from tasks.providers.local.learning.reader import Example, Lesson, descriptions
from tasks.providers.local.learning.renderings import copies
from tasks.providers.local.learning.reply import Ranked, Stretch
from tasks.providers.local.learning.shown import shown_copier
from tasks.providers.local.learning.syllabus import ANSWER, field_examples, key_of, name_of, value_of

_MOST = 100  # learnt values of a field that are looked at
_NAMED = 4.0  # logit for a value that stands in the question
Pick = Callable[[Ranked[Any]], Any]
_MARK = "\ue000"  # private use: stands for a value while its object is written
_MARKED = re.compile(f'"{_MARK}(\\d+){_MARK}"')


class ObjectAnswer:
    """The answer to one request, field by field."""

    def __init__(self, lesson: Lesson, learnt: Learnt | None, capacity: Capacity) -> None:
        self._lesson, self._learnt, self._capacity = lesson, learnt, capacity
        self._fields = _fields(lesson, learnt)
        self._decided = _decided(learnt, lesson.question)
        self._copied = learnt.copier.values(lesson.question) if learnt else {}
        inputs = list({example.text for example in lesson.examples})
        self._close = dict(zip(inputs, closeness(lesson.question, inputs, capacity), strict=True))
        copier = shown_copier(lesson.examples, tuple(self._fields), capacity) if not learnt else None
        self._shown = copier.values(lesson.question) if copier else {}

    def stretches(self, pick: Pick) -> list[Stretch]:
        """The object as JSON; each value can be told from what might have stood there."""
        ranking = [self.candidates(field) for field in self._fields]
        picked = [pick(candidates) for candidates in ranking]
        marked = [value if value is ABSENT else f"{_MARK}{at}{_MARK}" for at, value in enumerate(picked)]
        paths = [field.path for field in self._fields]
        written = json.dumps(nested(dict(zip(paths, marked, strict=True))), ensure_ascii=False)
        return [
            _stretch(picked[int(part)], ranking[int(part)]) if at % 2 else Stretch(part)
            for at, part in enumerate(_MARKED.split(written))
        ]

    def candidates(self, field: Field) -> Ranked[object]:
        """Values that the schema accepts, best first."""
        found = self._copied.get(name_of(field)) or self._chosen(field)
        found = [
            (ABSENT if value is None and not field.required and not field.nullable else value, chance)
            for value, chance in found
        ]
        return [one for one in found if field.accepts(one[0])] or [(field.default(), 1.0)]

    def _chosen(self, field: Field) -> Ranked[object]:
        decided = self._decisions_on(field)
        shown = field_examples(field, self._lesson.examples)
        if decided and not field.allowed and not shown:
            return ranked(list(map(value_of, decided)), list(map(math.log, decided.values())))
        if decided or field.allowed:
            return self._choice(field, field.allowed or list(map(value_of, decided)), shown, decided)
        others = [other for other in self._fields if other is not field]
        guessed = guess(field, self._lesson.question, others) if field.has_looks or not shown else []
        values = [value_of(key) for key in dict.fromkeys(key_of(value) for _, value in shown)]
        found = self._shown.get(name_of(field)) or (self._choice(field, values, shown, {}) if values else [])
        return together(found, guessed) if found and guessed else found or guessed

    def _choice(
        self, field: Field, values: Sequence[object], shown: Sequence[tuple[str, object]], decided: dict[str, float]
    ) -> Ranked[object]:
        keys = [key_of(value) for value in values]
        pairs = [(self._close[text], keys.index(key_of(value))) for text, value in shown if key_of(value) in keys]
        logits = evidence(self._lesson.question, self._said(field, values), pairs, self._capacity)
        if decided:
            return ranked(values, mixed(keys, logits, decided))
        named = [any(True for _ in copies(value, self._lesson.question)) for value in values]
        return ranked(values, [logit + _NAMED * one for logit, one in zip(logits, named, strict=True)])

    def _said(self, field: Field, values: Sequence[object]) -> list[str]:
        names = [str(value) for value in values if value is not None and not isinstance(value, bool | Absent)]
        listed = descriptions(self._lesson.instructions, names)
        return [f"{listed.get(str(value), '')} {field.said_of(value)}".strip() for value in values]

    def _decisions_on(self, field: Field) -> dict[str, float]:
        """What was learnt of this field; failing that, of one whose values it shares."""
        if name_of(field) in self._decided:
            return self._decided[name_of(field)]
        allowed = {key_of(value) for value in field.allowed or ()}
        alike = (known for known in self._decided.values() if 2 * len(allowed & set(known)) > len(allowed))
        only = self._decided.get(ANSWER, {}) if len(self._fields) == 1 else {}
        return next(alike, only)


def _fields(lesson: Lesson, learnt: Learnt | None) -> Sequence[Field]:
    """As the schema says; else as they were learnt, shown in examples, or sketched in the instructions."""
    instructions = lesson.instructions
    if demanded := fields_of_schema(lesson.schema or {}):
        return demanded
    if learnt and learnt.kind == "object":
        return learnt.fields
    if shown := _fields_shown(lesson.examples):
        return shown
    if instructions.objects:
        return [Field((key,), {"description": f"{value}"}) for key, value in instructions.objects[-1].items()]
    if instructions.lists and not learnt:
        return [Field((entry.name,), {"description": entry.description}) for entry in instructions.lists[0]]
    return [Field((ANSWER,))]


@lru_cache(maxsize=128)
def _fields_shown(examples: tuple[Example, ...]) -> tuple[Field, ...]:
    return tuple(fields_of_objects([value for example in examples if (value := as_object(example.answer))]))


def _decided(learnt: Learnt | None, question: str) -> dict[str, dict[str, float]]:
    """Learnt decisions by the keys of their values."""
    if not learnt or learnt.kind == "text":
        return {}
    found = learnt.decisions(question)
    if learnt.kind == "choice":
        return {ANSWER: _best({key_of(value): chance for value, chance in found[ANSWER].items()})}
    return {name: _best(chances) for name, chances in found.items()}


def _best(chances: dict[str, float]) -> dict[str, float]:
    return dict(sorted(chances.items(), key=lambda one: -one[1])[:_MOST])


def _stretch(value: object, ranking: Ranked[object]) -> Stretch:
    shown = [(key_of(other), chance) for other, chance in ranking if other is not ABSENT]
    return Stretch(json.dumps(value, ensure_ascii=False), shown)
