"""Texts that earlier trials uploaded for training: what a tune has learnt cannot be taken back."""

import pytest

from data_contracts.data_policy import Leakage
from data_contracts.text import words_hash
from tasks.errors import DataError, LeakageError
from tasks.partition.leaks.links import Uploaded
from tasks.similarity.phrases import RowCounts
from tasks.similarity.sketch import sketches
from tasks.similarity.texts import Texts
from tests.partition.leaky import SPARE, TRAIN, leaky, planted

STOP, WITHHOLD = Leakage(), Leakage(on_leak="withhold")


def uploaded(*texts: str) -> Uploaded:
    """As an earlier trial of these texts remembers them."""
    prepared = Texts.of(texts)
    return Uploaded([words_hash(text) for text in texts], sketches(prepared, RowCounts.of(prepared), STOP))


NEAR = SPARE[0] + " indeed"


def test_a_near_copy_of_an_uploaded_text_is_found_by_its_fingerprint_alone() -> None:
    found = planted([], [NEAR]).find(STOP, uploaded=uploaded(SPARE[1], SPARE[0]))
    columns = ["evaluation_id", "train_id", "kind", "source"]
    assert found.pairs[columns].values.tolist() == [["test-20", words_hash(SPARE[0]), "near", "uploaded"]]
    assert found.report.uploaded == 2
    assert found.report.label_agreement is None


def test_the_same_words_as_an_uploaded_text_are_found() -> None:
    found = planted([], [SPARE[0].upper()]).find(STOP, uploaded=uploaded(SPARE[0]))
    assert found.pairs[["kind", "source"]].values.tolist() == [["same words", "uploaded"]]


def test_unrelated_uploaded_texts_are_no_leak() -> None:
    assert planted([], [NEAR]).pairs(STOP, uploaded=uploaded(*SPARE[1:40])) == []


def test_it_stops_the_run_where_leaks_do() -> None:
    with pytest.raises(LeakageError):
        planted([], [NEAR]).check(STOP, uploaded=uploaded(SPARE[0]))


def test_where_leaks_are_withheld_the_evaluation_row_leaves_since_no_train_row_can() -> None:
    passed = planted([], [NEAR]).check(WITHHOLD, uploaded=uploaded(SPARE[0]))
    withheld = passed.partitions.withheld
    assert withheld[["id", "reason"]].values.tolist() == [["test-20", "near copy of an uploaded text"]]
    assert len(passed.partitions.train) == 60
    assert passed.report.withheld == 0


def test_where_the_uploaded_text_is_still_in_train_the_evaluation_row_leaves_and_train_keeps_it() -> None:
    passed = planted([SPARE[0]], [NEAR]).check(WITHHOLD, uploaded=uploaded(SPARE[0]))
    assert passed.partitions.withheld["id"].tolist() == ["test-20"]


def test_of_a_train_row_and_an_uploaded_text_that_are_as_bad_the_train_row_is_named() -> None:
    pairs = planted([SPARE[0]], [NEAR]).find(STOP, uploaded=uploaded(SPARE[0])).pairs
    assert pairs[["train_id", "source"]].values.tolist() == [["train-60", "train"]]


def test_a_test_set_that_would_be_empty_stops_the_run() -> None:
    with pytest.raises(DataError, match="every test row"):
        leaky({"train": TRAIN, "test": [NEAR]}).check(WITHHOLD, uploaded=uploaded(SPARE[0]))
