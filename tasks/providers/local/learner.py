"""Answers of the embedded provider's models. No language model: it knows the prompt, and what a tune has learnt."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from tasks.providers.local.learning.choices import closeness, evidence, mixed, options, ranked
from tasks.providers.local.learning.features import capacity_of
from tasks.providers.local.learning.learnt import load
from tasks.providers.local.learning.objects import ObjectAnswer, Pick
from tasks.providers.local.learning.reader import Lesson, descriptions, read, self_instructed
from tasks.providers.local.learning.reasoning import thinking, thought
from tasks.providers.local.learning.reply import Ranked, Reply, Stretch, count_tokens, draw, spell
from tasks.providers.local.learning.syllabus import ANSWER, Kind, kind_of
from tasks.providers.local.learning.texts import texts

__all__ = ["Answerer", "Reply", "count_tokens"]


class Answerer:
    """A base model, or a tuned model in its folder. Holds no state between answers, so threads may share it."""

    def __init__(self, base: str, tuned: Path | None) -> None:
        self._learnt = load(tuned) if tuned else None
        self._capacity = self._learnt.capacity if self._learnt else capacity_of(base)

    def answer(
        self,
        messages: Sequence[Mapping[str, str]],
        response_format: Mapping[str, Any] | None,
        temperature: float,
        seed: int | None,
    ) -> Reply:
        """Answer the last user message. The same request and seed give the same answer; no seed, a fresh draw."""
        pick = partial(draw, temperature=temperature, generator=_generator(messages, response_format, seed))
        messages, think = thinking(messages, response_format)
        lesson = read(messages, response_format)
        if think is None:
            return spell(self._answered(lesson, pick))
        plain = think.plain(lesson)
        answered = self._answered(plain, pick)
        return spell(think.written(thought(plain, answered), answered))

    def _answered(self, lesson: Lesson, pick: Pick) -> list[Stretch]:
        lesson = lesson if self._learnt else self_instructed(lesson)
        kind = self._kind(lesson)
        if kind == "object":
            return ObjectAnswer(lesson, self._learnt, self._capacity).stretches(pick)
        candidates = self._choices(lesson) if kind == "choice" else texts(lesson, self._learnt, self._capacity)
        return [Stretch(pick(candidates), candidates)]

    def _kind(self, lesson: Lesson) -> Kind:
        """As the response format says; else as learnt, as the examples show, or as the instructions list or sketch."""
        if lesson.schema is not None:
            return "object"
        if self._learnt:
            return self._learnt.kind
        if lesson.examples:
            return kind_of(lesson.examples, few=True)
        if lesson.instructions.objects:
            return "object"
        return "choice" if options(lesson.instructions, ()) else "text"

    def _choices(self, lesson: Lesson) -> Ranked[str]:
        """The names that the prompt lists, else those learnt, and any other that its examples show."""
        learnt = self._learnt.decisions(lesson.question)[ANSWER] if self._learnt else {}
        shown = [(example.text, example.answer.strip()) for example in lesson.examples]
        listed = options(lesson.instructions, {*learnt, *(answer for _, answer in shown)})
        names = list(dict.fromkeys([*(listed or learnt), *(answer for _, answer in shown)]))
        if learnt and not listed and not shown:
            return sorted(learnt.items(), key=lambda one: -one[1])
        close = closeness(lesson.question, [text for text, _ in shown], self._capacity)
        pairs = [(one, names.index(answer)) for one, (_, answer) in zip(close, shown, strict=True)]
        said = list(descriptions(lesson.instructions, names).values())
        logits = evidence(lesson.question, said, pairs, self._capacity)
        return ranked(names, mixed(names, logits, learnt) if learnt else logits)


def _generator(messages: object, response_format: object, seed: int | None) -> random.Random:
    if seed is None:
        return random.Random()  # noqa: S311 - a draw, not a secret
    request = orjson.dumps([messages, response_format, seed])
    return random.Random(hashlib.sha256(request).digest())  # noqa: S311
