"""Labels that the other rows contradict: planted flips are found, the rest is left alone."""

import csv
import random
from pathlib import Path

import pandas as pd
import pytest

from tasks.curate import label_noise
from tasks.curate.label_noise import suspects
from tests.curate.raw_rows import example, write

BANKING77 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
SUBJECTS = {
    "parcel": "parcel courier delivery doorstep neighbour depot tracking late arrive ship".split(),
    "refund": "refund money return bank repay charge twice amount account credit".split(),
    "password": "password login reset locked code email access sign user forgot".split(),
}


def sentence(label, chance):
    return " ".join(
        [*chance.sample(SUBJECTS[label], 4), *chance.sample("please my the you can it help me now".split(), 4)]
    )


def rows(number, chance):
    labels = [chance.choice(list(SUBJECTS)) for _ in range(number)]
    return [example(at, sentence(label, chance), label) for at, label in enumerate(labels)]


def flipped(examples, share, chance):
    """The examples with a share of wrong labels, and the right labels of those by id."""
    names = sorted({row["output"] for row in examples})
    right = {row["id"]: row["output"] for row in examples if chance.random() < share}
    wrong = {name: [other for other in names if other != name] for name in names}
    return [
        {**row, "output": chance.choice(wrong[row["output"]])} if row["id"] in right else row for row in examples
    ], right


def precision_and_recall(found, right):
    hits = found["id"].isin(right)
    return hits.mean(), hits.sum() / len(right)


@pytest.fixture
def noisy(tmp_path):
    """A file of which some labels are wrong, and the right ones."""
    chance = random.Random(5)
    examples, right = flipped(rows(600, chance), 0.05, chance)
    return write(tmp_path / "curated.parquet", examples), right


def test_planted_flips_are_found_with_the_right_label_suggested(noisy):
    path, right = noisy
    found = suspects(path, seed=7)
    precision, recall = precision_and_recall(found, right)
    assert precision >= 0.9 and recall >= 0.9
    hits = found[found["id"].isin(right)]
    assert (hits["suggested"] == hits["id"].map(right)).mean() >= 0.9


def test_the_table_names_rows_by_id_the_most_doubtful_first_and_holds_no_text(noisy):
    found = suspects(noisy[0], seed=7)
    assert list(found) == ["id", "label", "suggested", "quality"]
    assert found["quality"].is_monotonic_increasing and found["quality"].between(0, 1).all()
    assert (found["label"] != found["suggested"]).all()


def test_the_same_seed_gives_the_same_table(noisy):
    pd.testing.assert_frame_equal(suspects(noisy[0], seed=7), suspects(noisy[0], seed=7))


def test_right_labels_are_left_alone(tmp_path):
    found = suspects(write(tmp_path / "curated.parquet", rows(600, random.Random(6))), seed=7)
    assert len(found) <= 6


def test_a_row_is_judged_by_rows_of_other_groups_only(tmp_path):
    """Forty copies of one wrong row would vouch for each other if they stood in several folds."""
    chance = random.Random(8)
    liar = [example(1000 + at, sentence("parcel", chance), "refund", group="liar") for at in range(40)]
    found = suspects(write(tmp_path / "curated.parquet", [*rows(600, chance), *liar]), seed=7)
    assert found["id"].isin({row["id"] for row in liar}).sum() >= 36


@pytest.mark.parametrize(
    "labels", [["a"] * 30, ["a"] * 30 + ["b"] * 4, []], ids=["one label", "a second of four rows", "no rows"]
)
def test_too_few_labels_give_an_empty_table_that_says_why(tmp_path, labels):
    path = write(tmp_path / "curated.parquet", [example(at, f"text {at}", label) for at, label in enumerate(labels)])
    found = suspects(path, seed=7)
    assert found.empty and list(found) == ["id", "label", "suggested", "quality"]
    assert found.attrs["note"].startswith("Not run")


def test_labels_of_a_few_rows_are_left_out_and_the_note_says_how_many_rows_were_judged(tmp_path):
    examples = [*rows(100, random.Random(9)), example(100, "rare", "rare")]
    found = suspects(write(tmp_path / "curated.parquet", examples), seed=7)
    assert "rare" not in set(found["label"]) | set(found["suggested"])
    assert found.attrs["note"].startswith("100 rows were judged")


def test_of_very_many_rows_some_are_drawn(noisy, monkeypatch):
    monkeypatch.setattr(label_noise, "MAX_ROWS", 400)
    assert suspects(noisy[0], seed=7).attrs["note"].startswith("400 rows were judged")


@pytest.mark.skipif(not BANKING77.exists(), reason="the public data is not here")
def test_one_flip_in_twenty_of_banking77_is_found_among_77_labels(tmp_path):
    with (BANKING77 / "train.csv").open(encoding="utf-8", newline="") as file:
        examples = [example(at, text, label) for at, (text, label) in enumerate(list(csv.reader(file))[1:])]
    noisy, right = flipped(examples, 0.05, random.Random(1))
    precision, recall = precision_and_recall(suspects(write(tmp_path / "c.parquet", noisy), seed=7), right)
    assert precision >= 0.85 and recall >= 0.85
