"""Labelled production rows in the shape of any contract: its mapping, read backwards."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_contracts.load import load
from data_contracts.production import ProductionRecord
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read
from tasks.ledger import Ledger
from tasks.steps.collecting import Collector
from tests.small_use_case import CONTRACT, small_use_case

AT = "2026-01-02T03:04:05+00:00"
CHAT = [{"role": "user", "content": "where is my parcel"}]
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {  # columns and mapping, record, row
    "chat messages with their answer": (
        {"columns": {"chat": {"type": "messages"}}, "mapping": {"messages": "chat"}},
        {"messages": CHAT},
        {"chat": [*CHAT, {"role": "assistant", "content": "ships"}]},
    ),
    "chat messages in a text": (
        {"columns": {"chat": {"type": "string"}}, "mapping": {"messages": "chat"}},
        {"input": "where is my parcel"},
        {"chat": json.dumps([*({k: t[k] for k in ("content", "role")} for t in CHAT),
                             {"content": "ships", "role": "assistant"}], separators=(",", ":"))},
    ),
    "chat messages and an answer of their own": (
        {"columns": {"chat": {"type": "messages"}, "answer": {}}, "mapping": {"messages": "chat", "output": "answer"}},
        {"messages": CHAT},
        {"chat": CHAT, "answer": "ships"},
    ),
    "a group and a time": (
        {
            "columns": {"text": {}, "label": {}, "who": {}, "when": {"type": "datetime"}},
            "mapping": {"input": "text", "output": "label", "group": "who", "created_at": "when"},
        },
        {"input": "mast", "group": "g1"},
        {"text": "mast", "label": "ships", "who": "g1", "when": AT},
    ),
    "a preference, whose other answer is the one that was wrong": (
        {
            "columns": {"text": {}, "label": {}, "bad": {}},
            "mapping": {"input": "text", "output": "label", "rejected": "bad"},
        },
        {"input": "mast", "output": "music"},
        {"text": "mast", "label": "ships", "bad": "music"},
    ),
}  # fmt: skip


def collector(folder: Path, **contract: Any) -> tuple[Collector, Path, Counter[str]]:
    """Of a use case whose only source is what is collected."""
    source = {"files": [{"path": "collected.jsonl"}]}
    path = small_use_case(folder, rows=1, monitor={"collect": "collected.jsonl"}, source=source)
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT | {"expectations": []} | contract))
    skipped: Counter[str] = Counter()
    return Collector(load(str(path)), Ledger(), skipped), path, skipped


def record(**fields: Any) -> ProductionRecord:
    return ProductionRecord.model_validate({"at": AT, "expected": "ships"} | fields)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_has_the_contracts_columns_and_the_next_trial_reads_it(
    shape: str, own_home: Path, tmp_path: Path
) -> None:
    contract, fields, row = SHAPES[shape]
    collecting, path, skipped = collector(tmp_path / "case", **contract)
    collecting.offer(record(**fields))
    assert (collecting.write(), skipped) == (1, Counter())
    assert json.loads((tmp_path / "case" / "collected.jsonl").read_text()) == row
    with Quarantine(tmp_path / "quarantine.jsonl") as quarantine:
        raw = read(load(str(path)), tmp_path / "raw.parquet", quarantine)
    assert (raw.rows, raw.rejected) == (1, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_row_is_not_added_again_and_a_corrected_one_replaces_it(
    shape: str, own_home: Path, tmp_path: Path
) -> None:
    contract, fields, _ = SHAPES[shape]
    for label, added in (("ships", 1), ("ships", 0), ("tools", 1)):
        collecting = collector(tmp_path / "case", **contract)[0]
        collecting.offer(record(**{**fields, "expected": label}))
        assert collecting.write() == added
    assert len((tmp_path / "case" / "collected.jsonl").read_text().splitlines()) == 1


def test_a_right_answer_is_no_preference(own_home: Path, tmp_path: Path) -> None:
    contract = SHAPES["a preference, whose other answer is the one that was wrong"][0]
    collecting, _, skipped = collector(tmp_path / "case", **contract)
    collecting.offer(record(input="mast", output="ships"))
    assert collecting.write() == 0
    assert skipped == {"not collected: missing field (bad)": 1}


def test_rows_of_other_hands_in_the_file_stay_byte_for_byte(own_home: Path, tmp_path: Path) -> None:
    contract = {"columns": {"text": {}, "label": {}}, "mapping": {"input": "text", "output": "label"}}
    collecting = collector(tmp_path / "case", **contract)[0]
    theirs = b'{ "text": "keel",  "label": "ships" }\n'
    (tmp_path / "case" / "collected.jsonl").write_bytes(theirs)
    collecting.offer(record(input="mast"))
    collecting.offer(record(input="keel"))
    assert collecting.write() == 1
    assert (tmp_path / "case" / "collected.jsonl").read_bytes().startswith(theirs)
