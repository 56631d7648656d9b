"""Geometry of the report's drawings: an interval in percent of its track, a chart in the units of its SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_contracts.evidence import Calibration, Interval
from data_contracts.money import usd
from data_contracts.trial import TrialRecord
from data_contracts.worth import Payback
from tasks.register.formats import percent

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 72, 30, 16, 48
LINE = 15  # room that a label takes
SQUARE = 280


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on a line from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value stands."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[float]:
        """Four to ten round numbers along it."""
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough * 0.75)
        first = math.ceil(self.low / step - 1e-9)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Axis:
    """A line of a chart with its ticks: (where, what stands there)."""

    name: str
    scale: Scale
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Track:
    """An interval and the lines that it is held against, in percent of the width."""

    low: float
    value: float
    high: float
    lines: list[float]


@dataclass(frozen=True)
class Dot:
    """A figure with its interval, and where its label stands."""

    name: str
    x: float
    y: float
    low: float
    high: float
    label_x: float
    label_y: float
    before: bool  # the label ends there instead of starting
    won: bool


@dataclass(frozen=True)
class Chart:
    """A chart of dots: candidates by cost and quality, or bins by confidence and accuracy."""

    x: Axis
    y: Axis
    dots: list[Dot]


@dataclass(frozen=True)
class Curve:
    """What a tune has brought in by month: the line, its band, and what to read it against."""

    x: Axis
    y: Axis
    line: str
    band: str
    zero: float
    horizon: float | None
    payback: float | None


def tracks(intervals: Sequence[Interval], lines: Sequence[float] = ()) -> list[Track]:
    """One for each interval, on one scale that holds them all and every line."""
    ends = [end for interval in intervals for end in (interval.low, interval.value, interval.high)]
    scale = _scale([*ends, *lines], 0, 100)
    at = scale.at
    return [Track(at(one.low), at(one.value), at(one.high), [at(line) for line in lines]) for one in intervals]


def cost_against_quality(trial: TrialRecord) -> Chart | None:
    """Candidates whose price is known; None where that is none of them."""
    priced = [item for item in trial.comparison.candidates if item.cost_per_request is not None]
    if not priced:
        return None
    costs = [1000 * (item.cost_per_request or 0) for item in priced]
    x = _axis("USD per 1,000 requests", [*costs, 0], (LEFT, WIDTH - RIGHT), usd)
    ends = [end for item in priced for end in (item.metric.low, item.metric.high)]
    y = _axis(trial.comparison.metric, ends, (HEIGHT - BOTTOM, TOP), _whole_percent)
    heights = _apart([y.scale.at(item.metric.value) for item in priced])
    dots = [
        _dot(item.candidate.name, (x.scale.at(cost), height), (item.metric, y), trial.verdict.winner.name)
        for item, cost, height in zip(priced, costs, heights, strict=True)
    ]
    return Chart(x, y, dots)


def reliability(calibration: Calibration) -> Chart:
    """Accuracy by confidence, a dot a bin; its radius grows with the bin's cases."""
    x = _axis("confidence, %", [0, 1], (LEFT, SQUARE - RIGHT), _hundredths, room=0)
    y = _axis("accuracy, %", [0, 1], (SQUARE - BOTTOM, TOP), _hundredths, room=0)
    most = max((one.cases for one in calibration.bins), default=1)
    dots = []
    for one in calibration.bins:
        radius = round(3 + 7 * math.sqrt(one.cases / most), 1)
        at = x.scale.at(one.confidence), y.scale.at(one.accuracy)
        dots.append(Dot(str(one.cases), *at, radius, radius, *at, before=False, won=False))
    return Chart(x, y, dots)


def payback(found: Payback, horizon_months: float) -> Curve | None:
    """The curve of what the tune brings in; None where there is none."""
    if len(found.curve) < 2:
        return None
    last = found.curve[-1].month
    x = _axis("months", [0, last], (LEFT, WIDTH - RIGHT), lambda month: f"{month:g}", room=0)
    ends = [end for point in found.curve for end in (point.low, point.value, point.high)]
    y = _axis("USD brought in", [*ends, 0], (HEIGHT - BOTTOM, TOP), _dollars)
    above = [(point.month, point.high) for point in found.curve]
    below = [(point.month, point.low) for point in reversed(found.curve)]
    months = found.payback_months
    return Curve(
        x,
        y,
        line=_path([(point.month, point.value) for point in found.curve], x, y),
        band=_path([*above, *below], x, y),
        zero=y.scale.at(0),
        horizon=x.scale.at(horizon_months) if horizon_months <= last else None,
        payback=x.scale.at(months) if months is not None and months <= last else None,
    )


def _scale(values: Sequence[float], start: float, end: float, room: float = 0.06) -> Scale:
    low, high = min(values), max(values)
    spare = room * (high - low) if high > low else max(abs(high), 1) * 0.01
    return Scale(low - spare, high + spare, start, end)


def _axis(
    name: str, values: Sequence[float], ends: tuple[float, float], write: Callable[[float], str], room: float = 0.06
) -> Axis:
    scale = _scale(values, *ends, room=room)
    return Axis(name, scale, [(scale.at(tick), write(tick)) for tick in scale.ticks])


def _dot(name: str, at: tuple[float, float], figure: tuple[Interval, Axis], winner: str) -> Dot:
    """`at`: where it stands from left to right, and the height that is free for its label."""
    (x, label_y), (metric, axis) = at, figure
    before = x > WIDTH * 0.6
    label_x = x - 12 if before else x + 12
    y, low, high = (axis.scale.at(end) for end in (metric.value, metric.low, metric.high))
    return Dot(name, x, y, low, high, label_x, label_y + 4, before, name == winner)


def _apart(heights: Sequence[float]) -> list[float]:
    """The same heights, each moved down as far as it takes not to lie on the label above."""
    found, free = dict.fromkeys(range(len(heights)), 0.0), -math.inf
    for index in sorted(found, key=lambda index: heights[index]):
        found[index] = max(heights[index], free)
        free = found[index] + LINE
    return list(found.values())


def _path(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    return " ".join(f"{x.scale.at(across)},{y.scale.at(up)}" for across, up in points)


def _whole_percent(share: float) -> str:
    return percent(share, 0)


def _hundredths(share: float) -> str:
    return f"{100 * share:.0f}"


def _dollars(amount: float) -> str:
    size = abs(amount)
    return f"{'-' if amount < 0 else ''}${size:,.0f}" if size >= 10 else f"{'-' if amount < 0 else ''}${size:.2f}"
