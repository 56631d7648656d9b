"""Recall, false positives, time and memory of leakage checks on data with planted truth, side by side in one run."""

from dataclasses import replace

from rich.table import Table

from tests.bench.measure import UNRELATED, Measured, OverLimit, measure
from tests.bench.methods import JUDGE, LIMIT, METHODS, OURS
from tests.bench.options import Options, console, spread
from tests.bench.targets import judged
from tests.bench.worker import Cost
from tests.planted.data import Planted, plant
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import HELD_OUT, TEXT_KINDS

ENOUGH_S = 240  # a method that has taken so long is not run again
ONCE = (JUDGE,)  # whose time is not reported
WORTH = ("method", "recall", "worst no leak", "precision")
COST = ("s", "x L: median (least to most)", "in CPU s", "peak MB", "runs")


def bench(options: Options) -> None:
    """Print the tables of each size."""
    for rows in options.rows:
        planted = plant(options.plan(rows), options.folder)
        measured = measure_all(planted, options)
        _print_speed(rows, measured)
        _print_kinds(rows, measured)
        if OURS in measured:
            held_out = {} if options.tuning else {"held-out vocabulary": _held_out(rows, options)}
            _print_kinds(rows, held_out)
            _print_targets(rows, measured, held_out)


def measure_all(planted: Planted, options: Options) -> dict[str, Measured]:
    """Round by round, every method once a round, the limit first."""
    names = [name for name in METHODS if name == LIMIT or name in (options.methods or METHODS)]
    found: dict[str, Measured] = {}
    for turn in range(options.runs):
        for name in names:
            if turn == 0:
                _add(found, name, planted)
            elif name not in ONCE and not found[name].note and sum(run.seconds for run in found[name].runs) < ENOUGH_S:
                _keep(found[name], name, measure(name, planted)[1])
    return found


def _add(found: dict[str, Measured], name: str, planted: Planted) -> None:
    """The first run; where it goes over the limits, on half as many rows, and so on."""
    try:
        flagged, cost = measure(name, planted)
    except OverLimit as over:
        half = replace(planted.plan, rows=planted.plan.rows // 2)
        _add(found, name, plant(half, planted.folder.parent))
        found[name].note = f"on {found[name].plan.rows:,} rows; {planted.plan.rows:,}: {over}"
        return
    found[name] = Measured(planted.plan, flagged, planted.truth)
    _keep(found[name], name, cost)


def _keep(entry: Measured, name: str, cost: Cost) -> None:
    entry.runs.append(cost)
    said = f"{entry.plan.rows:,} rows, {name}: {cost.seconds:.3f} s, L {cost.limit_s:.3f} s, {cost.peak_mb:,.0f} MB"
    console(stderr=True).print(said, style="dim")


def _held_out(rows: int, options: Options) -> Measured:
    planted = plant(options.plan(rows, "syllables"), options.folder)
    found: dict[str, Measured] = {}
    for name in (LIMIT, OURS):
        _add(found, name, planted)
    return found[OURS]


def _print_speed(rows: int, measured: dict[str, Measured]) -> None:
    title = f"Leakage check, {rows:,} rows: texts in memory to flags (the limit reads its file)"
    caption = "x L: of the limit, timed right after; peak MB: the whole process, libraries and texts included"
    table = Table(*WORTH, *COST, title=title, caption=caption)
    for name, found in measured.items():
        if name not in ONCE:
            worth = ("", "", "") if name == LIMIT else _worth(found)
            cost = f"{found.seconds:.3f}", spread(found.ratios), f"{found.cpu_ratio:.1f}", f"{found.peak_mb:,.0f}"
            table.add_row(name, *worth, *cost, f"{len(found.runs)} {found.note}".strip())
    console().print(table)


def _worth(found: Measured) -> tuple[str, str, str]:
    worst = max(found.false_positives.values())
    return f"{found.recall:.3f}", f"{worst:.2%}", f"{found.precision:.4f}"


def _print_kinds(rows: int, measured: dict[str, Measured]) -> None:
    shown = {name: found for name, found in measured.items() if name not in {LIMIT, *ONCE}}
    if not shown:
        return
    table = Table("kind", *shown, title=f"{rows:,} rows: share of the rows flagged, kind by kind")
    kinds = [kind for kind in (*TEXT_KINDS, *HELD_OUT) if all(kind in found.recall_by_kind for found in shown.values())]
    for kind in kinds:
        label = f"{kind} (held out)" if kind in HELD_OUT else kind
        table.add_row(label, *(f"{found.recall_by_kind[kind]:.3f}" for found in shown.values()))
    table.add_section()
    for kind in (*HARD_NEGATIVES, UNRELATED):
        table.add_row(f"no leak: {kind}", *(f"{found.false_positives[kind]:.3f}" for found in shown.values()))
    console().print(table)


def _print_targets(rows: int, measured: dict[str, Measured], held_out: dict[str, Measured]) -> None:
    table = Table("to reach", "asked", "is", "", title=f"Targets at {rows:,} rows")
    for target in judged(rows, measured, held_out):
        table.add_row(target.what, target.asked, target.found, "reached" if target.reached else "[bold]missed[/bold]")
    console().print(table)
