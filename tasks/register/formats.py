"""How the report writes figures: one way for each kind, and `unknown` for what nobody knows."""

import json
import shlex
from collections.abc import Callable
from typing import Any, Literal

from data_contracts.evidence import Interval
from data_contracts.money import usd

UNKNOWN = "unknown"
SPACE = "\N{NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 0..1 in percent."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f}{SPACE}%"


def points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return UNKNOWN if share is None else f"{100 * share:+.1f}"


def p_value(value: float) -> str:
    """Four digits; what is smaller is said to be."""
    return f"<{SPACE}0.0001" if value < 0.0001 else f"{value:.4f}"


def milliseconds(value: float | None) -> str:
    """Whole milliseconds, without the unit: the column names it."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def per_thousand(cost: float | None) -> str:
    """USD of a request as USD of 1,000 requests."""
    return usd(None if cost is None else 1000 * cost)


def months(value: float | None) -> str:
    """A time span in months."""
    return UNKNOWN if value is None else f"{value:,.1f}{SPACE}months"


def measured(value: float, unit: Literal["times", "points"]) -> str:
    """A margin's figure: a ratio, or a difference in percentage points."""
    return f"{value:.2f}{SPACE}×" if unit == "times" else points(value)


def whole(value: float | None) -> str:
    """A count with separators of thousands."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def between(interval: Interval, write: Callable[[float], str]) -> str:
    """Both ends of an interval."""
    return f"{write(interval.low)} to {write(interval.high)}"


def shell(value: object) -> str:
    """A value as `--set` takes it, quoted for a shell."""
    return shlex.quote(value if isinstance(value, str) else json.dumps(value))


def percent_range(interval: Interval) -> str:
    """Both ends of an interval of shares."""
    return between(interval, percent)


def points_range(interval: Interval) -> str:
    """Both ends of an interval of differences."""
    return between(interval, points)


def usd_range(interval: Interval) -> str:
    """Both ends of an interval of USD."""
    return between(interval, usd)


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "percent_range": percent_range,
    "points": points,
    "points_range": points_range,
    "p": p_value,
    "ms": milliseconds,
    "per_thousand": per_thousand,
    "months": months,
    "measured": measured,
    "whole": whole,
    "usd": usd,
    "usd_range": usd_range,
    "shell": shell,
}
