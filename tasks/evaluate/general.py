"""Tasks that a tune must not forget: the same ones for it and for its base model, with none of the prompts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_contracts.evaluation import General
from data_contracts.evidence import GeneralScore
from tasks.errors import ConfigurationError
from tasks.evaluate.answer import Answer, Question, request_hash
from tasks.evaluate.comparison import statistics
from tasks.evaluate.scores.lines import read_lines
from tasks.evaluate.scores.shares import paired_difference

AT_THE_ENDS = " .,;:!?…\"'`*“”‘’«»()"  # no sign, bracket or unit that an answer may consist of


class Turn(BaseModel):
    """One message of a task."""

    model_config = ConfigDict(frozen=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: str = Field(min_length=1)


class GeneralTask(BaseModel):
    """One line of the set: `messages`, or `input` alone, and the answer that is right."""

    model_config = ConfigDict(frozen=True)
    messages: tuple[Turn, ...] = ()
    input: str = ""
    expected: str

    @property
    def turns(self) -> list[dict[str, str]]:
        """What a model is asked."""
        return [turn.model_dump() for turn in self.messages] or [{"role": "user", "content": self.input}]

    @model_validator(mode="after")
    def _asks_and_can_be_checked(self) -> Self:
        if bool(self.messages) == bool(self.input.strip()):
            raise ValueError("needs either messages or input")
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("the last of messages is not the user's")
        if not normalised(self.expected):
            raise ValueError("expected is empty, or punctuation only")
        return self


Tasks = Mapping[str, GeneralTask]  # by id


@dataclass(frozen=True)
class Tuned:
    """A tune by the name of its candidate, by the one that requests ask for, and its base model."""

    candidate: str
    model: str
    base_model: str


def read_tasks(content: bytes, file: str) -> dict[str, GeneralTask]:
    """The set by id. ConfigurationError names file and line of what is wrong, or of what is asked twice."""
    first: dict[bytes, int] = {}
    records = read_lines(content, file, GeneralTask)
    for line, task in records.items():
        earlier = first.setdefault(orjson.dumps(task.turns), line)
        if earlier != line:
            raise ConfigurationError(f"{file}, line {line}", f"asks what line {earlier} asks", "Drop one of the two.")
    return {f"line {line}": task for line, task in records.items()}


def questions(
    tasks: Tasks, models: Iterable[str], settings: General, identity: str, endpoint: str = ""
) -> list[Question]:
    """Every task for every model once, a tune and its base model alike. `identity`: of the provider at the endpoint."""
    return [
        Question(model, model, task_id, body, request_hash(identity, body), endpoint)
        for model in dict.fromkeys(models)
        for task_id, task in tasks.items()
        for body in [_body(model, task, settings.max_tokens)]
    ]


def general_score(tasks: Tasks, answers: Sequence[Answer], settings: General, tuned: Tuned) -> GeneralScore | None:
    """The tune beside its base model on the tasks that both were asked; whatever is not an answer is wrong.

    A task at which either request failed tells nothing and is left out; None where none is left.
    """
    tune, base = (_right(tasks, answers, settings, model) for model in (tuned.model, tuned.base_model))
    both = sorted(tune.keys() & base.keys())
    if not both:
        return None
    one, other = (np.array([right[task] for task in both], dtype=np.float64) for right in (tune, base))
    return GeneralScore(
        candidate=tuned.candidate,
        base_model=tuned.base_model,
        cases=len(both),
        score=statistics.share_interval(int(one.sum()), len(both)),
        base=statistics.share_interval(int(other.sum()), len(both)),
        difference=paired_difference(one, other),
    )


def is_right(output: str, expected: str, match: Literal["exact", "contains"]) -> bool:
    """Whether the answer is the expected text, or has it among its words; case, space and outer punctuation aside."""
    given, wanted = normalised(output), normalised(expected)
    if match == "exact":
        return given == wanted
    # On its own: neither within a word, nor a number's part (12 in 12.5 or -12).
    return re.search(rf"(?<![\w-])(?<!\d[.,]){re.escape(wanted)}(?!\w|[.,]\d)", given) is not None


def normalised(text: str) -> str:
    """Case folded, one space between words, no punctuation at the ends."""
    return " ".join(text.casefold().split()).strip(AT_THE_ENDS)


def _body(model: str, task: GeneralTask, max_tokens: int) -> bytes:
    return orjson.dumps({"model": model, "messages": task.turns, "temperature": 0, "max_tokens": max_tokens})


def _right(tasks: Tasks, answers: Sequence[Answer], settings: General, model: str) -> dict[str, bool]:
    """Whether one model is right, by task."""
    return {
        answer.case: answer.outcome == "answered"
        and is_right(answer.output, tasks[answer.case].expected, settings.match)
        for answer in answers
        if answer.candidate == model and answer.outcome != "failed"
    }
