"""Raw examples as reading leaves them, written by a test without any reading."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.contract import Contract
from data_contracts.records import EXAMPLE_COLUMNS, RawExamples
from data_contracts.text import canonical_json, words_hash

NUMBERS = ("line", "offset", "length")
SCHEMA = pa.schema([(name, pa.int64() if name in NUMBERS else pa.string()) for name in EXAMPLE_COLUMNS])


def example(number: int, text: str, output: str = "parcel", **changes: Any) -> dict[str, Any]:
    """One example; `slices` may be an object, `messages` and `tools` lists."""
    messages = changes.pop("messages", [{"role": "user", "content": text}])
    tools, slices = changes.pop("tools", None), changes.pop("slices", {})
    row = {
        "id": f"r{number}",
        "input": text,
        "messages": json.dumps(messages),
        "output": output,
        "rejected": "",
        "tools": json.dumps(tools) if tools else "",
        "created_at": "",
        "given_partition": "",
        "slices": canonical_json(slices),
        "words": words_hash(text),
        "file": "rows.jsonl",
        "line": number,
        "offset": 100 * number,
        "length": 100,
        **changes,
    }
    content = [row[name] for name in ("messages", "output", "rejected", "tools")]
    return {"group": row["id"], "content": sha256(json.dumps(content).encode()).hexdigest()[:32], **row}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """The rows as a Parquet file with EXAMPLE_COLUMNS."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), path)
    return path


def raw_examples(path: Path, *rows: dict[str, Any], **changes: Any) -> RawExamples:
    """What reading hands to cleaning."""
    facts: dict[str, Any] = {"rejected": 0, "sources": {}, "facts": {}, "private": {}, **changes}
    return RawExamples(path=write(path, rows), rows=len(rows), **facts)


def sliced_contract(*expectations: dict[str, Any], labels: Sequence[str] = ()) -> Contract:
    """A contract with the slice columns plan and vip."""
    return Contract.model_validate(
        {
            "name": "tickets",
            "version": "1.0.0",
            "columns": {"text": {}, "label": {}, "plan": {}, "vip": {"type": "boolean"}},
            "mapping": {"input": "text", "output": "label", "slices": ["plan", "vip"]},
            "labels": {label: f"About {label}." for label in labels},
            "expectations": list(expectations),
        }
    )
