"""Answers are deleted for good: by request, or by what they say, and no page of the database keeps them."""

import dataclasses
from pathlib import Path

from data_contracts.answers import StoredAnswer
from tasks.ledger import Ledger
from tasks.ledger.erasing import Erasing
from tests.ledger.test_records import ANSWER


def said(request: str, output: str) -> StoredAnswer:
    return dataclasses.replace(ANSWER, request=request, output=output)


def test_answers_are_deleted_by_request(ledger: Ledger, url: str) -> None:
    ledger.store_answers([said("a", "x"), said("b", "y")])
    assert Erasing(url).delete_answers(["a", "unknown"]) == 1
    assert list(ledger.stored_answers(["a", "b"])) == ["b"]


def test_answers_are_deleted_by_what_they_say(ledger: Ledger, url: str) -> None:
    ledger.store_answers([said("a", "about Quimby"), said("b", "about nobody")])
    assert Erasing(url).delete_answers_that(lambda output: "Quimby" in output) == 1
    assert list(ledger.stored_answers(["a", "b"])) == ["b"]


def test_what_they_cost_stays(ledger: Ledger, url: str) -> None:
    ledger.store_paid_answers([said("a", "x")], "small", "run-1", "answers", {"a": 0.25})
    Erasing(url).delete_answers(["a"])
    assert ledger.spent_in_run("run-1") == 0.25


def test_after_compacting_the_ledger_works_and_its_files_hold_no_deleted_text(
    ledger: Ledger, url: str, tmp_path: Path
) -> None:
    ledger.store_answers([said("a", "Quimby of Tulip Lane"), said("b", "kept")])
    erasing = Erasing(url)
    erasing.delete_answers(["a"])
    erasing.compact()
    assert list(ledger.stored_answers(["a", "b"])) == ["b"]
    assert not [path for path in tmp_path.glob("ledger.db*") if b"Quimby" in path.read_bytes()]
