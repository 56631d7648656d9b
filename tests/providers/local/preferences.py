"""Training files of the other methods, on the three labels of `support`."""

import json
from typing import Any

from tests.providers.local import support

NAMES = list(support.LABELS)
LISTED = "Answer with one of:\n" + "\n".join(f"- {name}: mails of that kind" for name in (*NAMES, "other"))
EQUAL = {
    "type": "string_check",
    "name": "right",
    "input": "{{sample.output_text}}",
    "reference": "{{item.label}}",
    "operation": "eq",
}


def pair(number: int) -> dict[str, Any]:
    """A preference: the right label rather than the next one."""
    return {
        "input": {"messages": [support.example(number)["messages"][0]]},
        "preferred_output": [{"role": "assistant", "content": NAMES[number % 3]}],
        "non_preferred_output": [{"role": "assistant", "content": NAMES[(number + 1) % 3]}],
    }


def graded(number: int) -> dict[str, Any]:
    """A question whose prompt lists the labels, with the right one for the grader."""
    asked = [{"role": "system", "content": LISTED}, support.example(number)["messages"][0]]
    return {"messages": asked, "label": NAMES[number % 3]}


def lines(records: list[dict[str, Any]]) -> bytes:
    """A file."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


PAIRS = lines([pair(number) for number in range(45)])
GRADED = lines([graded(number) for number in range(45)])
