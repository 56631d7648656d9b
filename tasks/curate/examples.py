"""A record's fields to one example: declared types checked, mapped, and compared with what the contract allows."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from data_contracts.contract import Column, Contract
from data_contracts.text import canonical_json, normalised_words, words_hash
from data_contracts.use_case import TaskKind
from tasks.curate import strict_json
from tasks.curate.defects import Code, Defect
from tasks.errors import ConfigurationError

Value = Any  # what a column may hold: str, int, float, bool, list or dict
Message = dict[str, str]
ROLES = ("system", "developer", "user", "assistant")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float, Decimal),
    "boolean": bool,
    "datetime": (str, datetime),
    "messages": list,
    "object": dict,
}
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Examples:
    """Makes examples by a contract; `make` raises Defect where a record breaks it."""

    def __init__(self, contract: Contract, kind: TaskKind) -> None:
        self._columns, self._mapping, self._labels = contract.columns, contract.mapping, contract.labels
        self._kind = kind
        self._near_labels = {normalised_words(label): label for label in contract.labels}
        self._broken_rule = _schema_check(contract) if kind == TaskKind.EXTRACTION else None

    def make(self, fields: dict[str, Value], partition: str) -> dict[str, str]:
        """The example without its place in a file: the other columns of EXAMPLE_COLUMNS."""
        values = {name: _checked(name, column, fields.get(name)) for name, column in self._columns.items()}
        messages, answer = self._chat(values)
        output = self._output(answer)
        text = "\n".join(message["content"] for message in messages if message["role"] == "user")
        chat = json.dumps(messages, ensure_ascii=False)
        created_at = _timestamp(self._mapping.created_at or "", values.get(self._mapping.created_at or ""))
        own_id = _text_or_none(values.get(self._mapping.id or "")) or _hash(chat, output, created_at, partition)
        slices = {name: values[name] for name in self._mapping.slices}
        return {
            "id": own_id,
            "input": text,
            "messages": chat,
            "output": output,
            "group": _text_or_none(values.get(self._mapping.group or "")) or own_id,
            "created_at": created_at,
            "given_partition": partition,
            "slices": json.dumps(slices, ensure_ascii=False, default=str),
            "words": words_hash(text),
        }

    def _chat(self, values: dict[str, Value]) -> tuple[list[Message], Value]:
        """Messages before the answer, and the answer."""
        mapping = self._mapping
        if mapping.messages:
            chat = _messages(mapping.messages, values[mapping.messages])
            return chat[:-1], chat[-1]["content"]
        content = _not_blank(mapping.input or "", values[mapping.input or ""])
        return [{"role": "user", "content": content}], _not_blank(mapping.output or "", values[mapping.output or ""])

    def _output(self, answer: Value) -> str:
        if self._kind == TaskKind.EXTRACTION:
            return self._extraction(answer)
        text = _text_or_none(answer) or ""
        if self._kind == TaskKind.CLASSIFICATION and self._labels and text not in self._labels:
            raise Defect(Code.UNKNOWN_LABEL, self._label_remedy(text), self._output_field)
        return text

    def _label_remedy(self, text: str) -> str:
        near = self._near_labels.get(normalised_words(text))
        if near:
            return f"It differs from the label `{near}` only in case, space or punctuation: write it the same way."
        return "Correct the label, or add it to `labels` in the contract."

    def _extraction(self, answer: Value) -> str:
        try:
            value = strict_json.parse(answer) if isinstance(answer, str) else answer
            broken = self._broken_rule(value) if self._broken_rule else None
            if broken:
                raise Defect(Code.SCHEMA, f"{broken} of the contract's output_schema.")
            return canonical_json(value)
        except Defect as defect:
            raise Defect(defect.code, defect.remedy, self._output_field) from None
        except (TypeError, ValueError):  # Parquet holds dates and NaN, which JSON does not have
            raise Defect(Code.TYPE, "Write the answer in values that JSON knows.", self._output_field) from None

    @property
    def _output_field(self) -> str:
        return self._mapping.output or self._mapping.messages or ""


def _schema_check(contract: Contract) -> Callable[[Value], str | None]:
    """Says which rule an answer breaks, by rule and place only: a message of jsonschema would quote the row."""
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError
    from jsonschema.exceptions import best_match

    try:
        Draft202012Validator.check_schema(contract.output_schema or {})
    except SchemaError as error:
        where = f"contract {contract.name}, output_schema {error.json_path}"
        raise ConfigurationError(where, error.message, "Mend it by JSON Schema 2020-12.") from error
    validator = Draft202012Validator(contract.output_schema or {}, format_checker=FormatChecker())

    def broken_rule(value: Value) -> str | None:
        error = best_match(validator.iter_errors(value))
        return f"{error.json_path} breaks `{error.validator}`" if error else None

    return broken_rule


def _checked(name: str, column: Column, value: Value) -> Value:
    """The value if it is of the declared type; None where it is missing and may be."""
    if value is None or value == "":
        if column.required:
            raise Defect(Code.MISSING_FIELD, "Fill it in, or declare the column `required: false`.", name)
        return None
    found = isinstance(value, _TYPES[column.type]) and (column.type == "boolean") == isinstance(value, bool)
    if not found:
        remedy = f"It is declared {column.type} but holds {type(value).__name__}: correct the row or the declaration."
        raise Defect(Code.TYPE, remedy, name)
    _check_text(name, value)
    if column.type == "datetime":
        return _timestamp(name, value)
    return _number(name, value) if column.type == "number" else value


def _number(name: str, value: float | Decimal) -> float:
    if not math.isfinite(value):
        raise Defect(Code.NUMBER, "NaN and infinity are no values: leave it empty.", name)
    return float(value) if isinstance(value, Decimal) else value


def _timestamp(name: str, value: str | datetime | None) -> str:
    """The instant in UTC, so that texts sort as times; "" where there is none."""
    if not value:
        return ""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        pass
    raise Defect(Code.TIMESTAMP, "Write it as 2026-01-31T09:30:00+01:00, or with Z for UTC.", name)


def _check_text(name: str, value: Value) -> None:
    for text in _strings(value):
        unfit = _UNFIT.search(text)
        if unfit and unfit[0] >= "\ud800":
            raise Defect(
                Code.ENCODING, f"Character {unfit.start() + 1} is half of a surrogate pair: export again.", name
            )
        if unfit:
            raise Defect(Code.CONTROL_CHARACTER, f"Remove the character U+{ord(unfit[0]):04X}.", name)


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _messages(name: str, chat: list[Value]) -> list[Message]:
    messages = [_message(name, number, message) for number, message in enumerate(chat, start=1)]
    if not messages or messages[-1]["role"] != "assistant":
        raise Defect(Code.MESSAGES, "The last message must be the assistant's: it is the expected answer.", name)
    if all(message["role"] != "user" for message in messages):
        raise Defect(Code.MESSAGES, "At least one message must be the user's.", name)
    return messages


def _message(name: str, number: int, message: Value) -> Message:
    where = f"Message {number}"
    if not isinstance(message, dict):
        raise Defect(Code.MESSAGES, f"{where} must be an object with role and content.", name)
    if message.get("role") not in ROLES:
        raise Defect(Code.MESSAGES, f"{where}: the role must be one of {', '.join(ROLES)}.", name)
    content = message.get("content")
    if not isinstance(content, str) or not content.strip():
        raise Defect(Code.MESSAGES, f"{where}: the content must be a text that is not empty.", name)
    if any(value is not None for key, value in message.items() if key not in ("role", "content")):
        raise Defect(Code.MESSAGES, f"{where}: only role and content are read; tools and weights are not.", name)
    return {"role": message["role"], "content": content}


def _not_blank(name: str, value: Value) -> Value:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Defect(Code.MISSING_FIELD, "An example needs a text here.", name)
    return value


def _text_or_none(value: Value) -> str | None:
    """Text of an id, a group or a label; JSON's spelling for what is no string."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hash(*parts: str) -> str:
    """An id that stays the same whatever rows stand before or after."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
