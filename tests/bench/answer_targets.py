"""What the engine is to reach, and whether it did."""

from collections.abc import Iterator, Mapping

from tests.bench.engine.contenders import BARE, INSPECT, OURS, PROMPTFOO
from tests.bench.engine.measured import Measured, Run
from tests.bench.targets import Target

TIMES_LEAST = {32: 1.15, 128: 1.6}  # by concurrency, at a fixed latency, start-up included
SPAN_TO_BARE = 1.15
CPU_S, PEAK_MB = 1.0, 100
RATION, WASTE = 0.97, 0.01
P99_OFF = 0.05
Row = Mapping[str, Measured]  # by contender


def judged(rows: Mapping[str, Row]) -> Iterator[Target]:
    """Every target that the measured rows can tell of."""
    for name, row in rows.items():
        ours = row[OURS]
        yield from {"speed": _speed, "ration": _ration, "faults": _faults, "kill": _kill}[ours.row.kind](name, row)
        for peer in (PROMPTFOO, INSPECT):
            if peer in row:
                yield _ahead(name, ours, row[peer])
    yield _light([run for row in rows.values() for run in row[OURS].runs])


def _speed(name: str, row: Row) -> Iterator[Target]:
    ours = row[OURS]
    if ours.row.behaviour.sigma == 0:
        asked = TIMES_LEAST[ours.row.concurrency]
        yield _at_most(f"{name}: whole process, x limit", asked, ours.median(lambda run: run.times_least))
    if BARE in row:
        span = ours.against(row[BARE], lambda run: run.counts.span_s)
        yield _at_most(f"{name}: first request to last answer, x bare loop", SPAN_TO_BARE, span)
    yield _at_most(f"{name}: CPU s per 1,000 cases", CPU_S, ours.median(lambda run: run.cpu_per_1000))
    yield _at_most(f"{name}: peak MB", PEAK_MB, ours.worst(lambda run: run.peak_mb))
    off = ours.median(lambda run: abs(run.said_ms(0.99) / run.true_ms(0.99) - 1))
    yield _at_most(f"{name}: p99 off the endpoint's own", P99_OFF, off)


def _ration(name: str, row: Row) -> Iterator[Target]:
    ours = row[OURS]
    share = ours.median(lambda run: 1 / run.span_times_least)
    yield Target(f"{name}: share of the permitted rate", f">= {RATION}", f"{share:.3f}", share >= RATION)
    yield _at_most(f"{name}: requests wasted on 429", WASTE, ours.worst(lambda run: run.counts.wasted))
    yield _none(f"{name}: cases lost", ours.worst(lambda run: run.lost))


def _faults(name: str, row: Row) -> Iterator[Target]:
    yield _none(f"{name}: cases lost", row[OURS].worst(lambda run: run.lost))


def _kill(name: str, row: Row) -> Iterator[Target]:
    yield _none(f"{name}: cases lost", row[OURS].worst(lambda run: run.lost))
    yield _none(f"{name}: answers paid twice", row[OURS].worst(lambda run: run.counts.paid_twice))


def _ahead(name: str, ours: Measured, peer: Measured) -> Target:
    """Fewer cases lost, or as few and sooner."""
    own, its = ((one.worst(lambda run: run.lost), one.median(lambda run: run.wall_s)) for one in (ours, peer))
    return Target(f"{name}: ahead of {peer.name}", _standing(*its), _standing(*own), own < its)


def _standing(lost: float, wall_s: float) -> str:
    return f"{wall_s:.1f} s, {lost:.0f} lost"


def _light(runs: list[Run]) -> Target:
    heavy = sorted({library for run in runs for library in run.heavy})
    return Target("heavy libraries in the engine's process", "none", ", ".join(heavy) or "none", not heavy)


def _at_most(what: str, asked: float, found: float) -> Target:
    return Target(what, f"<= {asked}", f"{found:.3f}", found <= asked)


def _none(what: str, found: float) -> Target:
    return Target(what, "0", f"{found:.0f}", found == 0)
