"""`python -m tests.chaos --seeds a..b --result FILE`: trials under kills and faults, their totals gathered in FILE.

A seed is the number of a random trial, of a kill point, of a cell of the grid, of a race, or of a full command.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.chaos import full, grid, kill_points, race
from tests.chaos.disturbances import drawn, try_random
from tests.chaos.judge import Undisturbed
from tests.chaos.outages import Neighbours, outages, try_outage
from tests.chaos.person import Course
from tests.chaos.processes import Forks
from tests.chaos.results import Result, Results
from tests.chaos.use_case import chaos_use_case

KINDS = ("random", "points", "grid", "outage", "race", "full")
RACES, FULL = 50, 40  # longer trials: there are so many of them
Item = TypeVar("Item")


@dataclass(frozen=True)
class Trial:
    """One trial that is to be run: `run` in a folder gives what is wrong with it, and its course."""

    kind: str
    name: str
    seed: int
    run: Callable[[Path], tuple[list[str], Course]]
    about: str = ""


@dataclass(frozen=True)
class Yard:
    """What all trials of a call share; servers start when the first of them needs one."""

    forks: Forks
    folder: Path
    use_case: Path
    expected: Undisturbed
    near: Neighbours

    def trials(self, kind: str, seeds: range) -> Iterator[Trial]:
        """Those of one kind, by number."""
        forks, case, expected = self.forks, self.use_case, self.expected
        for seed in seeds:
            if kind == "random":
                about = str(drawn(seed, expected))
                yield Trial(kind, str(seed), seed, lambda to, n=seed: try_random(forks, to, case, n, expected), about)
            elif kind == "points" and (point := _numbered(kill_points.chosen(expected.points), seed)):
                run = lambda to, at=point: kill_points.try_point(forks, to, case, at, expected)  # noqa: E731
                yield Trial(kind, point, seed, run)
            elif kind == "grid" and (cell := _numbered(grid.cells(), seed)):
                run = lambda to, one=cell: grid.try_cell(forks, to, case, one, expected)  # noqa: E731
                yield Trial(kind, cell.name, seed, run)
            elif kind == "race" and seed <= RACES:
                yield Trial(kind, str(seed), seed, partial(race.round_of, seed, forks, case))
            elif kind == "outage" and (outage := _numbered(outages(), seed)):
                run = lambda to, one=outage: try_outage(forks, to, one, self.near, expected)  # noqa: E731
                yield Trial(kind, outage.name, seed, run)
            elif kind == "full" and seed <= FULL:
                run = lambda to, n=seed: full.try_full(forks, to, n, self.near.servers, expected)  # noqa: E731
                yield Trial(kind, str(seed), seed, run)


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing; 1 where any trial failed, in this call or an earlier one."""
    options = _options(arguments)
    results, folder = Results(options.result), Path(tempfile.mkdtemp(prefix="chaos-"))
    with ExitStack() as stack:
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        forks = stack.enter_context(Forks(folder / "forks"))
        near = Neighbours(folder, stack, lambda: stack.enter_context(full.servers(folder / "servers")))
        use_case = chaos_use_case(folder / "case")
        expected = kill_points.undisturbed(forks, folder / "undisturbed", use_case)
        yard = Yard(forks, folder, use_case, expected, near)
        trials = [one for kind in options.kind for one in yard.trials(kind, options.seeds)]
        random.Random(1).shuffle(trials)  # whoever stops early has seen some of each kind
        _run([one for one in trials if (one.kind, one.name) not in results], results, folder, options)
    print(results.table())
    return 1 if results.failed else 0


def _run(trials: list[Trial], results: Results, folder: Path, options: argparse.Namespace) -> None:
    until = time.monotonic() + options.minutes * 60
    print(f"{len(trials)} trials to run, {options.workers} at a time", flush=True)

    def one(trial: Trial) -> None:
        if time.monotonic() > until:
            return
        since = time.monotonic()
        try:
            found, course = trial.run(folder / f"{trial.kind}-{trial.seed}")
        except Exception as error:  # the harness's own, or a state that it cannot read: a failure like any other
            found, course = [f"lost: {type(error).__name__}: {error}"[:500]], Course()
        seconds = round(time.monotonic() - since, 2)
        told = {"about": trial.about, "seed": trial.seed, "answers": course.answers}
        results.add(Result(trial.kind, trial.name, found, course.exits, seconds, **told))
        mark = "FAILED " + "; ".join(found) if found else "ok"
        print(f"{trial.kind:7} {trial.seed:4} {trial.name:45} {course.exits} {seconds:5.1f} s {mark}", flush=True)

    with ThreadPoolExecutor(options.workers) as pool:
        list(pool.map(one, trials))


def _numbered(items: Sequence[Item], seed: int) -> Item | None:
    return items[seed - 1] if 1 <= seed <= len(items) else None


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Trials under kills and faults.")
    parser.add_argument("--seeds", type=_span, required=True, metavar="A..B")
    parser.add_argument("--result", type=Path, required=True, metavar="FILE", help="gathers the totals of all calls")
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be given again; all unless given")
    parser.add_argument("--minutes", type=float, default=1e6, help="start no trial after so long")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time")
    parser.add_argument("--keep", action="store_true", help="leave the folders of failed trials")
    options = parser.parse_args(arguments)
    options.kind = options.kind or KINDS
    return options


def _span(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
