"""A JSON object as an answer: for each field what has been learnt, shown or said of it."""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tasks.providers.local.learning.choices import evidence, mixed, ranked
from tasks.providers.local.learning.copier import Copier, copy_head, taught
from tasks.providers.local.learning.features import Capacity
from tasks.providers.local.learning.fields import ABSENT, Field, as_object, fields_of_objects, fields_of_schema, nested
from tasks.providers.local.learning.guesses import guess
from tasks.providers.local.learning.learnt import Learnt
from tasks.providers.local.learning.reader import Example, Lesson, descriptions
from tasks.providers.local.learning.reply import Ranked, Stretch
from tasks.providers.local.learning.syllabus import ANSWER, LEAST_COPIED, field_examples, key_of, name_of, value_of

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
        shown = _shown(lesson.examples, tuple(map(name_of, self._fields)), capacity) if not learnt else None
        self._shown = shown.values(lesson.question) if shown else {}

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
        decided, shown = self._decisions_on(field), field_examples(field, self._lesson.examples)
        if name_of(field) in self._shown and not decided and not field.allowed:
            return self._shown[name_of(field)]
        values = (
            field.allowed
            or [*map(value_of, decided)]
            or [*map(value_of, dict.fromkeys(key_of(one) for _, one in shown))]
        )
        if not values:
            return guess(field, self._lesson.question, [other for other in self._fields if other is not field])
        keys = [key_of(value) for value in values]
        pairs = [(text, keys.index(key_of(value))) for text, value in shown if key_of(value) in keys]
        logits = evidence(self._lesson.question, self._said(field, values), pairs, self._capacity)
        return ranked(values, mixed(keys, logits, decided) if decided else logits)

    def _said(self, field: Field, values: Sequence[object]) -> list[str]:
        names = ["" if isinstance(value, bool) else str(value) for value in values]
        listed = dict(zip(names, descriptions(self._lesson.instructions, names), strict=True))
        return [
            "" if value in (None, ABSENT) else f"{listed.get(str(value), '')} {field.said_of(value)}"
            for value in values
        ]

    def _decisions_on(self, field: Field) -> dict[str, float]:
        """What was learnt of this field; failing that, of one whose values it shares."""
        if name_of(field) in self._decided:
            return self._decided[name_of(field)]
        allowed = {key_of(value) for value in field.allowed or ()}
        alike = (known for known in self._decided.values() if 2 * len(allowed & set(known)) > len(allowed))
        only = self._decided.get(ANSWER, {}) if len(self._fields) == 1 else {}
        return next(alike, only)


def _fields(lesson: Lesson, learnt: Learnt | None) -> list[Field]:
    """As the schema says; else as they were learnt, shown in examples, or sketched in the instructions."""
    instructions = lesson.instructions
    if demanded := fields_of_schema(lesson.schema or {}):
        return [field for field in demanded if field.path]
    if learnt and learnt.kind == "object":
        return learnt.fields
    objects = [value for example in lesson.examples if (value := as_object(example.answer))]
    if objects:
        return fields_of_objects(objects)
    if instructions.objects:
        return [Field((key,), {"description": f"{value}"}) for key, value in instructions.objects[-1].items()]
    return [Field((entry.name,), {"description": entry.description}) for entry in (instructions.lists or [()])[0]]


def _decided(learnt: Learnt | None, question: str) -> dict[str, dict[str, float]]:
    """Learnt decisions by the keys of their values."""
    if not learnt or learnt.kind == "text":
        return {}
    found = learnt.decisions(question)
    if learnt.kind == "choice":
        return {ANSWER: {key_of(value): chance for value, chance in found[ANSWER].items()}}
    return found


@lru_cache(maxsize=128)
def _shown(examples: tuple[Example, ...], names: tuple[str, ...], capacity: Capacity) -> Copier | None:
    """What the examples of a prompt show of copied fields."""
    cases = {name: field_examples(Field(tuple(json.loads(name))), examples) for name in names}
    heads = [head for name in names if (head := copy_head(name, cases[name], LEAST_COPIED))]
    values = (
        [{head.name: cases[head.name][at][1] for head in heads} for at in range(len(cases[names[0]]))] if heads else []
    )
    texts = [text for text, _ in cases[names[0]]] if heads else []
    return taught(list(zip(texts, values, strict=True)), heads, capacity) if heads else None


def _stretch(value: object, ranking: Ranked[object]) -> Stretch:
    shown = [(key_of(other), chance) for other, chance in ranking if other is not ABSENT]
    return Stretch(json.dumps(value, ensure_ascii=False), shown)
