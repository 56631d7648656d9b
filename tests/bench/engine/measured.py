"""One contender on one row: in a fresh process, by its own account and by the endpoint's."""

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.bench.engine.cases import Case, Job, Said
from tests.bench.engine.contenders import Contender
from tests.bench.engine.counts import Counts, quantile
from tests.bench.engine.rows import Row
from tests.bench.engine.serving import ROOT, Served

METER = Path(__file__).with_name("meter.py")
MOST_S = 300.0


class Cost(NamedTuple):
    """Of a whole process, its children included; `peak_mb` is that of the largest one."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


@dataclass(frozen=True)
class Run:
    """What the whole process cost; what it says; what the endpoint counted."""

    row: Row
    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int
    said: list[Said]
    counts: Counts
    others: float  # share of the machine that neither it nor the endpoint used
    heavy: tuple[str, ...] = ()
    complaint: str = ""  # the last that a run without results printed

    @property
    def times_least(self) -> float:
        """Whole process as a multiple of what nobody can stay below."""
        return self.wall_s / self.row.least_s

    @property
    def span_times_least(self) -> float:
        """The same of first request to last answer."""
        return self.counts.span_s / self.row.least_s

    @property
    def cpu_per_1000(self) -> float:
        """CPU seconds per 1,000 cases."""
        return self.cpu_s * 1000 / self.row.cases

    @property
    def lost(self) -> int:
        """Cases without their right answer in the results."""
        right = {one.number for one in self.said if one.output == Case(one.number).expected}
        return self.row.cases - len(right)

    def said_ms(self, share: float) -> float:
        """A quantile of the latencies that the contender reports for what was answered."""
        return quantile([one.latency_ms for one in self.said if one.output], share)

    def true_ms(self, share: float) -> float:
        """The same by the endpoint's clock."""
        return quantile(self.counts.latencies_ms, share)


@dataclass
class Measured:
    """All runs of one contender on one row, in the order of the rounds."""

    name: str
    row: Row
    runs: list[Run] = field(default_factory=list)

    def median(self, figure: Callable[[Run], float]) -> float:
        """Over the runs."""
        return statistics.median(map(figure, self.runs))

    def worst(self, figure: Callable[[Run], float]) -> float:
        """Over the runs, where one bad run is one too many."""
        return max(map(figure, self.runs))

    def against(self, other: "Measured", figure: Callable[[Run], float]) -> float:
        """The median of the ratios, round by round."""
        pairs = zip(self.runs, other.runs, strict=False)
        return statistics.median(figure(own) / figure(its) for own, its in pairs)


def measure(contender: Contender, row: Row, served: Served, folder: Path) -> Run:
    """One run in an empty folder; a row of kind `kill` has it killed half-way and called again."""
    job = Job(f"{served.origin}/v1", row.cases, row.concurrency)
    contender.prepare(folder, job)
    served.reset(row.behaviour)
    environment = contender.environment(folder, served.origin)
    delivered = None
    if row.kind == "kill":
        delivered = kill_half_way(contender.command(folder, False), environment, served, row.cases)
    before = machine_busy_s()
    cost = _metered(contender.command(folder, row.kind == "kill"), environment, folder)
    busy = machine_busy_s() - before
    counts, said, heavy = served.counts(), contender.said(folder), folder / "heavy.json"
    if delivered is not None:
        counts.only_these_count_twice(delivered)
    others = max(0.0, busy - cost.cpu_s - counts.cpu_s) / (cost.wall_s * (os.cpu_count() or 1))
    libraries = tuple(json.loads(heavy.read_text())) if heavy.exists() else ()
    complaint = "" if said else f"exit {cost.code}: {_last_line(folder / 'printed.txt')}"
    return Run(row, *cost, said, counts, others, libraries, complaint)


def kill_half_way(command: Iterable[str], environment: dict[str, str], served: Served, cases: int) -> set[int]:
    """Start it, and take its whole process group down once half of the cases have been answered: those cases."""
    process = subprocess.Popen(
        [*command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    deadline = time.monotonic() + MOST_S
    while len(served.counts().answers_by_case) < cases / 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    delivered = set(served.counts().answers_by_case)
    with suppress(ProcessLookupError):  # it stopped by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return delivered


def machine_busy_s() -> float:
    """CPU seconds that all processes together have used; not a number where the system does not say."""
    path = Path("/proc/stat")
    if not path.exists():
        return math.nan
    user, nice, system, _idle, _wait, *rest = map(int, path.read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


def _metered(command: Iterable[str], environment: dict[str, str], folder: Path) -> Cost:
    """What it prints is kept in the folder."""
    result = folder / "metered.json"
    with folder.joinpath("printed.txt").open("w") as printed:
        meter = [sys.executable, "-I", "-S", str(METER), str(result), str(MOST_S), *command]
        subprocess.run(meter, cwd=ROOT, env=environment, stdout=printed, stderr=printed, check=True)
    return Cost(**json.loads(result.read_text()))


def _last_line(path: Path) -> str:
    return path.read_text().strip().rpartition("\n")[2]
