"""What the leakage check is to reach, and whether it did."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.measure import Measured
from tests.bench.methods import JUDGE, OURS, PEERS
from tests.planted.kinds import EDITS, HELD_OUT, PARTS, VARIANTS

RECALL = {**dict.fromkeys(VARIANTS, 1.0), **dict.fromkeys(EDITS, 0.99), **dict.fromkeys(PARTS, 0.95)}
RECALL |= {"light paraphrase": 0.95, "heavy paraphrase": 0.55}
HELD_OUT_RECALL = 0.95
HEAVY_JUDGED = 0.80
FALSE_POSITIVES, PRECISION = 0.01, 0.999
TIMES_LIMIT = {100_000: 25, 1_000_000: 15}  # up to so many rows
MEMORY_MB = 3 * 1024
RIVAL_RECALL = 0.8


@dataclass(frozen=True)
class Target:
    """One line: what, how much is asked, how much it is."""

    what: str
    asked: str
    found: str
    reached: bool


def judged(rows: int, measured: dict[str, Measured], held_out: dict[str, Measured]) -> list[Target]:
    """Every target, in the order of the tables."""
    ours = measured[OURS]
    targets = [*quality(ours), *_judge(measured), *_cost(rows, ours), *_rivals(measured)]
    for name, found in held_out.items():
        targets += [Target(f"{name}: {one.what}", one.asked, one.found, one.reached) for one in quality(found)]
    return targets


def quality(found: Measured) -> Iterator[Target]:
    """Recall of each kind, false positives of each kind of hard negative, precision."""
    asked = {**RECALL, **dict.fromkeys(HELD_OUT, HELD_OUT_RECALL)}
    for kind, recall in found.recall_by_kind.items():
        name = f"recall, {kind}" + (" (held out)" if kind in HELD_OUT else "")
        yield _at_least(name, asked[kind], recall)
    if "kind" in found.flagged:
        yield _named_kind(found)
    for kind, share in found.false_positives.items():
        yield _at_most(f"false positives, {kind}", FALSE_POSITIVES, share)
    yield _at_least("precision", PRECISION, found.precision)


def _named_kind(found: Measured) -> Target:
    """Rows that differ in numbers only are called so."""
    truth = found.truth[found.truth["kind"] == "other numbers"]["judged"]
    called = found.flagged[found.flagged["judged"].isin(truth)]["kind"] == "same but for numbers"
    return _at_least("other numbers are a kind of their own", RECALL["other numbers"], called.sum() / len(truth))


def _judge(measured: dict[str, Measured]) -> Iterator[Target]:
    if JUDGE in measured:
        found = measured[JUDGE].with_sources.recall_by_kind["heavy paraphrase"]
        yield _at_least("heavy paraphrase, source flagged or among the judge's three", HEAVY_JUDGED, found)


def _cost(rows: int, ours: Measured) -> Iterator[Target]:
    times = next((times for upto, times in TIMES_LIMIT.items() if rows <= upto), TIMES_LIMIT[1_000_000])
    ratio, peak = statistics.median(ours.ratios), ours.peak_mb
    yield Target("time as a multiple of L", f"<= {times}", f"{ratio:.1f}", ratio <= times)
    yield Target("peak memory", f"< {MEMORY_MB:,} MB", f"{peak:,.0f} MB", peak < MEMORY_MB)


def _rivals(measured: dict[str, Measured]) -> Iterator[Target]:
    """Seconds a row, as a peer may have been run on fewer rows."""
    ours = _microseconds(measured[OURS])
    for name in PEERS:
        if name in measured and measured[name].recall > RIVAL_RECALL:
            theirs = _microseconds(measured[name])
            yield Target(f"faster than {name}", f"< {theirs:.1f} us a row", f"{ours:.1f} us a row", ours < theirs)


def _microseconds(found: Measured) -> float:
    return found.seconds / found.plan.rows * 1e6


def _at_least(what: str, asked: float, found: float) -> Target:
    return Target(what, f">= {asked}", f"{found:.4f}", found >= asked)


def _at_most(what: str, asked: float, found: float) -> Target:
    return Target(what, f"<= {asked}", f"{found:.4f}", found <= asked)
