"""One method in a process of its own: `python -m tests.bench.worker METHOD DATA WARM_UP RESULT`.

Compiled code and library imports are warm by a run on the small data; then the run that counts is timed, and right
after it the limit, so that both meet the same machine. Memory is read before the limit runs.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.methods import LIMIT, METHODS, Run

SHORT_S, REPEATS = 1.0, 5  # what is over sooner is timed several times over, and the median taken


def main() -> None:
    """Write flagged.parquet and figures.json into the folder RESULT."""
    name, data, warm_up, result = sys.argv[1], *map(Path, sys.argv[2:])
    _of(name, warm_up)()
    run = _of(name, data)
    flagged = []
    taken = [timed(lambda: flagged.append(run()))]
    peak = peak_mb()
    limit = _of(LIMIT, data)
    limit()
    limits = [timed(limit)]
    while sum(wall for wall, _cpu in taken) < SHORT_S and len(taken) < REPEATS:
        taken.append(timed(run))
        limits.append(timed(limit))
    flagged[0].to_parquet(result / "flagged.parquet")
    figures = zip(Cost._fields, (*_medians(taken), *_medians(limits), peak), strict=True)
    (result / "figures.json").write_text(json.dumps(dict(figures)))


class Cost(NamedTuple):
    """Of one run, and of the limit right after it; and the most memory that the process held before that."""

    seconds: float
    cpu_s: float
    limit_s: float
    limit_cpu_s: float
    peak_mb: float


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of CPU over all threads: the latter hold on a machine that others use as well."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _medians(taken: list[tuple[float, float]]) -> tuple[float, ...]:
    return tuple(statistics.median(column) for column in zip(*taken, strict=True))


def _of(name: str, data: Path) -> Run:
    return METHODS[name](data / "train.parquet", data / "test.parquet")


def peak_mb() -> float:
    """The most memory the process held so far: interpreter, libraries and texts included.

    Linux's own high-water mark where there is one: ru_maxrss there starts with what the parent process held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
