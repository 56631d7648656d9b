"""Rows in what the monitor collected and what the served model logged: gone by id and by words, the others stay."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_contracts.load import load
from data_contracts.text import words_hash
from tasks.ledger import Ledger
from tasks.steps.forgotten.production import Production
from tasks.storage import Storage
from tasks.watch.production import JsonLines
from tests.small_use_case import small_use_case

AT = "2026-01-02T03:04:05+00:00"
OWN, OTHER = "please call jane about the violin", "the anchor is lost"


@pytest.fixture
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "production").mkdir(parents=True)
    path = small_use_case(tmp_path / "case", rows=1, monitor={"collect": "collected.jsonl"})
    return Production(load(str(path)), Ledger())


def collect(production: Production, *rows: tuple[str, str]) -> None:
    plain = [{"id": id_, "text": text, "label": "ships", "length": "short", "created": AT} for id_, text in rows]
    Path(production.collected).write_text("".join(json.dumps(row) + "\n" for row in plain))


def log(*records: dict[str, Any]) -> Path:
    from tasks.home import home

    path = home() / "production" / "served.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def request(id_: str | None, text: str) -> dict[str, Any]:
    return {"at": AT, "input": text, "output": "music"} | ({"id": id_} if id_ else {})


def test_collected_rows_go_by_id_and_by_words_and_the_others_stay_byte_for_byte(production: Production) -> None:
    collect(production, ("a", OWN), ("b", OTHER), ("c", OWN.upper()))
    kept = Path(production.collected).read_bytes().splitlines(keepends=True)[1]
    assert production.named(["a"]) == {("a", words_hash(OWN))}
    assert production.erase(["a"], [words_hash(OWN)]) == [f"{production.collected}: 2 rows"]
    assert Path(production.collected).read_bytes() == kept


def test_logged_lines_go_with_the_labels_that_came_later(production: Production) -> None:
    chat = {"at": AT, "messages": [{"role": "user", "content": OWN}], "output": "music"}
    path = log(request("a", OWN), request("b", OTHER), request(None, OWN), chat, {"id": "a", "expected": "ships"})
    size = path.stat().st_size
    assert production.erase(["nobody"], [words_hash(OWN)]) == [f"{path}: 4 rows"]
    assert "violin" not in path.read_text()
    assert path.stat().st_size == size, "whoever appends meanwhile is not disturbed"
    skipped: Counter[str] = Counter()
    left = list(JsonLines(str(path), Storage()).records(skipped))
    assert ([record.id for record in left], skipped.total()) == (["b"], 0)


def test_a_second_time_finds_nothing(production: Production) -> None:
    collect(production, ("a", OWN))
    log(request("a", OWN))
    assert len(production.erase(["a"], [])) == 2
    assert production.erase(["a"], [words_hash(OWN)]) == []


def test_a_line_that_is_no_record_is_known_by_its_id(production: Production) -> None:
    path = log({"id": "a", "text": OWN}, {"id": "b", "text": OTHER})
    assert production.erase(["a"], []) == [f"{path}: 1 rows"]
    assert "violin" not in path.read_text()


def test_nothing_collected_and_nothing_logged_is_no_error(production: Production) -> None:
    assert production.named(["a"]) == set()
    assert production.erase(["a"], [words_hash(OWN)]) == []
