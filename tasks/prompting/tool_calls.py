"""Tool calls as the text of an answer: the one form in which they are stored, compared and sent again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data_contracts.text import canonical_json

Message = dict[str, Any]
_START = '{"tool_calls":[{"arguments":'  # of canonical JSON: keys are sorted


def as_text(calls: Sequence[Mapping[str, Any]]) -> str:
    """`{"tool_calls": [{"arguments", "name"}]}` of a message's calls, in their order and without ids.

    Arguments that are not JSON stay the text that they are: such an answer cannot be read.
    """
    functions = [call["function"] for call in calls]
    plain = [{"name": function["name"], "arguments": _parsed(function["arguments"])} for function in functions]
    return canonical_json({"tool_calls": plain})


def is_calls(text: str) -> bool:
    """Whether an answer's text stands for tool calls."""
    return text.startswith(_START)


def readable(text: str) -> str | None:
    """The text of tool calls as it is compared; None where arguments are no JSON object."""
    try:
        answer = json.loads(text)
        return (
            canonical_json(answer)
            if all(isinstance(call["arguments"], dict) for call in answer["tool_calls"])
            else None
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def as_message(answer: str) -> Message:
    """The assistant's message that an answer's text stands for."""
    if not is_calls(answer):
        return {"role": "assistant", "content": answer}
    calls = json.loads(answer)["tool_calls"]
    return {"role": "assistant", "tool_calls": [_wire(number, call) for number, call in enumerate(calls, start=1)]}


def placeholders(message: Message) -> Iterator[Message]:
    """A result for each call of an example: a provider refuses a call without one where the chat goes on."""
    for call in message.get("tool_calls", ()):
        yield {"role": "tool", "content": "(an example, not run)", "tool_call_id": call["id"]}


def numbered(messages: Sequence[Message]) -> list[Message]:
    """The same messages with calls named call_1, call_2 ... in their order: ids say nothing and differ by export."""
    names: dict[str, str] = {}
    told, count = [], 0
    for message in messages:
        if calls := message.get("tool_calls"):
            names = {call["id"]: f"call_{count + number}" for number, call in enumerate(calls, start=1)}
            count += len(calls)
            told.append({**message, "tool_calls": [{**call, "id": names[call["id"]]} for call in calls]})
        elif message["role"] == "tool":
            told.append({**message, "tool_call_id": names[message["tool_call_id"]]})
        else:
            told.append(message)
    return told


def _wire(number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": canonical_json(call["arguments"])}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _parsed(arguments: str) -> Any:  # noqa: ANN401 - any JSON value, or the text that is none
    try:
        value = json.loads(arguments)
        canonical_json(value).encode()
    except (ValueError, TypeError, RecursionError):  # NaN and half a surrogate pair can be read and not written
        return arguments
    return value
