"""A training file, which has been checked, as what the trainer learns from."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from tasks.providers.local.graders import AnyGrader, Case, MissingVariableError, StringCheck, leaves
from tasks.providers.local.learning.choices import options
from tasks.providers.local.learning.reader import Example, examples, read
from tasks.providers.local.learning.teaching import BetterAnswers, GradedAnswers, RightAnswers, Teaching
from tasks.providers.local.training_file import preference

Lines = Sequence[dict[str, Any]]
_JSON = "sample.output_json."


def read_lines(path: Path, most: int | None = None) -> Lines:
    """The first lines of a file, or all."""
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    return [orjson.loads(line) for line in lines[:most] if line.strip()]


def right_answers(lines: Lines) -> Teaching:
    """Every assistant message of weight 1, after the user's before it."""
    return RightAnswers([one for line in lines for one in examples(line["messages"])])


def better_answers(beta: float, lines: Lines) -> Teaching:
    """The preferred and the other answer of each line."""
    better, worse = [], []
    for asked, wanted, unwanted in map(preference, lines):
        question = read(asked, None).question
        better.append(Example(question, wanted[0]["content"]))
        worse.append(Example(question, unwanted[0]["content"]))
    return BetterAnswers(better, worse, beta)


def graded_answers(grader: AnyGrader, lines: Lines) -> Teaching:
    """Questions with the answer that the grader compares with, and the names that the prompts list."""
    grading = Grading(grader, [{name: value for name, value in line.items() if name != "messages"} for line in lines])
    lessons = [read(line["messages"], None) for line in lines]
    wanted = [grading.reference_answer(number) for number in range(len(lines))]
    listed = chain.from_iterable(options(said, set(wanted) - {""}) for said in {one.instructions for one in lessons})
    shown = [Example(lesson.question, answer) for lesson, answer in zip(lessons, wanted, strict=True)]
    return GradedAnswers(shown, grading.reward, list(dict.fromkeys(listed)))


class Grading:
    """A grader over the items of a file; what it has graded once it knows."""

    def __init__(self, grader: AnyGrader, items: Sequence[dict[str, Any]]) -> None:
        self._grader, self._items = grader, items
        self._known: dict[tuple[str, ...], float] = {}

    def reward(self, number: int, answer: str) -> float:
        """Of an answer to the item of that number; 0 where it cannot be graded."""
        case = Case(answer, self._items[number])
        try:
            key = (answer, *(case.fill(part) for leaf in leaves(self._grader) for part in (leaf.input, leaf.reference)))
            if key not in self._known:
                self._known[key] = self._grader.grade(case)
            return self._known[key]
        except (MissingVariableError, ValueError):
            return 0.0

    def reference_answer(self, number: int) -> str:
        """The answer that every comparison would be content with; "" where none says what is right."""
        case = Case("", self._items[number])
        wanted = [one for one in leaves(self._grader) if not (isinstance(one, StringCheck) and one.operation == "ne")]
        fields = {path: case.fill(one.reference) for one in wanted if (path := _json_path(one.input))}
        if fields:
            return json.dumps(fields, ensure_ascii=False)
        return case.fill(wanted[0].reference) if wanted else ""


def _json_path(template: str) -> str:
    """`intent` of `{{sample.output_json.intent}}`."""
    return template.strip("{} ").removeprefix(_JSON) if _JSON in template else ""
