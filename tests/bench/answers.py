"""The engine that asks for answers beside its peers and a bare loop: speed, rationed requests, faults, a kill."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from rich.table import Table

from tests.bench.answer_targets import judged
from tests.bench.engine.contenders import BARE, CONTENDERS, OURS
from tests.bench.engine.measured import Measured, Run, measure
from tests.bench.engine.rows import ROWS, Row
from tests.bench.engine.serving import Served, serving
from tests.bench.options import Options, console, spread

ENOUGH_S = {False: 20.0, True: 90.0}  # a contender that has taken so long on a row, quick or full, is not run again
TIMES = ("wall s", "x limit: median (least to most)", "span x limit", "x bare")
SPEED = ("contender", *TIMES, "CPU s/1,000", "peak MB", "p50 | p99 ms: said", "true", "runs")
FAULTS = ("contender", "wall s", "share of rate", "requests", "429", "lost", "paid twice", "in flight at kill", "runs")
Found = Mapping[str, Mapping[str, Measured]]  # by row and contender


def bench(options: Options) -> None:
    """Measure the rows, print a table each for speed and for trouble, and the targets."""
    load, found = os.getloadavg(), measure_all(options)
    for row in ROWS:
        if row.name in found:
            _print_row(row, found[row.name])
    _print_targets(found)
    _print_notes(found, load)


def measure_all(options: Options) -> Found:
    """Row by row, round by round, every contender once a round."""
    found: dict[str, dict[str, Measured]] = {}
    with serving() as served:
        for row in ROWS:
            if options.full or not row.full:
                found[row.name] = measure_row(row, served, options)
    return found


def measure_row(row: Row, served: Served, options: Options) -> dict[str, Measured]:
    """As many rounds as asked for, unless one takes long."""
    wanted = {OURS, *(options.contenders or CONTENDERS)}
    there = [name for name in row.contenders if name in wanted and CONTENDERS[name].is_there]
    found = {name: Measured(name, row) for name in there}
    for _ in range(options.runs):
        for name, one in found.items():
            if sum(run.wall_s for run in one.runs) < ENOUGH_S[options.full]:
                with tempfile.TemporaryDirectory() as folder:
                    one.runs.append(measure(CONTENDERS[name], row, served, Path(folder)))
                _tell(name, one.runs[-1])
    return found


def _tell(name: str, run: Run) -> None:
    seen = ", ".join(f"{count} x {status}" for status, count in sorted(run.counts.by_status.items()))
    said = f"{_title(run.row)}, {name}: {run.wall_s:.1f} s, {run.lost} lost, {seen} {run.complaint}"
    console(stderr=True).print(said, style="dim", markup=False)


def _title(row: Row) -> str:
    return f"{row.name}: {row.cases:,} cases, limit {row.least_s:.2f} s"


def _print_row(row: Row, found: Mapping[str, Measured]) -> None:
    cells: Callable[[Measured, Measured | None], Iterable[str]] = _speed if row.kind == "speed" else _faults
    table = Table(*(SPEED if row.kind == "speed" else FAULTS), title=_title(row))
    for one in found.values():
        table.add_row(one.name, *cells(one, found.get(BARE)), str(len(one.runs)))
    console().print(table)


def _speed(one: Measured, bare: Measured | None) -> Iterable[str]:
    yield f"{one.median(lambda run: run.wall_s):.2f}"
    yield spread([run.times_least for run in one.runs])
    yield f"{one.median(lambda run: run.span_times_least):.2f}"
    yield f"{one.against(bare, lambda run: run.counts.span_s):.2f}" if bare else ""
    yield f"{one.median(lambda run: run.cpu_per_1000):.2f}"
    yield f"{one.worst(lambda run: run.peak_mb):.0f}"
    yield " | ".join(f"{one.median(partial(Run.said_ms, share=share)):.0f}" for share in (0.5, 0.99))
    yield " | ".join(f"{one.median(partial(Run.true_ms, share=share)):.0f}" for share in (0.5, 0.99))


def _faults(one: Measured, _bare: Measured | None) -> Iterable[str]:
    rationed, killed = one.row.kind == "ration", one.row.kind == "kill"
    yield f"{one.median(lambda run: run.wall_s):.1f}"
    yield f"{one.median(lambda run: 1 / run.span_times_least):.3f}" if rationed else ""
    yield f"{one.median(lambda run: run.counts.requests):.0f}"
    yield f"{one.worst(lambda run: run.counts.wasted):.1%}"
    yield f"{one.worst(lambda run: run.lost):.0f}"
    yield f"{one.worst(lambda run: run.counts.paid_twice):.0f}"
    yield f"{one.worst(lambda run: run.counts.by_status['abandoned']):.0f}" if killed else ""


def _print_targets(found: Found) -> None:
    table = Table("to reach", "asked", "is", "", title="Targets")
    for target in judged(found):
        table.add_row(target.what, target.asked, target.found, "reached" if target.reached else "[bold]missed[/bold]")
    console().print(table)


def _print_notes(found: Found, load: tuple[float, float, float]) -> None:
    """What else a reader has to know."""
    out = console()
    runs = [(one.name, run) for row in found.values() for one in row.values() for run in one.runs]
    others = [run.others for _, run in runs]
    out.print(
        f"{os.cpu_count()} processors, load {load[0]:.1f} before and {os.getloadavg()[0]:.1f} after. What else ran "
        f"here took {statistics.median(others):.0%} of the machine during the median run, {max(others):.0%} at most."
    )
    for name, contender in CONTENDERS.items():
        hosts = {host for measured, run in runs if measured == name for host in run.counts.elsewhere}
        if hosts:
            out.print(f"{name} wanted to reach {', '.join(sorted(hosts))}; nothing left this machine.")
        if not contender.is_there:
            out.print(f"{name} is not set up: `make bench-peers` does that and measures it.")
