"""A text as an answer: the one that a like input got, with the new input's values in it."""

import re
from collections.abc import Iterator, Mapping

from tasks.providers.local.learning.choices import closeness, ranked
from tasks.providers.local.learning.features import Capacity
from tasks.providers.local.learning.learnt import Learnt
from tasks.providers.local.learning.passages import Passage, passages
from tasks.providers.local.learning.reader import Lesson
from tasks.providers.local.learning.reply import Ranked
from tasks.providers.local.learning.shown import taught
from tasks.providers.local.learning.syllabus import slot_heads

_SHARPNESS = 16.0
_QUOTED = re.compile(r"[\"“]([^\"“”]{3,}?)[\"”]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def texts(lesson: Lesson, learnt: Learnt | None, capacity: Capacity) -> Ranked[str]:
    """Candidates, best first: by what was learnt, else by the examples shown, else from the instructions."""
    question = lesson.question
    if learnt and learnt.kind == "text":
        return _filled(learnt.nearest_passages(question), question, learnt.copier.values(question))
    if not lesson.examples:
        return _composed(lesson, capacity)
    found = passages([(example.text, example.answer) for example in lesson.examples], least=1)
    close = closeness(question, [passage.text for passage in found], capacity)
    heads = slot_heads(found)
    copier = taught([(passage.text, dict[str, object](passage.slots)) for passage in found], heads, capacity)
    return _filled(ranked(found, [_SHARPNESS * one for one in close]), question, copier.values(question))


def _filled(found: Ranked[Passage], question: str, values: Mapping[str, Ranked[object]]) -> Ranked[str]:
    """Each passage with this question's values; one that cannot be filled well counts less."""
    chances: dict[str, float] = {}
    for passage, chance in found:
        text, fit = passage.filled(question, values)
        chances[text] = chances.get(text, 0.0) + chance * fit
    total = sum(chances.values()) or 1.0
    return sorted(((text, chance / total) for text, chance in chances.items()), key=lambda one: -one[1])


def _composed(lesson: Lesson, capacity: Capacity) -> Ranked[str]:
    """Phrases that the instructions quote, around the sentence of the question that is most like the instructions."""
    sentences = list(filter(None, map(str.strip, _SENTENCE_END.split(lesson.question)))) or [lesson.question]
    phrases = list(_phrases(lesson.instructions.sentences))
    said = " ".join(lesson.instructions.sentences)
    logits = [_SHARPNESS * one for one in closeness(said, sentences, capacity)]
    opening, ending = phrases[:1], phrases[1:]
    return [(" ".join([*opening, one, *ending]), chance) for one, chance in ranked(sentences, logits)]


def _phrases(sentences: tuple[str, ...]) -> Iterator[str]:
    for sentence in sentences:
        yield from _QUOTED.findall(sentence)
