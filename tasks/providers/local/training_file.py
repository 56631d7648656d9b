"""What a training file must be for each method, with the provider's messages for one that is not.

Shapes as of "Supervised fine-tuning", "Direct preference optimization" and "Reinforcement fine-tuning",
https://platform.openai.com/docs/guides/model-optimization, 2026-11. The older names `preferred_completion` and
`non_preferred_completion` are taken too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from tasks.providers.local.graders import AnyGrader, Case, MissingVariableError, leaves

MINIMUM = {"training_file": 10, "validation_file": 1}
ROLES = ("system", "developer", "user", "assistant")
_KEYS = {"role", "content", "name", "weight"}
_TOOLS = {"tools", "parallel_tool_calls", "functions", "function_call", "tool_calls"}
_NO_TOOLS = "it teaches to call tools (`{key}`), which this server's models cannot do"
Messages = list[dict[str, Any]]


class InvalidFileError(Exception):
    """Why a job fails in validation. Names lines, quotes nothing."""

    def __init__(self, code: str, message: str, param: str) -> None:
        super().__init__(code, message, param)
        self.code, self.message, self.param = code, message, param


class BadLineError(Exception):
    """What is wrong with a line."""


@dataclass(frozen=True)
class Contents:
    """What validation counted."""

    examples: int
    tokens: int


Shape = Callable[[dict[str, Any]], Messages]  # all messages of a line; raises BadLineError


def shape_of(method: str, grader: AnyGrader | None) -> Shape:
    """How a line of a method's file is read."""
    if method == "reinforcement" and grader:
        return partial(_graded, grader)
    return _preference if method == "dpo" else _chat


def preference(line: Mapping[str, Any]) -> tuple[Messages, Messages, Messages]:
    """Input, preferred and non-preferred messages of a line, under either name. Raises KeyError."""
    wanted, unwanted = (
        line[f"{name}_output"] if f"{name}_output" in line else line[f"{name}_completion"]
        for name in ("preferred", "non_preferred")
    )
    return line["input"]["messages"], wanted, unwanted


def read_training_file(path: Path, param: str, shape: Shape) -> Contents:
    """Check every line; `param` is `training_file` or `validation_file`. Raises InvalidFileError."""
    from tasks.providers.local.learner import count_tokens

    examples = tokens = 0
    for number, line in enumerate(_lines(path, param), start=1):
        try:
            messages = shape(_object(line))
        except BadLineError as problem:
            message = f"Invalid file format. Line {number}: {problem}."
            raise InvalidFileError("invalid_file_format", message, param) from None
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


def _object(line: bytes) -> dict[str, Any]:
    try:
        example = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BadLineError("it is not valid JSON") from None
    return example if isinstance(example, dict) else {}


def _chat(line: dict[str, Any]) -> Messages:
    messages = _messages(line, "messages")
    _no_more(line, {"messages"}, "besides `messages`")
    if messages[-1]["role"] != "assistant":
        raise BadLineError("the last message must be from the assistant")
    return messages


def _preference(line: dict[str, Any]) -> Messages:
    given = line.get("input")
    if not isinstance(given, dict):
        raise BadLineError("it must be an object with an object `input`")
    asked = _messages(given, "messages", "input.")
    _no_more(given, {"messages"}, "besides `messages` in `input`")
    names = [name if name in line else name.replace("output", "completion") for name in _OUTPUTS]
    answers = [_one_answer(line, name) for name in names]
    _no_more(line, {"input", *names}, f"besides `input`, `{names[0]}` and `{names[1]}`")
    if asked[-1]["role"] == "assistant":
        raise BadLineError("the last message of `input` must not be from the assistant")
    return [*asked, *answers]


_OUTPUTS = ("preferred_output", "non_preferred_output")


def _one_answer(line: dict[str, Any], name: str) -> dict[str, Any]:
    messages = _messages(line, name)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise BadLineError(f"`{name}` must be one message from the assistant")
    return messages[0]


def _graded(grader: AnyGrader, line: dict[str, Any]) -> Messages:
    messages = _messages(line, "messages")
    _no_tools(line)
    if messages[-1]["role"] != "user":
        raise BadLineError("the last message must be from the user")
    case = Case("", {name: value for name, value in line.items() if name != "messages"})
    for leaf in leaves(grader):
        try:
            case.fill(leaf.reference)
        except MissingVariableError as missing:
            raise BadLineError(f"the grader's reference needs `{missing}`, which it does not have") from None
    return messages


def _messages(within: dict[str, Any], name: str, place: str = "") -> Messages:
    found = within.get(name)
    if not isinstance(found, list) or not found:
        raise BadLineError(f"it must be an object with a non-empty list `{place}{name}`")
    problems = (f"message {number} {problem}" for number, one in enumerate(found, 1) if (problem := _fault_of(one)))
    if problem := next(problems, ""):
        raise BadLineError(problem if name == "messages" and not place else f"`{place}{name}`: {problem}")
    return found


def _no_more(line: dict[str, Any], known: set[str], where: str) -> None:
    _no_tools(line)
    if extra := set(line) - known:
        raise BadLineError(f"it has {len(extra)} key(s) {where}")


def _no_tools(line: dict[str, Any]) -> None:
    if taught := sorted(_TOOLS & set(line)):
        raise BadLineError(_NO_TOOLS.format(key=taught[0]))


def _fault_of(message: object) -> str:
    shown = message if isinstance(message, dict) else {}
    if shown.get("role") in ("tool", "function") or _TOOLS & set(shown):
        return "calls a tool or answers one, which this server's models cannot do"
    if shown.get("role") not in ROLES:
        return f"has an unknown role; roles are {', '.join(ROLES)}"
    return _fault_of_content(shown)


def _fault_of_content(message: dict[str, Any]) -> str:
    if not isinstance(message.get("content"), str) or not message["content"].strip():
        return "has empty content"
    if set(message) - _KEYS:
        return f"has an unknown key; keys are {', '.join(sorted(_KEYS))}"
    if message.get("weight", 1) not in (0, 1):
        return "has a weight that is neither 0 nor 1"
    return ""
