"""What a request teaches: instructions and the lists in them, example pairs, the schema of the answer, the question."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

JsonSchema = dict[str, Any]

_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(?P<entry>\S.*)$")
_KEYED = re.compile(r"^\s*(?P<entry>[\w`\"'*][^:]{0,60}:\s+\S.*)$")
_SEPARATOR = re.compile(r"\s*:\s+|\s+[-–—]\s+")
_INLINE = re.compile(r":\s+(?P<names>[^:]+?)\s*\.?$")
_BETWEEN_NAMES = re.compile(r"\s*\|\s*|\s*,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_MARKS = " \t`\"'*"
_LONGEST_NAME = 6  # words; what is longer is a sentence


@dataclass(frozen=True)
class Example:
    """An input and the answer it got."""

    text: str
    answer: str


@dataclass(frozen=True)
class Entry:
    """One line of a list: what is named and, if anything, what is said of it."""

    name: str
    description: str = ""


@dataclass(frozen=True)
class Instructions:
    """What is said besides the question: lists of names, JSON objects, and the sentences outside of lists."""

    lists: tuple[tuple[Entry, ...], ...] = ()
    objects: tuple[JsonSchema, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """All that a request says. `schema` is None where no JSON is demanded, {} where any object will do."""

    instructions: Instructions
    examples: tuple[Example, ...]
    question: str
    schema: JsonSchema | None


def read(messages: Sequence[Mapping[str, Any]], response_format: Mapping[str, Any] | None) -> Lesson:
    """Take a request apart."""
    system = "\n\n".join(_content(one) for one in messages if one["role"] in ("system", "developer"))
    question = next((_content(one) for one in reversed(messages) if one["role"] == "user"), "")
    return Lesson(instructions_in(system), tuple(examples(messages)), question, schema_in(response_format))


def self_instructed(lesson: Lesson) -> Lesson:
    """Where nothing else teaches, the bullet lists of the question are instructions, and the rest is the question."""
    if lesson.examples or lesson.instructions != instructions_in(""):
        return lesson
    lines = lesson.question.splitlines()
    listed = [line for line in lines if _BULLET.match(line)]
    rest = "\n".join(line for line in lines if line not in listed).strip()
    return replace(lesson, instructions=instructions_in("\n".join(listed)), question=rest or lesson.question)


def examples(messages: Sequence[Mapping[str, Any]]) -> Iterator[Example]:
    """Each assistant turn of non-zero weight, with the user turn before it."""
    question = ""
    for message in messages:
        if message["role"] == "user":
            question = _content(message)
        elif message["role"] == "assistant" and message.get("weight", 1) and _content(message):
            yield Example(question, _content(message))


@lru_cache(maxsize=512)
def instructions_in(text: str) -> Instructions:
    """Find lists of names, JSON objects and sentences in a text."""
    blocks = list(_blocks(text))
    lists = [tuple(map(_entry, block)) for block in blocks if _names_things(block)]
    prose = chain.from_iterable(block for block in blocks if not _names_things(block))
    sentences = chain.from_iterable(_SENTENCE_END.split(line) for line in prose)
    inline = [names for block in blocks if len(block) == 1 and len(names := _inline_names(block[0])) > 1]
    return Instructions((*lists, *inline), tuple(_objects(text)), tuple(filter(None, sentences)))


def descriptions(instructions: Instructions, names: Sequence[str]) -> dict[str, str]:
    """For each name: itself, what lists say of it, and the sentences that name it and no other."""
    listed = {entry.name: entry.description for entry in chain.from_iterable(instructions.lists)}
    said = {name: f"{name} {listed.get(name, '')}" for name in names}
    patterns = {name: re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") for name in names}
    for sentence in instructions.sentences:
        named = [name for name in names if name in sentence and patterns[name].search(sentence)]
        if len(named) == 1:
            said[named[0]] += " " + sentence
    return said


def _content(message: Mapping[str, Any]) -> str:
    return message.get("content") or ""


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines that form a list together; any other line by itself."""
    block: list[str] = []
    for line in text.splitlines():
        found = _BULLET.match(line) or _KEYED.match(line)
        if found:
            block.append(found["entry"].strip())
            continue
        yield block
        yield [line.strip()]
        block = []
    yield block


def _names_things(block: Sequence[str]) -> bool:
    """Whether a block is a list of names, as opposed to rules."""
    names = [_entry(line).name for line in block]
    short = [len(name.split()) <= _LONGEST_NAME and not name.endswith((".", "!", "?")) for name in names]
    return len(block) > 1 and sum(short) >= 0.9 * len(short)


def _entry(line: str) -> Entry:
    name, *description = _SEPARATOR.split(line, maxsplit=1)
    return Entry(name.strip(_MARKS), description[0].strip() if description else "")


def _inline_names(line: str) -> tuple[Entry, ...]:
    found = _INLINE.search(line)
    names = [name.strip(_MARKS) for name in _BETWEEN_NAMES.split(found["names"])] if found else []
    short = all(name and len(name.split()) <= _LONGEST_NAME for name in names)
    return tuple(map(Entry, names)) if short else ()


def _objects(text: str) -> Iterator[JsonSchema]:
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value, end = None, start + 1
        if isinstance(value, dict) and value:
            yield value
        start = text.find("{", end)


def schema_in(response_format: Mapping[str, Any] | None) -> JsonSchema | None:
    """The schema of the answer: None where no JSON is demanded, {} where any object will do."""
    if not response_format or response_format.get("type") not in ("json_object", "json_schema"):
        return None
    return (response_format.get("json_schema") or {}).get("schema") or {}
