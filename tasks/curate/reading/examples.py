"""A record's fields to one example: declared types checked, mapped, and compared with what the contract allows."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring_ascii
from typing import Any

from data_contracts.contract import Contract
from data_contracts.text import words_hash
from data_contracts.use_case import TaskKind
from tasks.curate.defects import Code, Defect
from tasks.curate.privacy import Screen
from tasks.curate.reading.answers import Answers, clean_json, only_answer
from tasks.curate.reading.chat import INSTRUCTIONS, Message, check_turns, read_messages
from tasks.curate.reading.tools import Tools
from tasks.curate.reading.values import Value, as_json, checked, from_json, not_blank, text_or_none, timestamp
from tasks.prompting.tokens import most_tokens
from tasks.prompting.tool_calls import as_message, as_text, numbered

WIRE_KEYS = ("messages", "tools", "parallel_tool_calls")  # of a record, or of a preference pair's `input`
_SLICES = json.JSONEncoder(ensure_ascii=False, default=str).encode
SLACK = timedelta(days=1)  # clocks differ


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Parts:
    """What the mapped columns hold."""

    messages: list[Message]  # before the answer
    answer: Message
    tools: Tools


class Examples:
    """Makes examples by a contract; `make` raises Defect where a record breaks it."""

    def __init__(
        self,
        contract: Contract,
        kind: TaskKind,
        screen: Screen,
        max_tokens: int | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._columns, self._mapping = contract.columns, contract.mapping
        self._answers = Answers(contract, kind, screen.clean)
        self._screen, self._max_tokens, self._now = screen, max_tokens, now
        self._declared = list(self._columns.items())
        self._instants = {name for name, column in self._columns.items() if column.type == "datetime"}
        self._asked_field = self._mapping.messages or self._mapping.input or ""
        self._answer_field = self._mapping.output or self._mapping.messages or ""

    def make(self, fields: dict[str, Value], partition: str) -> dict[str, str]:
        """The example without its place in a file: the other columns of EXAMPLE_COLUMNS."""
        self._screen.next_row()
        values = {name: checked(name, column, fields.get(name)) for name, column in self._declared}
        parts = self._chat(fields, values) if self._mapping.messages else self._flat(fields, values)
        messages = [self._clean(message) for message in numbered(parts.messages)]
        texts = {"messages": as_json(messages), **self._texts(parts, values)}
        self._check_length(messages, texts)
        text = compared(messages, self._mapping.compare)
        return {
            **texts,
            **self._facts(values, texts, partition),
            "input": text,
            "words": words_hash(text),
            "content": _hash(*texts.values()),
        }

    def _texts(self, parts: _Parts, values: dict[str, Value]) -> dict[str, str]:
        """The answers and the tools, as they are stored."""
        field, tools = self._answer_field, parts.tools.text
        output = self._answers.expected(field, parts.answer, parts.tools)
        rejected = self._rejected(parts, values, output)
        tools = tools and clean_json(self._screen.clean, self._mapping.tools or field, tools)
        return {"output": output, "rejected": rejected, "tools": tools}

    def _facts(self, values: dict[str, Value], texts: dict[str, str], partition: str) -> dict[str, str]:
        """What else is known of the row. An id that it has not is made of what it holds."""
        created_at, extra = self._created_at(values), [texts[name] for name in ("rejected", "tools") if texts[name]]
        made_up = (texts["messages"], texts["output"], created_at, partition, *extra)
        own_id = self._name(self._mapping.id, values) or _hash(*made_up)
        return {
            "id": own_id,
            "group": self._name(self._mapping.group, values) or own_id,
            "created_at": created_at,
            "given_partition": partition,
            "slices": self._slices(values),
        }

    def _flat(self, fields: dict[str, Value], values: dict[str, Value]) -> _Parts:
        name = self._mapping.input or ""
        messages = [{"role": "user", "content": not_blank(name, text_or_none(values[name]))}]
        tools = self._tools(values.get(self._mapping.tools or ""), fields)
        answer = self._answer(self._mapping.output or "", values)
        if tools.text or "tool_calls" in answer:
            check_turns(self._answer_field, [*messages, answer], tools)
        return _Parts(messages, answer, tools)

    def _chat(self, fields: dict[str, Value], values: dict[str, Value]) -> _Parts:
        mapping, name = self._mapping, self._mapping.messages or ""
        found = from_json(name, values[name])
        record = found if isinstance(found, dict) else {"messages": found}
        _check_keys(name, record)
        _check_wire_keys(fields, {*self._columns, *(["parallel_tool_calls"] if mapping.tools else [])})
        tools = self._tools(values.get(mapping.tools) if mapping.tools else record.get("tools"), {**fields, **record})
        messages = read_messages(name, record.get("messages"))
        if mapping.output and messages[-1]["role"] == "assistant":
            remedy = f"The last message must not be the assistant's: the answer stands in `{mapping.output}`."
            raise Defect(Code.MESSAGES, remedy, name)
        *asked, answer = [*messages, self._answer(mapping.output, values)] if mapping.output else messages
        check_turns(name, [*asked, answer], tools)
        return _Parts(asked, answer, tools)

    def _tools(self, tools: Value, record: dict[str, Value]) -> Tools:
        field = self._mapping.tools or self._mapping.messages or ""
        wanted = bool(self._mapping.tools or self._mapping.messages)  # elsewhere such a column is the source's own
        return Tools.of(field, from_json(field, tools), record.get("parallel_tool_calls") if wanted else None)

    def _answer(self, name: str, values: dict[str, Value]) -> Message:
        """The assistant's message of a column of answers: a list of exactly one, or its bare content."""
        value = not_blank(name, values[name])
        is_list = self._columns[name].type == "messages"
        return only_answer(name, value) if is_list else {"role": "assistant", "content": value}

    def _rejected(self, parts: _Parts, values: dict[str, Value], output: str) -> str:
        name = self._mapping.rejected
        if not name:
            return ""
        answer = self._answer(name, values)
        check_turns(name, [*parts.messages, answer], parts.tools)
        return self._answers.rejected(name, answer, output)

    def _check_length(self, messages: list[Message], texts: dict[str, str]) -> None:
        """Raise Defect where the row, with the longer of its answers, is more than may be trained on."""
        if self._max_tokens is None:
            return
        answers = [as_message(texts[name]) for name in ("output", "rejected")]
        tokens = max(most_tokens([*messages, answer], texts["tools"]) for answer in answers)
        if tokens > self._max_tokens:
            remedy = (
                f"About {tokens:,} tokens (bytes / 3, a high estimate), and {self._max_tokens:,} may be trained on: "
                "shorten or split it, or set source.max_tokens."
            )
            raise Defect(Code.TOO_MANY_TOKENS, remedy, self._asked_field)

    def _created_at(self, values: dict[str, Value]) -> str:
        name = self._mapping.created_at or ""
        found = values.get(name)
        moment = found or "" if name in self._instants else timestamp(name, found)
        if moment and datetime.fromisoformat(moment) > self._now() + SLACK:
            raise Defect(Code.FUTURE, "It lies in the future: correct the clock, the time zone or the unit.", name)
        return moment

    def _clean(self, message: Message) -> Message:
        """The message without what is masked."""
        cleaned = {**message}
        for key in ("content", "name"):
            if key in message:
                cleaned[key] = self._screen.clean(message[key], self._asked_field)
        if calls := message.get("tool_calls"):
            cleaned["tool_calls"] = [{**call, "function": self._clean_call(call["function"])} for call in calls]
        return cleaned

    def _clean_call(self, function: dict[str, str]) -> dict[str, str]:
        return {**function, "arguments": clean_json(self._screen.clean, self._asked_field, function["arguments"])}

    def _name(self, column: str | None, values: dict[str, Value]) -> str | None:
        """An id or a group; its hash where it holds what is masked, so that rows stay told apart."""
        text = text_or_none(values.get(column or ""))
        return text if not text or self._screen.clean(text, column or "") == text else _hash(text)

    def _slices(self, values: dict[str, Value]) -> str:
        if not self._mapping.slices:
            return "{}"
        plain = _SLICES({name: values[name] for name in self._mapping.slices})
        return clean_json(self._screen.clean, ", ".join(self._mapping.slices), plain)


def compared(messages: Sequence[Message], turns: str) -> str:
    """The text that rows are compared by, as `mapping.compare` says; instructions are never part of it."""
    if turns == "conversation":
        told = [text for message in messages if message["role"] not in INSTRUCTIONS for text in _told(message)]
    else:
        told = [message["content"] for message in messages if message["role"] == "user"]
    return told[-1] if turns == "last_user" else "\n".join(told)


def _told(message: Message) -> list[str]:
    calls = message.get("tool_calls")
    return [text for text in (message.get("content"), as_text(calls) if calls else None) if text]


def _check_keys(field: str, record: dict[str, Any]) -> None:
    _check_wire_keys(record, {"tools", "parallel_tool_calls"}, field)
    if any(value is not None and key not in WIRE_KEYS for key, value in record.items()):
        raise Defect(Code.MESSAGES, f"Leave out every key but {', '.join(WIRE_KEYS)}.", field)


def _check_wire_keys(record: dict[str, Any], allowed: set[str], field: str = "") -> None:
    """What a record says of tools is read, or refused: never left out in silence."""
    given = {key for key, value in record.items() if value is not None} - allowed
    if given & {"functions", "function_call"}:
        remedy = "`functions` and `function_call` are no longer taken: write them as `tools` and `tool_calls`."
        raise Defect(Code.DEPRECATED, remedy, field or "functions")
    if given & {"tools", "parallel_tool_calls"}:
        remedy = "Declare the column `tools` in the contract and map it as `mapping.tools`, or take it out."
        raise Defect(Code.TOOLS, remedy, field or "tools")


def _hash(*parts: str) -> str:
    """An id that stays the same whatever rows stand before or after."""
    text = f"[{', '.join(map(encode_basestring_ascii, parts))}]"  # as json.dumps writes a list of texts
    return hashlib.sha256(text.encode()).hexdigest()[:16]
