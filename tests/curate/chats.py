"""Records of chats that pass, for tests to change in one place, and what is made of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from data_contracts.contract import Contract
from data_contracts.data_policy import Privacy
from data_contracts.use_case import TaskKind
from tasks.curate.defects import Defect
from tasks.curate.privacy import Screen
from tasks.curate.reading.examples import Examples

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAT = {
    "columns": {
        "messages": {"type": "messages"},
        "tools": {"type": "messages", "required": False},
        "at": {"type": "datetime", "required": False},
    },
    "mapping": {"messages": "messages", "tools": "tools", "created_at": "at"},
}
PAIRS = {
    "columns": {
        "input": {"type": "object"},
        "preferred_output": {"type": "messages"},
        "non_preferred_output": {"type": "messages"},
    },
    "mapping": {"messages": "input", "output": "preferred_output", "rejected": "non_preferred_output"},
}
FLAT = {
    "columns": {"id": {"required": False}, "prompt": {}, "completion": {}},
    "mapping": {"id": "id", "input": "prompt", "output": "completion"},
}
FIND_ORDER = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "An order by its number.",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    },
}


def contract(shape: dict[str, Any] = CHAT, **changes: Any) -> Contract:
    """A contract of that shape; `changes` go into its mapping."""
    mapping = {**shape["mapping"], **changes}
    return Contract.model_validate({"name": "chats", "version": "1", "columns": shape["columns"], "mapping": mapping})


def made(
    fields: dict[str, Any],
    rules: Contract | None = None,
    kind: TaskKind = TaskKind.FREE_TEXT,
    max_tokens: int | None = None,
    privacy: Privacy | None = None,
) -> dict[str, str]:
    """The example that a record becomes on 1 March 2026 at noon."""
    screen = Screen(privacy or Privacy(default="allow"))
    return Examples(rules or contract(), kind, screen, max_tokens, lambda: NOW).make(fields, "")


def refused(fields: dict[str, Any], *further: Any, **more: Any) -> tuple[str, str, str]:
    """Code, field and remedy of the defect that the record has."""
    with pytest.raises(Defect) as caught:
        made(fields, *further, **more)
    return caught.value.code.value, caught.value.field, caught.value.remedy


def user(content: Any = "Where is order 7?", **more: Any) -> dict[str, Any]:
    """A message of the user."""
    return {"role": "user", "content": content, **more}


def assistant(content: Any = "On its way.", **more: Any) -> dict[str, Any]:
    """A message of the assistant."""
    return {"role": "assistant", "content": content, **more}


def call(number: str = "7", identity: str = "call_x", name: str = "find_order") -> dict[str, Any]:
    """A call of the tool FIND_ORDER."""
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": f'{{"number": "{number}"}}'}}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    """A message of the assistant that calls tools."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls or [call()])}


def result(content: Any = "shipped", identity: str = "call_x", **more: Any) -> dict[str, Any]:
    """What a tool gave back."""
    return {"role": "tool", "content": content, "tool_call_id": identity, **more}


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record of these messages."""
    return {"messages": list(messages or [user(), assistant()]), **more}


def tool_chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record of these messages whose tool is FIND_ORDER."""
    return chat(*(messages or [user(), calling(), result(), assistant()]), **{"tools": [FIND_ORDER], **more})


def pair(**changes: Any) -> dict[str, Any]:
    """A preference pair in OpenAI's own shape."""
    preferred, other = [assistant("On its way.")], [assistant("No idea.")]
    return {"input": chat(user()), "preferred_output": preferred, "non_preferred_output": other, **changes}
