"""Thinking before answering, where a request asks for it: in a section of its instructions, or in its schema.

The model has no thoughts. What it writes down is what its answer rests on: how probable it found it, and the words that
speak for it. Underneath it answers the same request without the reasoning.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.providers.local.learning.features import words
from tasks.providers.local.learning.fields import as_object
from tasks.providers.local.learning.reader import Example, JsonSchema, Lesson, descriptions, schema_in
from tasks.providers.local.learning.reply import Stretch, spell
from tasks.providers.local.learning.syllabus import ANSWER

REASONING = "reasoning"
WRAPPED = "answer"  # property that holds an object of its own, beside the reasoning
_SECTION = re.compile(r"(?m)^Reasoning:[ \t]*\n(?P<said>(?:[^\n]*\S[^\n]*(?:\n|\Z))+)")
_LEAD = re.compile(r"(?m)^Answer:[ \t]*")
_TELLING = 3  # words that are quoted


@dataclass(frozen=True)
class Thinking:
    """How the reasoning is to be written: before a line `Answer:`, or as the first property of an object."""

    key: str = ""  # the property beside the reasoning; empty: no object is asked for

    def plain(self, lesson: Lesson) -> Lesson:
        """The same request for the answer alone."""
        shown = tuple(Example(one.text, self._answer_in(one.answer)) for one in lesson.examples)
        return replace(lesson, examples=shown, schema=_without(lesson.schema, self.key) if self.key else lesson.schema)

    def written(self, thought: str, answer: Sequence[Stretch]) -> list[Stretch]:
        """The answer with its reasoning in front. Only the answer's own words could have been others."""
        if not self.key:
            return [Stretch(f"{thought}\nAnswer: "), *answer]
        opening = f'{{"{REASONING}": {json.dumps(thought, ensure_ascii=False)}, '
        if self.key == WRAPPED:
            return [Stretch(f'{opening}"{WRAPPED}": '), *answer, Stretch("}")]
        return [Stretch(opening + answer[0].text.removeprefix("{")), *answer[1:]]

    def _answer_in(self, text: str) -> str:
        """What follows the reasoning in an example."""
        whole = as_object(text) or {}
        if not self.key:
            return _LEAD.split(text)[-1].strip()
        if self.key == WRAPPED:
            return json.dumps(whole[WRAPPED], ensure_ascii=False) if isinstance(whole.get(WRAPPED), dict) else text
        kept = {key: value for key, value in whole.items() if key != REASONING}
        return json.dumps(kept, ensure_ascii=False) if whole else text


def thinking(
    messages: Sequence[Mapping[str, Any]], response_format: Mapping[str, Any] | None
) -> tuple[Sequence[Mapping[str, Any]], Thinking | None]:
    """The messages without what asks for reasoning, and how it is to be written; None where nobody asks."""
    schema = schema_in(response_format)
    key = _beside_reasoning(schema)
    sections = [_SECTION.search(_instructions(message)) for message in messages]
    asked = schema is None and any(found and "Answer:" in found["said"] for found in sections)
    if not key and not asked:
        return messages, None
    kept = [
        {**message, "content": _SECTION.sub("", _instructions(message)).rstrip()} if found else message
        for message, found in zip(messages, sections, strict=True)
    ]
    return kept, Thinking(key)


def thought(lesson: Lesson, answer: Sequence[Stretch]) -> str:
    """Two sentences on an answer: how probable it was found, and the words that it or what is said of it shares."""
    reply = spell(answer)
    chance = math.exp(math.fsum(logprob for _, logprob, _ in reply.tokens))
    values = [str(value) for value in (as_object(reply.text) or {ANSWER: reply.text}).values()]
    shown = (one.text for one in lesson.examples if one.answer.strip() == reply.text)
    known = set(words(" ".join([*descriptions(lesson.instructions, values).values(), *shown])))
    shared = [word for word in dict.fromkeys(words(lesson.question)) if word in known and word.isalpha()]
    telling = ", ".join(f'"{word}"' for word in sorted(shared, key=len, reverse=True)[:_TELLING])
    why = f"The text has {telling}, which speaks for it." if telling else "No single word of the text decides it."
    return f"Of the possible answers one fits best, with a probability of {chance:.2f}. {why}"


def _instructions(message: Mapping[str, Any]) -> str:
    said = message.get("content") or ""
    return said if message["role"] in ("system", "developer") else ""


def _beside_reasoning(schema: JsonSchema | None) -> str:
    """The one property beside `reasoning`, if that is all that a schema has; an `answer` must be an object."""
    properties = (schema or {}).get("properties")
    if not isinstance(properties, dict) or set(properties) not in ({REASONING, "label"}, {REASONING, WRAPPED}):
        return ""
    key = next(name for name in properties if name != REASONING)
    is_object = isinstance(properties[key], dict) and properties[key].get("type") == "object"
    return key if next(iter(properties)) == REASONING and (key != WRAPPED or is_object) else ""


def _without(schema: JsonSchema | None, key: str) -> JsonSchema:
    """The schema of the answer alone."""
    whole = schema or {}
    if key == WRAPPED:
        shared = {name: whole[name] for name in ("$defs", "definitions") if name in whole}
        return {**shared, **whole["properties"][WRAPPED]}
    return {**whole, "properties": {key: whole["properties"][key]}, "required": [key]}
