"""What reading, curation, validation, privacy and label noise take, as multiples of the leakage check."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.table import Table

from tests.bench.measure import WARM_UP_ROWS
from tests.bench.methods import ours
from tests.bench.options import Options, console, seconds
from tests.bench.worker import peak_mb
from tests.planted.data import Planted, plant
from tests.small_use_case import CONTRACT, small_use_case

READ, PRIVACY, CLEAN, VALIDATE, NOISE, LEAKAGE = (
    "reading (JSONL), privacy aside",
    "privacy",
    "curation: duplicates, conflicts, report",
    "validation (Great Expectations)",
    "label noise",
    "leakage check",
)
ASKED = 3  # times the leakage check, for curation and validation together
COLUMNS = ("id", "customer", "text", "label")
EXPECTATIONS = [
    ("expect_column_values_to_be_unique", {"column": "id"}),
    ("expect_column_values_to_not_be_null", {"column": "input"}),
    ("expect_column_values_to_match_regex", {"column": "output", "regex": "^queue-"}),
    ("expect_column_values_to_be_between", {"column": "input_chars", "min_value": 1, "max_value": 20_000}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "input", "min_value": 0.5}),
    ("expect_table_row_count_to_be_between", {"min_value": 1000}),
]


@dataclass
class Steps:
    """Each step by its seconds."""

    rows: int
    taken: dict[str, float] = field(default_factory=dict)

    @property
    def gate(self) -> float:
        """Curation and validation as a multiple of the leakage check."""
        return sum(self.taken[step] for step in (CLEAN, VALIDATE)) / self.taken[LEAKAGE]


def bench(options: Options) -> None:
    """Take the steps on a few rows, so that all is loaded and compiled; then on all of them, and print one table."""
    for rows in (WARM_UP_ROWS, options.curation_rows):
        planted = plant(options.plan(rows), options.folder)
        with tempfile.TemporaryDirectory() as folder, _home(Path(folder) / "home"):
            steps = take(planted, Path(folder))
    _print(steps)


def take(planted: Planted, folder: Path) -> Steps:
    """The data steps of a trial on the train side, one after the other as a run takes them."""
    steps = Steps(planted.plan.sizes["train"])
    case = use_case(planted, folder / "case")
    raw = _read(case, folder, steps)
    _privacy(planted, steps)
    _clean(raw, case, steps)
    _validate(raw.path, case, steps)
    _label_noise(raw.path, case, steps)
    _leakage(planted, steps)
    return steps


def use_case(planted: Planted, folder: Path) -> Any:
    """A use case whose source is the train side as JSONL, with the usual expectations and nothing private blocked."""
    from data_contracts.load import load

    curation = {"privacy": {"default": "allow"}, "max_quarantined": 1}
    path = small_use_case(folder, rows=1, curation=curation)
    contract = {
        "name": "planted",
        "version": "1",
        "columns": {name: {} for name in COLUMNS},
        "mapping": {"id": "id", "input": "text", "output": "label", "group": "customer"},
        "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in EXPECTATIONS],
    }
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT | contract | {"labels": {}}))
    with (folder / "rows.jsonl").open("w") as lines:
        for batch in pq.ParquetFile(planted.path("train")).iter_batches(columns=list(COLUMNS)):
            lines.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())
    return load(str(path), {})


def _read(case: Any, folder: Path, steps: Steps) -> Any:
    from tasks.curate.quarantine import Quarantine
    from tasks.curate.read import read

    found = []
    with Quarantine(folder / "quarantine.jsonl") as quarantine:
        steps.taken[READ] = seconds(
            lambda: found.append(read(case, folder / "raw.parquet", quarantine, lambda _n: None))
        )
    return found[0]


def _privacy(planted: Planted, steps: Steps) -> None:
    """By itself, and taken off the reading that it is a part of."""
    from data_contracts.data_policy import Privacy
    from tasks.curate.privacy import Screen

    screen, texts = Screen(Privacy(default="allow")), planted.texts("train").to_pylist()
    steps.taken[PRIVACY] = seconds(lambda: [screen.clean(text, "text") for text in texts])
    steps.taken[READ] -= steps.taken[PRIVACY]


def _clean(raw: Any, case: Any, steps: Steps) -> None:
    from tasks.curate.clean import clean

    steps.taken[CLEAN] = seconds(lambda: clean(raw, case))


def _validate(rows: Path, case: Any, steps: Steps) -> None:
    from tasks.curate.validate import validate

    steps.taken[VALIDATE] = seconds(lambda: validate(rows, case.contract))


def _label_noise(rows: Path, case: Any, steps: Steps) -> None:
    from tasks.curate.label_noise import suspects

    steps.taken[NOISE] = seconds(lambda: suspects(rows, case.use_case.split.seed))


def _leakage(planted: Planted, steps: Steps) -> None:
    """Of train and test, in proportion to the rows that the other steps saw."""
    check = ours(planted.path("train"), planted.path("test"))
    steps.taken[LEAKAGE] = seconds(check) * steps.rows / planted.plan.rows


def _print(steps: Steps) -> None:
    columns = "step", "s", "rows a second", "x leakage check"
    table = Table(*columns, title=f"Data steps, {steps.rows:,} rows with a customer and a label each")
    for name, taken in steps.taken.items():
        table.add_row(name, f"{taken:.2f}", f"{steps.rows / taken:,.0f}", f"{taken / steps.taken[LEAKAGE]:.2f}")
    table.caption = f"peak {peak_mb():,.0f} MB for the whole process"
    console().print(table)
    share = steps.taken[VALIDATE] / sum(steps.taken.values())
    reached = "reached" if steps.gate <= ASKED else "missed"
    console().print(f"Great Expectations takes {share:.0%} of the steps above.")
    console().print(f"Curation and validation: {steps.gate:.2f} x the leakage check (<= {ASKED}: {reached}).")


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """State of its own: nothing is written to the user's."""
    before = os.environ.get("TUNEGATE_HOME")
    os.environ["TUNEGATE_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("TUNEGATE_HOME")
        if before is not None:
            os.environ["TUNEGATE_HOME"] = before
