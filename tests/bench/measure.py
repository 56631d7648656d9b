"""Each method in a process of its own, within limits; and what its flags are worth against the planted truth."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tests.bench.worker import Cost
from tests.planted.data import Plan, Planted, plant
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import HELD_OUT, TEXT_KINDS

TIME_LIMIT_S, MEMORY_LIMIT_MB = 600, 12 * 1024
WARM_UP_ROWS = 2000
UNRELATED = "unrelated"


class OverLimit(Exception):
    """The method needed more than TIME_LIMIT_S or MEMORY_LIMIT_MB."""


@dataclass
class Measured:
    """One method on the data of one plan."""

    plan: Plan
    flagged: pd.DataFrame
    truth: pd.DataFrame
    runs: list[Cost] = field(default_factory=list)
    note: str = ""

    @property
    def seconds(self) -> float:
        """The median run."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def ratios(self) -> list[float]:
        """Each run as a multiple of the limit."""
        return [run.seconds / run.limit_s for run in self.runs]

    @property
    def cpu_ratio(self) -> float:
        """The same in CPU seconds, the median."""
        return statistics.median(run.cpu_s / run.limit_cpu_s for run in self.runs)

    @property
    def peak_mb(self) -> float:
        """The hungriest run."""
        return max(run.peak_mb for run in self.runs)

    @property
    def recall_by_kind(self) -> dict[str, float]:
        """Share of the planted rows that are flagged, of each kind of leak in the text, held out or not."""
        found = self.truth["judged"].isin(self.flagged["judged"]).groupby(self.truth["kind"]).mean()
        return {kind: float(found[kind]) for kind in (*TEXT_KINDS, *HELD_OUT) if kind in found}

    @property
    def recall(self) -> float:
        """Over all kinds of leaks in the text but the one held out."""
        kinds = self.recall_by_kind
        return sum(kinds[kind] for kind in TEXT_KINDS) / len(TEXT_KINDS)

    @property
    def false_positives(self) -> dict[str, float]:
        """Share of the rows flagged, of each kind of hard negative and of those unrelated to any row."""
        planted = set(self.truth["judged"])
        leaks = self.truth["kind"].isin([*TEXT_KINDS, *HELD_OUT])
        hard = self.truth["judged"].isin(self.flagged["judged"]).groupby(self.truth["kind"]).mean()
        unrelated = self.plan.sizes["test"] - len(planted)
        wrong = len(set(self.flagged["judged"]) - planted)
        same_customer = self.truth[~leaks & ~self.truth["kind"].isin(HARD_NEGATIVES)]["judged"]
        wrong += int(same_customer.isin(self.flagged["judged"]).sum())
        shares = {kind: float(hard[kind]) for kind in HARD_NEGATIVES}
        return shares | {UNRELATED: wrong / (unrelated + len(same_customer))}

    @property
    def precision(self) -> float:
        """Share of the flagged rows that leak by their text; 1 where nothing is flagged."""
        leaks = self.truth[self.truth["kind"].isin([*TEXT_KINDS, *HELD_OUT])]["judged"]
        flagged = self.flagged["judged"].drop_duplicates()
        return float(flagged.isin(leaks).mean()) if len(flagged) else 1.0

    @property
    def with_sources(self) -> "Measured":
        """The same, counting a row as found only where the named source is the planted one."""
        named = self.flagged.merge(self.truth[["judged", "trained"]])
        return Measured(self.plan, named, self.truth)


def measure(name: str, planted: Planted) -> tuple[pd.DataFrame, Cost]:
    """Flagged rows and cost of one run. Raises OverLimit."""
    warm_up = plant(Plan(WARM_UP_ROWS), planted.folder.parent)
    with tempfile.TemporaryDirectory() as result:
        command = [
            sys.executable,
            "-m",
            "tests.bench.worker",
            name,
            *map(str, (planted.folder, warm_up.folder, result)),
        ]
        watched(command)
        figures = json.loads((Path(result) / "figures.json").read_text())
        return pd.read_parquet(Path(result) / "flagged.parquet"), Cost(**figures)


def watched(command: list[str], most_s: float = TIME_LIMIT_S, most_mb: float = MEMORY_LIMIT_MB) -> None:
    """Run to its end. Raises OverLimit where that takes too long or too much memory, CalledProcessError on failure."""
    worker = subprocess.Popen(command)
    deadline = time.monotonic() + most_s
    try:
        while worker.poll() is None:
            if time.monotonic() > deadline:
                raise OverLimit(f"over {most_s / 60:g} min")
            if _held_mb(worker.pid) > most_mb:
                raise OverLimit(f"over {most_mb / 1024:g} GiB")
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    if worker.returncode:
        raise subprocess.CalledProcessError(worker.returncode, command)


def _held_mb(pid: int) -> float:
    """Resident memory now; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0
