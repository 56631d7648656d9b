"""A field's value with nothing but its schema to go by: what looks like it, near words that describe it."""

from collections.abc import Iterator, Sequence

import numpy as np

from tasks.providers.local.learning.features import words
from tasks.providers.local.learning.fields import Field
from tasks.providers.local.learning.renderings import render
from tasks.providers.local.learning.reply import Ranked
from tasks.providers.local.learning.softmax import softmax
from tasks.providers.local.learning.spans import Span, cut, dates, matches, numbers, things, tokens

_BEFORE, _AFTER = 6, 3  # tokens
_SHARPNESS = 3.0
_NOTHING_NEAR = 0.3  # what a value must beat where null is allowed


def guess(field: Field, question: str, others: Sequence[Field]) -> Ranked[object]:
    """Values that stand in the question, by how near the field's own words they stand."""
    telling = _telling_words(field, others)
    scores = {None: _NOTHING_NEAR} if field.nullable else {}
    for rendering, span in _spans(field, question):
        value = render(rendering, cut(question, span))
        if value is not None and field.accepts(value):
            scores[value] = max(scores.get(value, 0.0), _nearness(span, question, telling))
    chances = softmax(_SHARPNESS * np.array(list(scores.values()))).tolist() if scores else []
    return sorted(zip(scores, chances, strict=True), key=lambda one: -one[1])


def _spans(field: Field, question: str) -> Iterator[tuple[str, Span]]:
    for part in field.parts:
        if "pattern" in part:
            yield from (("verbatim", span) for span in matches(str(part["pattern"]), question))
        elif part.get("format") == "date":
            yield from (("date", span) for span in dates(question))
        elif field.types and field.types <= {"integer", "number"}:
            rendering = "whole" if field.types == {"integer"} else "number"
            yield from ((rendering, span) for span in numbers(question))
        elif not field.types or "string" in field.types:
            yield from (("verbatim", span) for span in things(question))


def _telling_words(field: Field, others: Sequence[Field]) -> dict[str, float]:
    """The field's words, less those of which other fields have as many."""
    said = [set(words(other.said)) for other in others]
    return {word: 1 / max(1, sum(word in one for one in said)) ** 2 for word in words(field.said)}


def _nearness(span: Span, question: str, telling: dict[str, float]) -> float:
    """Sum over the describing words around a span, each divided by its distance."""
    found = tokens(question)
    score = 0.0
    for at in range(max(0, span.first - _BEFORE), min(len(found), span.last + _AFTER + 1)):
        distance = max(span.first - at, 2 * (at - span.last), 1)
        score += sum(telling.get(word, 0.0) for word in words(found[at].text)) / distance
    return score
