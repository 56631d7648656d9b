"""Chats by the providers' rules, or stricter: what a message may hold, and in which order messages stand."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from tasks.curate.defects import Code, Defect
from tasks.curate.reading.tools import Tools, check_call
from tasks.curate.reading.values import Value

Message = dict[str, Any]
INSTRUCTIONS = ("system", "developer")
KEYS = {
    "system": ("role", "content"),
    "developer": ("role", "content"),
    "user": ("role", "content", "name"),
    "assistant": ("role", "content", "name", "weight", "tool_calls"),
    "tool": ("role", "content", "tool_call_id", "name"),
}
_SPEAKERS = ["system", "developer", "user", "assistant"]  # no set: a role may be anything
_NAME = re.compile(r"[^\s<|\\/>]{1,64}")
_OTHER = {
    "function_call": (Code.DEPRECATED, "`function_call` is no longer taken: write it as `tool_calls`"),
    "refusal": (Code.NO_ANSWER, "a refusal is no answer to learn from: leave the record out"),
    "audio": (Code.CONTENT, "only text is read: take `audio` out"),
}


def read_messages(field: str, chat: Value) -> list[Message]:
    """The messages, each with the keys that it needs to be sent again. Raises Defect."""
    if not isinstance(chat, list) or not chat:
        raise Defect(Code.MESSAGES, "Write a list of messages, each with role and content.", field)
    return [
        {"role": message["role"], "content": message["content"]}
        if _is_plain(message)
        else _Reader(field, f"Message {number}").read(message)
        for number, message in enumerate(chat, start=1)
    ]


def check_turns(field: str, messages: Sequence[Message], tools: Tools) -> None:
    """Raise Defect where instructions do not stand first, nobody asks, or calls and their results do not match.

    The last message is the answer, whose calls are open.
    """
    if messages[-1]["role"] != "assistant":
        raise Defect(Code.MESSAGES, "The last message must be the assistant's: it is the expected answer.", field)
    if all(message["role"] != "user" for message in messages):
        raise Defect(Code.MESSAGES, "At least one message must be the user's.", field)
    _check_instructions(field, messages)
    _check_calls(field, messages, tools)


def _is_plain(message: Value) -> bool:
    """Whether it is a role's text and nothing else, as most messages are: then there is nothing to refuse."""
    if not isinstance(message, dict) or len(message) != 2 or message.get("role") not in _SPEAKERS:
        return False
    content = message.get("content")
    return isinstance(content, str) and not (content.isspace() or not content)


class _Reader:
    """One message, and where it stands."""

    def __init__(self, field: str, where: str) -> None:
        self._field, self._where = field, where

    def read(self, message: Value) -> Message:
        if not isinstance(message, dict):
            self._refuse("must be an object with role and content")
        role = message.get("role")
        if role == "function":
            self._refuse("write the result with role `tool` and its `tool_call_id`", Code.DEPRECATED)
        if not isinstance(role, str) or role not in KEYS:
            self._refuse(f"the role must be one of {', '.join(KEYS)}")
        given = {key: value for key, value in message.items() if value is not None and value != []}
        self._check_keys(role, given)
        return {key: read for key in KEYS[role] if (read := self._part(key, given)) is not None}

    def _check_keys(self, role: str, given: Iterable[str]) -> None:
        for key in given:
            if key in KEYS[role]:
                continue
            code, remedy = _OTHER.get(key, (Code.MESSAGES, f"leave out every key but {', '.join(KEYS[role])}"))
            if key == "weight":
                code, remedy = Code.WEIGHT, "only the assistant's messages have a weight: leave it out"
            self._refuse(remedy, code)

    def _part(self, key: str, given: Message) -> Value:
        match key:
            case "content":
                return self._content(given)
            case "tool_calls":
                return self._calls(given.get(key))
            case "weight":
                return self._weight(given.get(key))
            case "name" | "tool_call_id":
                return self._name(key, given)
        return given[key]

    def _content(self, given: Message) -> str | None:
        content = given.get("content")
        if isinstance(content, list):
            content = "\n".join(self._text(number, part) for number, part in enumerate(content, start=1))
        if not content and given.get("tool_calls"):
            return None
        if not isinstance(content, str) or not content.strip():
            self._refuse("the content must be a text that is not empty")
        return content

    def _text(self, number: int, part: Value) -> str:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "refusal":
            self._refuse("a refusal is no answer to learn from: leave the record out", Code.NO_ANSWER)
        text = part.get("text") if kind == "text" else None
        if not isinstance(text, str):
            self._refuse(f"part {number} is no text: take images, audio and files out", Code.CONTENT)
        return text

    def _calls(self, calls: Value) -> list[Message] | None:
        if calls is None:
            return None
        if not isinstance(calls, list):
            self._refuse("`tool_calls` must be a list", Code.TOOL_CALL)
        return [check_call(self._field, f"{self._where}, call {at}", call) for at, call in enumerate(calls, start=1)]

    def _weight(self, weight: Value) -> int | None:
        if weight is None:
            return None
        if weight not in (0, 1) or isinstance(weight, bool):
            self._refuse("the weight must be 0 or 1", Code.WEIGHT)
        return int(weight)

    def _name(self, key: str, given: Message) -> str | None:
        name = given.get(key)
        if key == "tool_call_id" and (not isinstance(name, str) or not name):
            self._refuse("name the call that it answers as `tool_call_id`", Code.TOOL_CALL)
        if name is not None and not (isinstance(name, str) and (key != "name" or _NAME.fullmatch(name))):
            self._refuse(r"write `name` in 1 to 64 characters without space and < | \ / >")
        return name

    def _refuse(self, remedy: str, code: Code = Code.MESSAGES) -> NoReturn:
        raise Defect(code, f"{self._where}: {remedy}.", self._field)


def _check_instructions(field: str, messages: Sequence[Message]) -> None:
    turns = [number for number, message in enumerate(messages) if message["role"] not in INSTRUCTIONS]
    late = next((n for n, message in enumerate(messages) if message["role"] in INSTRUCTIONS and n > turns[0]), None)
    if late is not None:
        remedy = f"Message {late + 1}: system and developer messages stand before all others: move it to the front."
        raise Defect(Code.MESSAGES, remedy, field)


def _check_calls(field: str, messages: Sequence[Message], tools: Tools) -> None:
    if not any("tool_calls" in message or message["role"] == "tool" for message in messages):
        return
    opened: dict[str, str] = {}  # call without a result yet -> its function
    seen: set[str] = set()
    for number, message in enumerate(messages, start=1):
        where, calls = f"Message {number}", message.get("tool_calls", ())
        if message["role"] == "tool":
            _close(field, where, message, opened)
        elif opened:
            remedy = f"{where}: put a `tool` message with the result of each call before it."
            raise Defect(Code.TOOL_CALL, remedy, field)
        tools.check_calls(field, where, calls)
        opened |= {call["id"]: call["function"]["name"] for call in calls}
        if len(seen) + len(calls) > len(seen := seen | {call["id"] for call in calls}):
            raise Defect(Code.TOOL_CALL, f"{where}: give each call of the chat an id of its own.", field)


def _close(field: str, where: str, message: Message, opened: dict[str, str]) -> None:
    called = opened.pop(message["tool_call_id"], None)
    if called is None:
        remedy = f"{where}: its `tool_call_id` must be that of a call in the assistant's message before, answered once."
        raise Defect(Code.TOOL_CALL, remedy, field)
    if message.pop("name", called) != called:
        raise Defect(Code.TOOL_CALL, f"{where}: `name` must be the function that was called, or left out.", field)
