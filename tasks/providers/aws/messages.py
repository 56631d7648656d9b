"""Chat messages of OpenAI's form in the form of Bedrock's Converse API, for requests and for training files alike.

Shapes: Bedrock API reference, Converse, and botocore 1.44's model of it, read 2026-11-22.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

KNOWN = {
    "system": {"content"},
    "developer": {"content"},
    "user": {"content"},
    "assistant": {"content", "tool_calls"},
    "tool": {"content", "tool_call_id"},
}
Blocks = list[dict[str, Any]]


class UntranslatableError(ValueError):
    """A request or a record that the other side has no form for. The text names what it is, never what it holds."""


def system_of(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Texts of the instructions, in order."""
    return [text(message) for message in messages if message["role"] in ("system", "developer")]


def conversation(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The turns; what one role says in a row is one turn, since Converse wants roles to alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, blocks = _turn(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def text(message: Mapping[str, Any]) -> str:
    """The words of a message, whether they come as a string or as text parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    if any(part.get("type") != "text" for part in content):
        raise UntranslatableError("a message holds something other than text")
    return "".join(part["text"] for part in content)


def tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """`toolConfig`, empty where no tool is offered."""
    choice = body.get("tool_choice", "auto")
    if not body.get("tools") or choice == "none":
        return {}
    return {"toolConfig": {"tools": [_tool(tool) for tool in body["tools"]], "toolChoice": _choice(choice)}}


def _turn(message: Mapping[str, Any]) -> tuple[str, Blocks]:
    role = message["role"]
    if role not in KNOWN or not set(message) - {"role"} <= KNOWN[role]:
        raise UntranslatableError("a message has a role or a key that Converse does not know")
    if role in ("system", "developer"):
        return role, []
    said: Blocks = [{"text": text(message)}] if text(message) else []
    if role == "tool":
        return "user", [{"toolResult": {"toolUseId": message["tool_call_id"], "content": said}}]
    return role, said + [_call(call) for call in message.get("tool_calls") or ()]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.loads(function["arguments"] or "{}")
    return {"toolUse": {"toolUseId": call["id"], "name": function["name"], "input": arguments}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    described = {"description": function["description"]} if function.get("description") else {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"toolSpec": {"name": function["name"], **described, "inputSchema": {"json": schema}}}


def _choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"any": {}} if choice == "required" else {"auto": {}}
    return {"tool": {"name": choice["function"]["name"]}}
