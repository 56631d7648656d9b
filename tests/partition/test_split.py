"""Which row trains and which one judges, in a first trial; tests/partition/test_memory.py has the later ones."""

import hashlib
import time

import numpy as np
import pandas as pd
import pytest

from data_contracts.data_policy import Split
from data_contracts.records import KEY_COLUMNS, PARTITIONS, Partitions
from tasks.errors import DataError
from tasks.partition.split import split, unseen_labels
from tests.partition.examples import dates, near, places, rows, words

POLICY = Split(min_test=10)
GIVEN = Split(method="given", min_test=5)
STRATIFIED = Split(method="stratified", min_test=10)
BY_TIME = Split(method="time", min_test=10)
NONE = near()


def sides(data: pd.DataFrame, found: Partitions) -> pd.Series:
    """Each row's place, in the order of the rows."""
    return data["id"].map(places(found))


# ---------------------------------------------------------------- any method


@pytest.mark.parametrize("policy", [POLICY, STRATIFIED, BY_TIME])
def test_every_curated_row_lands_in_exactly_one_place_under_its_number(policy: Split) -> None:
    data = rows(400, created_at=dates(range(0, 200)) * 2)
    found = split(data, near((3, 4), (9, 300)), policy, {words(0): "train", words(3): "test", words(399): "test"})
    parts = [getattr(found, name) for name in (*PARTITIONS, "withheld")]
    assert sorted(number for part in parts for number in part["position"]) == list(range(400))
    assert [list(part.columns) for part in parts] == [[*KEY_COLUMNS, "position"]] * 3 + [
        [*KEY_COLUMNS, "position", "reason"]
    ]
    for part in parts:
        assert part["id"].tolist() == data["id"].iloc[part["position"]].tolist()
        assert part["position"].is_monotonic_increasing


def test_shares_are_about_what_was_asked_for() -> None:
    found = split(rows(3000), NONE, Split(validation=0.1, test=0.3), {})
    assert len(found.test) / 3000 == pytest.approx(0.3, abs=0.03)
    assert len(found.validation) / 3000 == pytest.approx(0.1, abs=0.02)


def test_another_seed_draws_another_split() -> None:
    data = rows(300)
    assert places(split(data, NONE, POLICY, {})) != places(split(data, NONE, Split(min_test=10, seed=8), {}))


@pytest.mark.parametrize("policy", [POLICY, STRATIFIED])
def test_a_group_never_straddles_two_partitions(policy: Split) -> None:
    data = rows(300, group=[f"customer-{number % 40}" for number in range(300)])
    placed = sides(data, split(data, NONE, policy, {}))
    assert (placed.groupby(data["group"]).nunique() == 1).all()
    assert placed.nunique() == 3


def test_a_group_named_after_one_of_its_rows_is_still_a_group() -> None:
    data = rows(300, group=[f"row-{number // 3 * 3}" for number in range(300)])
    assert (sides(data, split(data, NONE, POLICY, {})).groupby(data["group"]).nunique() == 1).all()


def test_rows_of_the_same_words_share_a_partition() -> None:
    data = rows(300, words=[words(number % 150) for number in range(300)])
    found = places(split(data, NONE, Split(min_test=10, near_duplicates_together=False), {}))
    assert all(found[f"row-{number}"] == found[f"row-{number + 150}"] for number in range(150))


def test_near_copies_share_a_partition_unless_the_policy_parts_them() -> None:
    pairs = near(*((number, number + 150) for number in range(150)))
    together = places(split(rows(300), pairs, POLICY, {}))
    parted = places(split(rows(300), pairs, Split(min_test=10, near_duplicates_together=False), {}))
    assert all(together[f"row-{number}"] == together[f"row-{number + 150}"] for number in range(150))
    assert any(parted[f"row-{number}"] != parted[f"row-{number + 150}"] for number in range(150))


def test_what_is_linked_by_a_chain_of_group_words_and_copies_stays_together() -> None:
    data = rows(300, group=[f"row-{number}" if number > 1 else "bob" for number in range(300)])
    data.loc[2, "words"] = data.loc[1, "words"]
    found = places(split(data, near((2, 3), (4, 3)), POLICY, {}))
    assert len({found[f"row-{number}"] for number in range(5)}) == 1


def test_the_split_follows_the_words_not_line_file_or_id() -> None:
    data = rows(300)
    moved = data.assign(id=[f"other-{number}" for number in range(300)], file="new.jsonl").assign(
        group=lambda frame: frame["id"]
    )
    one, other = split(data, NONE, POLICY, {}), split(moved.iloc[::-1], NONE, POLICY, {})
    assert set(one.test["words"]) == set(other.test["words"])
    assert set(one.train["words"]) == set(other.train["words"])


def test_without_a_history_rows_that_arrive_move_no_unrelated_row() -> None:
    first, later = split(rows(300), NONE, POLICY, {}), split(rows(400), NONE, POLICY, {})
    assert places(first).items() <= places(later).items()


# ---------------------------------------------------------------- stratified


def test_stratified_each_label_has_its_share_in_each_partition_to_the_row() -> None:
    labels = ["common"] * 800 + ["rare"] * 40 + ["scarce"] * 8
    found = split(rows(848, output=labels), NONE, Split(method="stratified", test=0.25, validation=0.125), {})
    tested, validated = found.test["output"].value_counts(), found.validation["output"].value_counts()
    assert tested.to_dict() == {"common": 200, "rare": 10, "scarce": 2}
    assert validated.to_dict() == {"common": 100, "rare": 5, "scarce": 1}


def test_stratified_labels_of_one_row_are_spread_by_the_shares_too() -> None:
    labels = [f"label {number}" for number in range(400)] * 2
    found = split(rows(800, output=labels), NONE, STRATIFIED, {})
    assert len(found.test) / 800 == pytest.approx(0.25, abs=0.04)
    assert len(found.validation) / 800 == pytest.approx(0.15, abs=0.04)


def test_stratified_shares_are_met_as_far_as_units_of_several_labels_allow() -> None:
    draw = np.random.default_rng(3)
    labels = draw.choice(["a", "b", "c", "d"], 2000, p=[0.6, 0.25, 0.1, 0.05])
    data = rows(2000, output=labels, group=[f"customer-{number}" for number in draw.integers(0, 300, 2000)])
    found = split(data, NONE, STRATIFIED, {})
    shares = found.test["output"].value_counts() / data["output"].value_counts()
    assert shares.between(0.2, 0.3).all(), shares
    assert (sides(data, found).groupby(data["group"]).nunique() == 1).all()


def test_stratified_counts_what_earlier_trials_placed() -> None:
    old = {words(number): "test" for number in range(100)}
    found = split(rows(400, output=["a", "b"] * 200), NONE, STRATIFIED, old)
    assert found.test["output"].value_counts().to_dict() == {"a": 50, "b": 50}
    assert set(found.test["id"]) == {f"row-{number}" for number in range(100)}


def test_stratified_without_labels_stops_and_says_so() -> None:
    with pytest.raises(DataError, match=r"200 rows have 200 different outputs.*split\.method: hash"):
        split(rows(200, output=[f"text {number}" for number in range(200)]), NONE, STRATIFIED, {})


# ---------------------------------------------------------------- time


def test_by_time_the_newest_rows_judge_and_those_before_them_validate() -> None:
    days = np.random.default_rng(2).permutation(300).tolist()
    data = rows(300, created_at=dates(days))
    found = split(data, NONE, Split(method="time", test=0.2, validation=0.1), {})
    newest = [[days[number] for number in getattr(found, name)["position"]] for name in PARTITIONS]
    assert [sorted(part) for part in newest] == [list(range(210)), list(range(210, 240)), list(range(240, 300))]


def test_by_time_moments_are_compared_whatever_their_precision() -> None:
    moments = [f"2026-01-01T00:00:{second:02}{part}+00:00" for second in range(50) for part in ("", ".5")]
    found = split(rows(100, created_at=moments), NONE, Split(method="time", test=0.25, min_test=5), {})
    assert found.test["position"].tolist() == list(range(75, 100))


def test_by_time_rows_of_one_moment_are_not_parted() -> None:
    found = split(rows(200, created_at=dates([day // 40 for day in range(200)])), NONE, BY_TIME, {})
    assert found.test["position"].tolist() == list(range(120, 200))


def test_by_time_a_unit_across_a_cut_goes_with_its_newest_row_and_leaves_its_older_rows_behind() -> None:
    data = rows(
        200, created_at=dates(range(200)), group=["bob" if row in (5, 145, 190) else f"row-{row}" for row in range(200)]
    )
    found = places(split(data, NONE, BY_TIME, {}))
    crossing = "older than the cut that its unit crosses"
    assert [found[f"row-{number}"] for number in (5, 145, 190)] == [crossing, crossing, "test"]


def test_by_time_a_row_without_a_date_stops_and_says_how_many_there_are() -> None:
    with pytest.raises(DataError, match=r"2 of 200 have none.*created_at"):
        split(rows(200, created_at=["", "", *dates(range(198))]), NONE, BY_TIME, {})


# ---------------------------------------------------------------- given


def test_given_partitions_stay_as_they_are_given() -> None:
    given = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    found = split(rows(100, given_partition=given), NONE, GIVEN, {})
    assert list(places(found).values()) == given
    assert found.withheld.empty


def test_given_validation_is_carved_out_of_train_where_no_file_gives_it() -> None:
    found = split(rows(450, given_partition=["train"] * 400 + ["test"] * 50), NONE, GIVEN, {})
    assert found.test["id"].tolist() == [f"row-{number}" for number in range(400, 450)]
    assert len(found.validation) / 400 == pytest.approx(GIVEN.validation, abs=0.05)


def test_a_carved_validation_never_parts_a_group_and_never_reaches_into_test() -> None:
    groups = [f"customer-{number // 5}" for number in range(300)]
    data = rows(450, group=[*groups, *groups[:150]], given_partition=["train"] * 300 + ["test"] * 150)
    placed = sides(data, split(data, NONE, GIVEN, {}))
    carved = set(data["group"][placed == "validation"])
    assert carved
    assert carved.isdisjoint(data["group"][placed != "validation"])


def test_a_given_validation_copy_of_a_test_row_is_withheld_since_prompts_are_chosen_there() -> None:
    data = rows(90, given_partition=["train"] * 50 + ["validation"] * 20 + ["test"] * 20)
    found = split(data, near((50, 89)), GIVEN, {})
    assert places(found)["row-50"] == "validation copy of test"
    assert len(found.test) == 20


def test_a_given_train_copy_of_a_test_row_stays_for_the_leakage_check_to_see() -> None:
    data = rows(90, given_partition=["train"] * 50 + ["validation"] * 20 + ["test"] * 20)
    assert places(split(data, near((0, 89)), GIVEN, {}))["row-0"] == "train"


def test_a_given_row_without_a_partition_is_withheld_with_that_reason() -> None:
    given = ["", *["train"] * 50, *["validation"] * 19, *["test"] * 20]
    assert places(split(rows(90, given_partition=given), NONE, GIVEN, {}))["row-0"] == "no partition given"


# ---------------------------------------------------------------- sizes


def test_too_small_a_test_set_stops_with_what_it_shows_and_what_the_asked_for_difference_needs() -> None:
    text = r"make \d+ test rows \(50 needed\).* \d+ test cases detect a difference of \d+ points .*you asked for 3: \d+"
    with pytest.raises(DataError, match=text):
        split(rows(120), NONE, Split(), {}, minimum_effect=0.03)


def test_where_no_difference_was_asked_for_the_message_names_none() -> None:
    with pytest.raises(DataError, match=r"detect a difference of \d+ points") as stopped:
        split(rows(60), NONE, Split(), {})
    assert "asked for" not in str(stopped.value)


def test_rows_that_all_hang_together_stop_and_say_so() -> None:
    with pytest.raises(DataError, match="200 rows, linked by group or as copies, had to stay together"):
        split(rows(200, group=["everybody"] * 200), NONE, POLICY, {})


def test_no_rows_at_all_stop_and_say_where_they_went() -> None:
    with pytest.raises(DataError, match="curation left no rows"):
        split(rows(0), NONE, Split(), {})


def test_a_train_set_below_the_minimum_stops() -> None:
    given = ["train"] * 9 + ["validation"] * 5 + ["test"] * 20
    with pytest.raises(DataError, match=r"9 train rows \(10 needed\)"):
        split(rows(34, given_partition=given), NONE, GIVEN, {})


def test_labels_below_their_floor_are_named_with_their_train_and_test_rows() -> None:
    labels = ["refund"] * 70 + ["card"] * 2 + ["limits"] * 7 + ["refund"] * 20 + ["card"] * 4 + ["limits"] * 1
    given = ["train"] * 75 + ["validation"] * 4 + ["test"] * 25
    policy = Split(method="given", min_test=5, min_per_label=3)
    with pytest.raises(
        DataError, match=r"2 labels have fewer than 3 train or test rows: card 2 and 4, limits 3 and 1;"
    ):
        split(rows(104, output=labels, given_partition=given), NONE, policy, {})
    split(rows(104, output=labels, given_partition=given), NONE, policy.model_copy(update={"min_per_label": 1}), {})


def test_of_many_short_labels_ten_are_named_and_the_rest_counted() -> None:
    labels = [f"label {number:02}" for number in range(12)] * 10
    policy = Split(method="stratified", min_test=5, min_per_label=9)
    with pytest.raises(DataError, match=r"12 labels have .*: label 00 6 and \d, .*label 09 6 and \d and 2 more"):
        split(rows(120, output=labels), NONE, policy.model_copy(update={"test": 0.25, "validation": 0.15}), {})


def test_labels_that_train_never_shows_are_named() -> None:
    data = rows(6, output=["refund", "card", "card", "card", "top up", "limits"])
    nothing = data.iloc[:0]
    assert unseen_labels(Partitions(data[:3], nothing, data[3:], nothing)) == ["limits", "top up"]


# ---------------------------------------------------------------- scale


def test_the_time_of_a_split_is_a_small_multiple_of_hashing_each_row() -> None:
    data = rows(50_000, group=[f"customer-{number % 20_000}" for number in range(50_000)])
    ratios = []
    for _ in range(3):
        started = time.process_time()
        for member in data["words"].tolist():
            hashlib.sha256(member.encode()).digest()
        limit, started = time.process_time() - started, time.process_time()
        split(data, NONE, POLICY, {})
        ratios.append((time.process_time() - started) / limit)
    assert sorted(ratios)[1] < 30, ratios


# ---------------------------------------------------------------- units too large to stay together


def chained(count: int, kind: str, score: float) -> pd.DataFrame:
    """Every row is like the next one."""
    return near(*((row, row + 1) for row in range(count - 1))).assign(kind=kind, score=score)


@pytest.mark.parametrize(("kind", "score"), [("shared passages", 0.3), ("near", 0.5)])
def test_a_chain_of_copies_through_most_rows_is_let_go_so_that_shares_are_kept(kind: str, score: float) -> None:
    found = split(rows(1000), chained(1000, kind, score), Split(), {})
    assert 0.1 < len(found.test) / 1000 < 0.4


def test_a_chain_lets_go_of_its_passages_before_its_copies() -> None:
    pairs = chained(1000, "near", 0.9)
    pairs.loc[pairs["left"] % 10 == 9, "kind"] = "shared passages"
    found = split(rows(1000), pairs, Split(), {})
    sides = places(found)
    assert all(len({sides[f"row-{start + row}"] for row in range(10)}) == 1 for start in range(0, 1000, 10))
    assert len(found.test) > 100


def test_a_large_group_stays_whole_whatever_it_does_to_the_shares() -> None:
    data = rows(1000, group=["household" if row < 400 else f"row-{row}" for row in range(1000)])
    found = split(data, near(), Split(), {})
    assert len({places(found)[f"row-{row}"] for row in range(400)}) == 1
