"""A use case around one source file that a test writes."""

import json
from pathlib import Path
from typing import Any

from data_contracts.contract import Contract, Mapping
from data_contracts.records import RawExamples
from data_contracts.use_case import ResolvedUseCase, UseCase
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


def read_file(path: Path, content: bytes, **changes: Any) -> RawExamples:
    """What is read from a file of this content."""
    path.write_bytes(content)
    return read(use_case(path, **changes))


def jsonl(*rows: dict[str, Any]) -> bytes:
    """The rows as lines of JSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row that passes."""
    return {"id": f"r{number}", "text": f"where is parcel {number}?", "label": "parcel", **changes}
