"""Training files as what the trainers learn from. An answer is learnt from all messages before it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Message = dict[str, str]
Row = dict[str, Any]


def lessons(path: Path) -> list[Row]:
    """`{prompt, completion}` for each assistant message of weight 1."""
    return [row for line in _lines(path) for row in _lessons(line["messages"])]


def preferences(path: Path) -> list[Row]:
    """`{prompt, chosen, rejected}` for each line of a preference file."""
    return [
        {
            "prompt": _plain(line["input"]["messages"]),
            "chosen": _plain(line["preferred_output"]),
            "rejected": _plain(line["non_preferred_output"]),
        }
        for line in _lines(path)
    ]


def _lessons(messages: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    plain = _plain(messages)
    for position, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("weight", 1):
            yield {"prompt": plain[:position], "completion": plain[position : position + 1]}


def _plain(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Role and text; a developer speaks as the system."""
    return [
        {"role": "system" if one["role"] == "developer" else one["role"], "content": one["content"]} for one in messages
    ]


def _lines(path: Path) -> Iterator[Any]:
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    return (json.loads(line) for line in lines if line.strip())
