"""A use case around one source file that a test writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract import Contract, Mapping
from data_contracts.records import RawExamples, Rejection
from data_contracts.use_case import ResolvedUseCase, UseCase
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read

FLAT: dict[str, Any] = {
    "columns": {"id": {}, "text": {}, "label": {}},
    "mapping": Mapping(id="id", input="text", output="label"),
}


def contract(**changes: Any) -> Contract:
    """Columns id, text and label, all required strings, unless changed."""
    return Contract.model_validate({"name": "tickets", "version": "1.0.0", **FLAT, **changes})


def use_case(*files: Path | str | dict[str, Any], rules: Contract | None = None, **changes: Any) -> ResolvedUseCase:
    """A classification use case over these files."""
    entries = [file if isinstance(file, dict) else {"path": str(file)} for file in files]
    settings = {
        "name": "tickets",
        "kind": "classification",
        "contract": "contract.yaml",
        "source": {"files": entries, **changes.pop("source", {})},
        "prompts": {"folder": "prompts", "base_models": ["base"]},
        "fine_tune": {"base_model": "base"},
        **changes,
    }
    return ResolvedUseCase(
        use_case=UseCase.model_validate(settings), contract=rules or contract(), folder=Path(__file__).parent
    )


@dataclass(frozen=True)
class Outcome:
    """What was read, taken back from its two files."""

    raw: RawExamples
    rows: pd.DataFrame
    rejected: list[Rejection]

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """(file, offset, length) of every record, in order."""
        rows = self.rows[["file", "offset", "length"]].itertuples(index=False, name=None)
        return sorted([*rows, *((found.file, found.offset, found.length) for found in self.rejected)])


def outcome(case: ResolvedUseCase, folder: Path) -> Outcome:
    """What is read for this use case, by way of two files in the folder."""
    target, turned_away = folder / "raw.examples", folder / "quarantine.lines"
    with Quarantine(turned_away) as quarantine:
        raw = read(case, target, quarantine)
    kept = turned_away.read_bytes().split(b"\n")[:-1]
    return Outcome(raw, pd.read_parquet(target), [Rejection(**json.loads(line)) for line in kept])


def read_file(path: Path, content: bytes, **changes: Any) -> Outcome:
    """What is read from a file of this content."""
    path.write_bytes(content)
    return outcome(use_case(path, **changes), path.parent)


def jsonl(*rows: dict[str, Any]) -> bytes:
    """The rows as lines of JSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row that passes."""
    return {"id": f"r{number}", "text": f"where is parcel {number}?", "label": "parcel", **changes}
