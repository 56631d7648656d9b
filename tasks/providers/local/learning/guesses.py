"""A field's value with nothing but its schema to go by: what looks like it, near words that describe it."""

import math
from collections.abc import Iterator, Sequence

from tasks.providers.local.learning.choices import ranked
from tasks.providers.local.learning.features import words
from tasks.providers.local.learning.fields import Field
from tasks.providers.local.learning.renderings import number, render
from tasks.providers.local.learning.reply import Ranked
from tasks.providers.local.learning.spans import Span, cut, dates, matches, things, tokens

_BEFORE, _AFTER = 6, 3  # tokens around a value in which describing words count
_SHARPNESS = 3.0  # logit of one describing word right beside a value
_LOOKS = 1.0  # what a pattern or date format that fits counts, in describing words
_SILENT = 0.02  # probability of a value that one side does not have
_NOTHING_NEAR = 0.3  # what a value must beat where null is allowed


def guess(field: Field, question: str, others: Sequence[Field]) -> Ranked[object]:
    """Values that stand in the question, by how near the field's own words they stand."""
    telling = _telling_words(field, others)
    scores: dict[object, float] = {None: _NOTHING_NEAR} if field.nullable else {}
    for rendering, span, looks in _spans(field, question):
        value = render(rendering, cut(question, span))
        if value is not None and field.accepts(value):
            scores[value] = max(scores.get(value, 0.0), looks + _nearness(span, question, telling))
    return ranked(list(scores), [_SHARPNESS * score for score in scores.values()]) if scores else []


def together(shown: Ranked[object], guessed: Ranked[object]) -> Ranked[object]:
    """What examples and what a schema speak for, as one: probabilities multiplied, where one is silent a small one."""
    one, other = dict(shown), dict(guessed)
    values = list({**one, **other})
    return ranked(values, [math.log(one.get(value, _SILENT)) + math.log(other.get(value, _SILENT)) for value in values])


def _spans(field: Field, question: str) -> Iterator[tuple[str, Span, float]]:
    """Rendering, span, and how much it alone speaks for a value that the schema fixes its looks."""
    for part in field.parts:
        if "pattern" in part:
            yield from (("verbatim", span, _LOOKS) for span in matches(str(part["pattern"]), question))
        elif part.get("format") == "date":
            yield from (("date", span, _LOOKS) for span in dates(question))
        elif field.types and field.types <= {"integer", "number"}:
            rendering = "whole" if field.types == {"integer"} else "number"
            yield from ((rendering, span, 0.0) for span in things(question) if number(cut(question, span)) is not None)
        elif not field.types or "string" in field.types:
            yield from (("verbatim", span, 0.0) for span in things(question))


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
