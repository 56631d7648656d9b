"""What a training file must be, with the provider's messages for one that is not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

MINIMUM = {"training_file": 10, "validation_file": 1}
ROLES = ("system", "developer", "user", "assistant")
_KEYS = {"role", "content", "name", "weight"}


class InvalidFileError(Exception):
    """Why a job fails in validation. Names lines, quotes nothing."""

    def __init__(self, code: str, message: str, param: str) -> None:
        super().__init__(code, message, param)
        self.code, self.message, self.param = code, message, param


@dataclass(frozen=True)
class Contents:
    """What validation counted."""

    examples: int
    tokens: int


def read_training_file(path: Path, param: str) -> Contents:
    """Check every line; `param` is `training_file` or `validation_file`. Raises InvalidFileError."""
    from tasks.providers.local.learner import count_tokens

    examples = tokens = 0
    for number, line in enumerate(_lines(path, param), start=1):
        problem, messages = _read_example(line)
        if problem:
            raise InvalidFileError("invalid_file_format", f"Invalid file format. Line {number}: {problem}.", param)
        examples += 1
        tokens += sum(count_tokens(message["content"]) for message in messages)
    if examples < MINIMUM[param]:
        name = param.replace("_", " ").capitalize()
        wanted = f"at least {MINIMUM[param]} example{'s' * (MINIMUM[param] > 1)}"
        raise InvalidFileError("invalid_n_examples", f"{name} has {examples} example(s), but must have {wanted}", param)
    return Contents(examples, tokens)


def _lines(path: Path, param: str) -> list[bytes]:
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except FileNotFoundError:
        raise InvalidFileError("file_not_found", "The file was deleted before the job could read it.", param) from None
    return content.removesuffix(b"\n").split(b"\n") if content.strip() else []


def _read_example(line: bytes) -> tuple[str, list[dict[str, Any]]]:
    """(what is wrong or "", the messages)."""
    try:
        example = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "it is not valid JSON", []
    if not isinstance(example, dict) or not isinstance(example.get("messages"), list) or not example["messages"]:
        return "it must be an object with a non-empty list `messages`", []
    if extra := sorted(set(example) - {"messages"}):
        return f"it has {len(extra)} key(s) besides `messages`", []
    problems = (f"message {n} {found}" for n, one in enumerate(example["messages"], 1) if (found := _fault_of(one)))
    if problem := next(problems, ""):
        return problem, []
    if example["messages"][-1]["role"] != "assistant":
        return "the last message must be from the assistant", []
    return "", example["messages"]


def _fault_of(message: object) -> str:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        return f"has an unknown role; roles are {', '.join(ROLES)}"
    if not isinstance(message.get("content"), str) or not message["content"].strip():
        return "has empty content"
    if set(message) - _KEYS:
        return f"has an unknown key; keys are {', '.join(sorted(_KEYS))}"
    if message.get("weight", 1) not in (0, 1):
        return "has a weight that is neither 0 nor 1"
    return ""
