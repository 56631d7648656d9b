"""A model that thinks before it answers: what it is told, what its examples show, and which part of it counts."""

import json
import re
from collections.abc import Mapping
from typing import Any

from data_contracts.candidate import Prompt

LEAST_TOKENS = 128  # thinking that is cut off gives no answer at all
IN_WORDS = (
    "Think step by step before you answer. Then end with one last line that reads `Answer: <the answer>`; "
    "only what follows it counts."
)
IN_JSON = "Think step by step in the field `reasoning` before you fill in `{key}`; only `{key}` counts."
# An example's answer is known and the way to it is not: a made-up one would teach something that nobody checked.
OF_EXAMPLES = "The examples leave the thinking out; you do not."
_DEFINITIONS = ("$defs", "definitions")
_OF_DOCUMENT = ("$schema", "$id")
_ANSWER = re.compile(r"^(?P<bold>[ \t>#*-]*)answer(?P<plain>\**)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_ALL_BOLD = re.compile(r"\*\*((?:(?!\*\*).)+)\*\*", re.DOTALL)


def instruction(prompt: Prompt, key: str) -> str:
    """The section `Reasoning:` of a prompt, empty where it wants none; `key` names the answer's field in JSON."""
    if not prompt.reasoning:
        return ""
    wanted = IN_JSON.format(key=key) if prompt.structured else IN_WORDS
    return f"{wanted} {OF_EXAMPLES}" if prompt.few_shot.count else wanted


def final_answer(text: str) -> str | None:
    """What follows the last line that starts with `Answer:`, whatever its case, bold or not; None without one."""
    lines = list(_ANSWER.finditer(text))
    if not lines:
        return None
    answer = text[lines[-1].end() :]
    if "**" in lines[-1]["bold"] and not lines[-1]["plain"]:  # **Answer:** X, or **Answer: X**
        answer = answer[2:] if answer.startswith("**") else answer.strip().removesuffix("**")
    whole = _ALL_BOLD.fullmatch(answer.strip())
    return (whole[1] if whole else answer).strip()


def with_reasoning(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    """JSON Schema of an object in which the reasoning comes first, and what `schema` describes after it.

    Definitions move to the top, where `#/$defs/...` finds them.
    """
    lifted = {name: schema[name] for name in _DEFINITIONS if name in schema}
    inner = {name: part for name, part in schema.items() if name not in (*_DEFINITIONS, *_OF_DOCUMENT)}
    return {
        "type": "object",
        "properties": {"reasoning": {"type": "string"}, key: inner},
        "required": ["reasoning", key],
        "additionalProperties": False,
        **lifted,
    }


def shown(answer: object, key: str) -> str:
    """An example's answer in the JSON form. Not canonical: sorted keys would put the answer before the reasoning."""
    return json.dumps({"reasoning": "", key: answer}, ensure_ascii=False, separators=(",", ":"))


def answer_in(value: object, key: str) -> object:
    """What a read JSON answer has under `key`; None where it is not of that form."""
    match value:
        case {"reasoning": str(), **rest} if rest.keys() == {key}:
            return rest[key]
    return None


def most_answer_tokens(prompt: Prompt, plain: float) -> float:
    """Tokens to reckon with for an answer that has `plain` of them: nobody knows how long thinking takes."""
    return float(prompt.decoding.max_tokens) if prompt.reasoning else plain
