"""Retrieval corpora are read in bounded memory, and what evaluation rows they hold is told."""

import json
from pathlib import Path

import pytest

from data_contracts.data_policy import Leakage
from tasks.errors import ConfigurationError
from tasks.partition.leaks import corpora
from tests.partition.leaky import SPARE, Leaky, leaky, planted, unrelated_texts

QUESTION = SPARE[0]


def found(folder: Path, test: list[str], *paths: str) -> list[tuple[str, str, str]]:
    """(evaluation id, place, kind), in the order of the rows."""
    pairs = planted([], test).find(Leakage(corpora=list(paths)), folder=folder).pairs
    assert set(pairs["source"]) <= {"corpus"}
    assert pairs["review"].all()
    return list(zip(pairs["evaluation_id"], pairs["train_id"], pairs["kind"], strict=True))


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_records_and_paragraphs_are_named_by_file_and_line(tmp_path: Path) -> None:
    write(tmp_path / "kb/faq.jsonl", json.dumps({"id": 1, "text": SPARE[5]}), json.dumps({"q": {"text": QUESTION}}))
    write(tmp_path / "kb/deep/page.md", "# Title", "", SPARE[6], "", *QUESTION.upper().split(maxsplit=3))
    write(tmp_path / "notes.txt", QUESTION)
    assert found(tmp_path, [QUESTION], "kb/faq.jsonl") == [("test-20", "faq.jsonl#2", "same words")]
    assert found(tmp_path, [QUESTION], "kb/deep") == [("test-20", "deep/page.md#5", "same words")]
    assert found(tmp_path, [QUESTION], "notes.txt") == [("test-20", "notes.txt#1", "same words")]


def test_a_question_inside_a_long_document_is_found(tmp_path: Path) -> None:
    before, after = (" ".join(unrelated_texts(80, seed=seed)) for seed in (11, 12))
    write(tmp_path / "book.txt", f"{before} {QUESTION} {SPARE[1]} {after}")
    ((row, place, kind),) = found(tmp_path, [f"{QUESTION} {SPARE[1]}"], "book.txt")
    assert (row, place) == ("test-20", "book.txt#1")
    assert kind in ("near", "shared passages")


def test_each_corpus_has_its_count_and_nothing_stops(tmp_path: Path) -> None:
    write(tmp_path / "one.txt", QUESTION, "", SPARE[1])
    write(tmp_path / "two.txt", SPARE[2])
    data = planted([], [QUESTION, SPARE[1], SPARE[3]])
    policy = Leakage(corpora=["one.txt", "two.txt"])
    assert data.find(policy, folder=tmp_path).report.corpora == {"one.txt": 2, "two.txt": 0}
    assert data.check(policy, folder=tmp_path).partitions is data.partitions


def test_a_leak_into_train_and_a_find_in_a_corpus_stand_side_by_side(tmp_path: Path) -> None:
    write(tmp_path / "one.txt", QUESTION)
    data: Leaky = planted([QUESTION], [QUESTION])
    report_and_pairs = data.find(Leakage(corpora=["one.txt"]), folder=tmp_path)
    assert report_and_pairs.pairs["source"].tolist() == ["train", "corpus"]
    assert report_and_pairs.report.found["test"]["same text"] == 1
    assert sum(report_and_pairs.report.review["test"].values()) == 0


def test_the_best_place_over_all_blocks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "BLOCK", 2)
    write(tmp_path / "one.txt", *[f"{text}\n" for text in (QUESTION + " indeed", *SPARE[10:20], QUESTION)])
    assert found(tmp_path, [QUESTION], "one.txt") == [("test-20", "one.txt#23", "same words")]


def test_odd_content_is_read_as_text_and_breaks_nothing(tmp_path: Path) -> None:
    lines = ["{broken", "[" * 100_000, "7", "", json.dumps([QUESTION])]
    write(tmp_path / "odd.jsonl", *lines)
    (tmp_path / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") + QUESTION.encode())
    assert found(tmp_path, [QUESTION], "odd.jsonl") == [("test-20", "odd.jsonl#5", "same words")]
    assert [kind for _, _, kind in found(tmp_path, [QUESTION], "latin.txt")] == ["near"]


def test_a_line_of_any_length_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "LINE", 1_000)
    filler = " ".join(unrelated_texts(500, seed=4))[:1950]
    write(tmp_path / "one.txt", f"{filler} {QUESTION}", "", SPARE[2])
    rows = found(tmp_path, [QUESTION, SPARE[2]], "one.txt")
    assert sorted((row, place) for row, place, _ in rows) == [("test-20", "one.txt#1"), ("test-21", "one.txt#3")]


def test_overlapping_windows_cover_a_text_without_a_gap() -> None:
    text = "".join(chr(97 + number % 26) for number in range(1_650))
    parts = list(corpora.windows(text))
    assert [len(part) for part in parts] == [600, 600, 600, 600, 450]
    assert all(part in text for part in parts)
    assert list(corpora.windows("short")) == ["short"]
    assert list(corpora.windows("")) == [""]


@pytest.mark.parametrize("path", ["nowhere", "empty", "table.csv"])
def test_a_corpus_that_cannot_be_read_is_a_mistake_in_the_configuration(path: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "table.csv", "a,b")
    with pytest.raises(ConfigurationError, match=r"leakage\.corpora"):
        found(tmp_path, [QUESTION], path)


def test_no_corpus_is_read_where_none_is_named() -> None:
    assert leaky({"train": SPARE[:5], "test": SPARE[5:8]}).find(Leakage()).report.corpora == {}
