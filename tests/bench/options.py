"""What is measured, how often, on which data; and where it is printed."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console

from tests.planted.data import REPORT_SEED, TUNING_SEED, Plan

PARTS = ("speed", "answers", "polling", "leakage", "curation", "trials")
WIDTH = 150  # a table piped into a file keeps its columns


@dataclass(frozen=True)
class Options:
    """As given on the command line."""

    rows: Sequence[int]
    curation_rows: int
    runs: int
    methods: Sequence[str] | None
    folder: Path | None
    tuning: bool
    contenders: Sequence[str] | None
    full: bool

    def plan(self, rows: int, language: str = "english") -> Plan:
        """Reported figures come from a seed, and with a kind of leak, that nothing was tuned on."""
        return Plan(rows, TUNING_SEED if self.tuning else REPORT_SEED, language, held_out=not self.tuning)


def console(stderr: bool = False) -> Console:
    """Wide enough for the tables; progress goes to standard error."""
    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=WIDTH)


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    start = perf_counter()
    call()
    return perf_counter() - start


def spread(ratios: Sequence[float]) -> str:
    """The median, and the least to the most."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
