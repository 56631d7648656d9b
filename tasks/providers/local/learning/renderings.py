"""How a stretch of text becomes a value of an answer, and where in a text a value was copied from."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

from tasks.providers.local.learning.spans import DATE, NUMBER, Span, covering, cut, dates, numbers

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_NUMBERS = ("whole", "number", "decimal")
_DATES = ("date", "american date")
_CASES = ("verbatim", "lower", "upper", "title")


def render(rendering: str, text: str) -> str | int | float | None:
    """The value that a rendering makes of a text; None where it makes none."""
    value: str | int | float | None = _RENDERINGS[rendering](text)
    return value


def copies(value: object, text: str) -> Iterator[tuple[str, Span]]:
    """Each place that a value may have been copied from, with each rendering that makes the value of it."""
    if isinstance(value, str) and value.strip():
        yield from _same(value, text, _CASES, _occurrences(value, text))
        if DATE.fullmatch(value):
            yield from _same(value, text, _DATES, dates(text))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _same(value, text, _NUMBERS, numbers(text))


def number(text: str) -> int | float | None:
    """1200.5 of "1,200.50" or "1.200,50"; None where it is no number."""
    if not NUMBER.fullmatch(text):
        return None
    comma_is_point = re.fullmatch(r"[\d.]*,\d{1,2}", text) or ("." in text and text.rfind(".") < text.rfind(","))
    plain = text.replace(".", "").replace(",", ".") if comma_is_point else text.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def iso_date(text: str, month_first: bool = False) -> str | None:
    """2024-03-05 of "5 March 2024", "March 5th, 2024", "5.3.2024" or "2024-03-05"; None where it is no date."""
    found = DATE.fullmatch(text)
    if not found:
        return None
    day, month, year = (next(filter(None, (found[f"{part}{way}"] for way in range(1, 5)))) for part in "dmy")
    if month_first and found["d2"]:
        day, month = month, day
    if not month.isdigit():
        month = str(_MONTHS.index(month[:3].lower()) + 1)
    try:
        return dt.date(int(year) + 2000 * (len(year) == 2), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _same(value: object, text: str, renderings: tuple[str, ...], spans: Iterator[Span]) -> Iterator[tuple[str, Span]]:
    for span in spans:
        for rendering in renderings:
            made = render(rendering, cut(text, span))
            if made == value and type(made) is type(value):
                yield rendering, span


def _occurrences(value: str, text: str) -> Iterator[Span]:
    folded, wanted = text.lower(), value.lower()
    start = folded.find(wanted) if len(folded) == len(text) else -1
    while start >= 0:
        if span := covering(text, start, start + len(wanted)):
            yield span
        start = folded.find(wanted, start + 1)


def _whole(text: str) -> int | None:
    value = number(text)
    return int(value) if value is not None and value == int(value) else None


def _shortest(text: str) -> int | float | None:
    value = number(text)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(text: str) -> float | None:
    value = number(text)
    return None if value is None else float(value)


_RENDERINGS: dict[str, Callable[[str], Any]] = {
    "verbatim": str,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "date": iso_date,
    "american date": lambda text: iso_date(text, month_first=True),
    "whole": _whole,
    "number": _shortest,
    "decimal": _decimal,
}
