"""The data keep what their plan promises: shares, sizes, truth, and the same bytes for the same seed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.planted.data import LANGUAGES, REPORT_SEED, TUNING_SEED, Plan, Planted, plant
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import GROUP_KINDS, HELD_OUT, TEXT_KINDS


def both(planted: Planted) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(planted.path("train")), pd.read_parquet(planted.path("test"))


def test_a_fifth_of_the_rows_is_test(small: Planted) -> None:
    assert [len(side) for side in both(small)] == [8000, 2000]


def test_every_kind_is_planted_as_often_as_the_plan_says(small: Planted) -> None:
    kinds = {*TEXT_KINDS, *GROUP_KINDS, *HELD_OUT, *HARD_NEGATIVES}
    assert small.truth["kind"].value_counts().to_dict() == dict.fromkeys(kinds, 40)


@pytest.mark.parametrize(("rows", "pairs"), [(10_000, 40), (100_000, 300), (1_000_000, 1500), (2000, 8)])
def test_pairs_grow_with_the_rows(rows: int, pairs: int) -> None:
    assert Plan(rows).pairs_per_kind == pairs


def test_no_row_is_planted_twice(small: Planted) -> None:
    assert small.truth["judged"].is_unique
    assert small.truth["trained"].is_unique


def test_the_truth_points_to_the_planted_texts(small: Planted) -> None:
    train, test = both(small)
    exact = small.truth[small.truth["kind"] == "exact"]
    assert list(train["text"].iloc[exact["trained"]]) == list(test["text"].iloc[exact["judged"]])


def test_rows_that_are_not_planted_are_not_in_train(small: Planted) -> None:
    train, test = both(small)
    shared = test["text"].isin(train["text"])
    same = small.truth["kind"].isin(["exact", "other label"])
    assert set(np.flatnonzero(shared)) == set(small.truth["judged"][same])


def test_the_same_input_with_another_label_has_another_label(small: Planted) -> None:
    train, test = both(small)
    for kind, differs in (("other label", True), ("exact", False)):
        rows = small.truth[small.truth["kind"] == kind]
        labels = zip(train["label"].iloc[rows["trained"]], test["label"].iloc[rows["judged"]], strict=True)
        assert all((one != other) is differs for one, other in labels)


def test_only_the_same_customer_writes_in_both_sides(small: Planted) -> None:
    train, test = both(small)
    same = small.truth[small.truth["kind"] == "same customer"]
    assert list(train["customer"].iloc[same["trained"]]) == list(test["customer"].iloc[same["judged"]])
    assert set(np.flatnonzero(test["customer"].isin(train["customer"]))) == set(same["judged"])


def test_user_texts_are_as_long_as_those_of_a_support_desk(small: Planted) -> None:
    words = both(small)[0]["text"].str.split().str.len()
    assert words.quantile([0.05, 0.5, 0.95]).tolist() == pytest.approx([20, 54, 138], rel=0.2)
    assert words.between(10, 460).all()


@pytest.mark.parametrize(("part", "share"), [("greetings", 0.35), ("closings", 0.35), ("footers", 0.10)])
def test_rows_share_greetings_closings_and_footers(small: Planted, part: str, share: float) -> None:
    texts = both(small)[0]["text"]
    blocks = getattr(LANGUAGES[small.plan.language]().shared, part)
    carry = sum(texts.str.contains(block, regex=False) for block in blocks)
    assert carry.mean() == pytest.approx(share, abs=0.04)


def test_one_row_in_a_hundred_is_a_widespread_template(small: Planted) -> None:
    starts = [" ".join(block[1:4]) for block in LANGUAGES[small.plan.language]().shared.templates]
    fixed = [start for start in starts if start == start.lower()]
    rows = sum(side["text"].str.split(n=4).str[1:4].str.join(" ").isin(fixed).sum() for side in both(small))
    assert rows == pytest.approx(100 * len(fixed) / len(starts), rel=0.4)


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    made = [plant(Plan(2000, seed=9), tmp_path / name) for name in ("one", "other")]
    for name in ("train.parquet", "test.parquet", "truth.parquet"):
        assert len({(planted.folder / name).read_bytes() for planted in made}) == 1


def test_another_seed_makes_other_texts(tmp_path: Path) -> None:
    one, other = (plant(Plan(2000, seed=seed), tmp_path) for seed in (TUNING_SEED, REPORT_SEED))
    assert not set(both(one)[0]["text"]) & set(both(other)[0]["text"])


def test_data_that_lie_there_are_not_made_again(tmp_path: Path) -> None:
    made = plant(Plan(2000), tmp_path)
    written = made.path("train").stat().st_mtime_ns
    assert plant(Plan(2000), tmp_path).path("train").stat().st_mtime_ns == written


def test_the_kind_that_is_held_out_is_planted_on_demand_only(tmp_path: Path) -> None:
    assert not set(HELD_OUT) & set(plant(Plan(2000), tmp_path).truth["kind"])
