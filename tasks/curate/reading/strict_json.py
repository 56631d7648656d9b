"""JSON in which nothing is lost: what `json.loads` lets pass or quietly changes is a defect here."""

import json
import math
from typing import Any, Never

from tasks.curate.defects import Code, Defect

MAX_DEPTH = 64


def parse(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value; raises Defect on duplicate keys, NaN, infinity, endless digits or deep nesting."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Defect(Code.JSON, f"Mend the JSON at character {error.pos + 1}: {error.msg}.") from None
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise Defect(Code.NUMBER, "Write a number of thousands of digits as a string.") from None
    except RecursionError:
        raise _too_deep() from None
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Defect(Code.DUPLICATE_KEY, "Keep one of the values of this key.", twice[:80])
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Defect(Code.NUMBER, "Write a number beyond 1e308 as a string.")
    return number


def _constant(name: str) -> Never:
    raise Defect(Code.NUMBER, f"{name} is not JSON: write null, or leave the key out.")


def _too_deep() -> Defect:
    return Defect(Code.TOO_DEEP, f"Flatten the record: at most {MAX_DEPTH} levels of nesting are read.")


def _depth(value: Any) -> int:  # noqa: ANN401 - any JSON value
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
