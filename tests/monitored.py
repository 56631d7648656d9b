"""A home in which the small use case has a champion on watch, and production that answers as a test wants it."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_contracts.load import load
from data_contracts.monitoring import MonitorReport
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.steps.monitoring import look
from tests.fake_clock import FakeClock
from tests.small_use_case import small_rows, small_use_case
from tests.stepwise import Finished

MONITOR: dict[str, Any] = {
    "sources": [{"path": "production/*.jsonl"}],
    "collect": "collected.jsonl",
    "min_answers": 100,
    "min_labelled": 30,
}


def with_champion(finished: Finished, home: Path) -> None:
    """Make `home` one in which the finished trial, whose tune is promoted, is registered. TUNEGATE_HOME is there."""
    former = finished.space.folder.path.parents[1]
    (home / "provider").mkdir(mode=0o700, parents=True)
    shutil.copytree(former / "runs", home / "runs")
    shutil.copy(former / "ledger.db", home / "ledger.db")
    shutil.copy(former / "provider" / "identity", home / "provider" / "identity")
    registry = Registry("small")
    with Ledger().lock("registry small"):
        registry.register(finished.record, registry.open_trial(finished.record.run, {}))


@dataclass(frozen=True)
class Production:
    """A use-case file of its own, and the log that its `monitor.sources` names."""

    folder: Path
    path: Path

    @classmethod
    def of(cls, folder: Path, rows: int = 400, **monitor: Any) -> "Production":
        files = [{"path": "rows.jsonl"}, {"path": "collected.jsonl"}]
        path = small_use_case(folder, rows, monitor=MONITOR | monitor, source={"files": files})
        (folder / "production").mkdir(exist_ok=True)
        return cls(folder, path)

    def answer(self, count: int = 150, seed: int = 50, wrong: float = 0.0, **fields: Any) -> None:
        """Log answers to new notes, this share of them wrong; `fields` stand in each record, None takes one out."""
        version = Registry("small").champion()
        lines = []
        for number, row in enumerate(small_rows(count, seed)):
            output = row["label"] if number >= wrong * count else ("ships" if row["label"] != "ships" else "tools")
            plain = {
                "at": datetime.now(UTC).isoformat(),
                "id": f"{seed}-{row['id']}",
                "input": row["text"],
                "output": output,
                "expected": row["label"],
                "version": version.version if version else 0,
                "latency_ms": 2.0,
                "prompt_tokens": 30,
                "completion_tokens": 1,
                "fields": {"length": "short"},
            } | fields
            lines.append({name: value for name, value in plain.items() if value is not None})
        self.log(*lines)

    def log(self, *records: dict[str, Any]) -> None:
        """Add lines to the log."""
        with (self.folder / "production" / "log.jsonl").open("a") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in records)

    def look(self, days: float = 0.0) -> MonitorReport:
        """One look, so many days from now."""
        clock = FakeClock(datetime.now(UTC).timestamp() + 86_400 * days + 1)
        return look(load(str(self.path)), Registry("small"), Ledger(clock=clock))

    def collected(self) -> list[dict[str, Any]]:
        """Rows that were collected so far."""
        path = self.folder / "collected.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
