"""Each bad line is found where it stands, by its rule, with what to do about it; the lines around it are read."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_contracts.contract import Contract
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read
from tests.curate.bad_inputs import BAD, MAX_BYTES, MAX_TOKENS, Bad, good
from tests.curate.cases import use_case
from tests.curate.chats import CHAT, PAIRS
from tests.curate.exported import MARK

GOOD_LINES = 12
OPTIONAL = {"required": False}
TYPED = {"vip": {"type": "boolean", **OPTIONAL}, "at": {"type": "datetime", **OPTIONAL}}
FLAT: dict[str, Any] = {
    "columns": {"id": {}, "text": {}, "label": {}, "amount": {"type": "number", **OPTIONAL}, **TYPED},
    "mapping": {"id": "id", "input": "text", "output": "label", "created_at": "at"},
    "labels": {"parcel": "", "card": ""},
}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {  # form -> task kind and contract
    "flat": ("classification", FLAT),
    "csv": (
        "classification",
        {**FLAT, "columns": {**FLAT["columns"], "count": {"type": "integer"}, "amount": OPTIONAL}},
    ),
    "chat": ("free_text", {"columns": {"messages": {"type": "messages"}}, "mapping": {"messages": "messages"}}),
    "tools": ("free_text", CHAT),
    "pairs": ("free_text", PAIRS),
    "extraction": (
        "extraction",
        {
            "columns": {"text": {}, "answer": {"type": "object"}},
            "mapping": {"input": "text", "output": "answer"},
            "output_schema": {
                "type": "object",
                "properties": {"number": {"type": "integer"}},
                "required": ["number"],
            },
        },
    ),
    "openai_logs": ("free_text", CHAT),
    "mlflow_traces": ("free_text", CHAT),
}
HEADER = b"id,text,label,count,vip,at"


def case_of(bad: Bad, path: Path):
    kind, shape = SHAPES[bad.form]
    rules = Contract.model_validate({"name": "rows", "version": "1", **shape})
    entry = {"path": str(path), "format": bad.form if bad.form in ("csv", "openai_logs", "mlflow_traces") else "jsonl"}
    limits = {"max_record_bytes": MAX_BYTES, "max_tokens": MAX_TOKENS}
    return use_case(entry, rules=rules, kind=kind, source=limits, prompts={"folder": "p", "base_models": ["m"]})


def test_there_are_more_than_eighty_kinds_and_no_two_of_one_name():
    assert len({bad.name for bad in BAD}) == len(BAD) > 80
    assert len({bad.code for bad in BAD}) > 20


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.form}: {bad.name}")
def test_a_bad_line_is_named_with_its_place_its_rule_and_its_fix(bad: Bad, tmp_path: Path):
    draw = random.Random(bad.name)
    at = draw.randrange(GOOD_LINES)
    lines = [good(bad.form, number) for number in range(GOOD_LINES)]
    lines.insert(at, bad.line)
    head = [HEADER] if bad.form == "csv" else []
    path = tmp_path / "rows.txt"
    path.write_bytes(b"".join(line + b"\n" for line in (*head, *lines)))

    with Quarantine(tmp_path / "quarantine.jsonl") as quarantine:
        raw = read(case_of(bad, path), tmp_path / "raw.parquet", quarantine)

    (found,) = [json.loads(text) for text in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert (found["line"], found["code"], found["field"]) == (len(head) + at + 1, bad.code, bad.field)
    assert bad.fix in found["remedy"]
    assert MARK not in found["remedy"] + found["field"] + found["code"]
    assert (raw.rows, raw.rejected) == (GOOD_LINES, 1) == (pq.read_metadata(raw.path).num_rows, len(quarantine))
