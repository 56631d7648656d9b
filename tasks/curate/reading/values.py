"""A record's values held against the declared types of its columns; texts hold nothing that cannot be written."""

import json
import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from data_contracts.contract import Column
from tasks.curate.defects import Code, Defect
from tasks.curate.reading import strict_json

Value = Any  # what a column may hold: str, int, float, bool, list or dict
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float, Decimal),
    "boolean": bool,
    "datetime": (str, datetime),
    "messages": list,
    "object": dict,
}
as_json = json.JSONEncoder(ensure_ascii=False).encode  # made once: `json.dumps` makes one a call
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def checked(name: str, column: Column, value: Value) -> Value:
    """The value if it is of the declared type; None where it is missing and may be. Raises Defect."""
    if type(value) is str and column.type == "string" and value.isprintable() and value:
        return value  # the most common, at once
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
        return timestamp(name, value)
    return _number(name, value) if column.type == "number" else value


def timestamp(name: str, value: str | datetime | None) -> str:
    """The instant in UTC, so that texts sort as times; "" where there is none.

    Without an offset an hour that a clock change repeats, or skips, would mean two instants or none.
    """
    if not value:
        return ""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        pass
    raise Defect(Code.TIMESTAMP, "Write it as 2026-01-31T09:30:00+01:00, or with Z for UTC.", name)


def not_blank(name: str, value: Value) -> Value:
    """The value; raises Defect where it is none, or a text of nothing but space."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Defect(Code.MISSING_FIELD, "An example needs a text here.", name)
    return value


def text_or_none(value: Value) -> str | None:
    """Text of an id, a group or a label; JSON's spelling for what is no string."""
    return value if value is None or isinstance(value, str) else as_json(value)


def from_json(name: str, value: Value) -> Value:
    """What a text column holds in JSON; any other value as it is. Raises Defect."""
    if not isinstance(value, str):
        return value
    try:
        parsed = strict_json.parse(value)
        _check_text(name, parsed)  # an escape may stand for half a surrogate pair
    except Defect as defect:
        raise Defect(defect.code, defect.remedy, name) from None
    return parsed


def _number(name: str, value: float | Decimal) -> float:
    if not math.isfinite(value):
        raise Defect(Code.NUMBER, "NaN and infinity are no values: leave it empty.", name)
    return float(value) if isinstance(value, Decimal) else value


def _check_text(name: str, value: Value) -> None:
    """Raise Defect where a text in the value, or a key of it, cannot be written."""
    if isinstance(value, str):
        if not value.isprintable():
            _check_signs(name, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(name, key)
            _check_text(name, item)
    elif isinstance(value, list):
        for item in value:
            _check_text(name, item)


def _check_signs(name: str, text: str) -> None:
    unfit = _UNFIT.search(text)
    if unfit and unfit[0] >= "\ud800":
        remedy = f"Character {unfit.start() + 1} is half of a surrogate pair: export again."
        raise Defect(Code.ENCODING, remedy, name)
    if unfit:
        raise Defect(Code.CONTROL_CHARACTER, f"Remove the character U+{ord(unfit[0]):04X}.", name)
