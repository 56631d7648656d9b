"""Cursor paging: `after` an id, at most `limit` objects, `has_more` if some are left."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.providers.local.errors import ApiError, no_such

Public = dict[str, Any]  # an object as the wire shows it


def page(objects: Sequence[Public], query: Mapping[str, str], default: int, kind: str) -> Public:
    """The list body for `objects`, which are in the order asked for. Raises ApiError for a bad cursor or limit."""
    start = _position(objects, query["after"], kind) + 1 if query.get("after") else 0
    data = objects[start : start + _limit(query, default)]
    return list_body(data, has_more=start + len(data) < len(objects))


def list_body(data: Sequence[Public], has_more: bool) -> Public:
    """A list as the wire shows it."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": "", "last_id": ""}
    return {"object": "list", "data": list(data), **ends, "has_more": has_more}


def _position(objects: Sequence[Public], after: str, kind: str) -> int:
    for position, found in enumerate(objects):
        if found["id"] == after:
            return position
    raise no_such(kind, after)


def _limit(query: Mapping[str, str], default: int) -> int:
    text = query.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= max(default, 100):
        raise ApiError(400, f"Invalid 'limit': it is a number from 1 to {max(default, 100)}.", "limit", "invalid_value")
    return int(text)
