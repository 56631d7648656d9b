"""What earlier trials fixed stays fixed: whatever rows arrive, go, change their group or meet each other."""

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.data_policy import Split
from data_contracts.records import PARTITIONS, Partitions
from tasks.errors import DataError
from tasks.partition.placing.kinship import Links
from tasks.partition.placing.memory import LEAK, group_key, row_keys
from tasks.partition.split import split
from tests.partition.examples import dates, history, near, places, rows, words

POLICY = Split(min_test=10)
GIVEN = Split(method="given", min_test=5)
BY_TIME = Split(method="time", min_test=10)
NONE = near()


# ---------------------------------------------------------------- a row keeps its partition


@pytest.mark.parametrize("method", ["hash", "stratified"])
def test_a_row_keeps_its_partition_whatever_rows_arrive_or_go_and_whatever_the_policy_says(method: str) -> None:
    first = split(rows(300), NONE, POLICY, {})
    arrived = near(*((number, number + 200) for number in range(0, 50)))  # near copies of rows 100 to 149
    later = split(rows(400, first=100), arrived, Split(min_test=10, method=method, test=0.4, seed=99), history(first))
    before, now = places(first), places(later)
    assert all(now[f"row-{number}"] == before[f"row-{number}"] for number in range(100, 300))
    assert all(now[f"row-{number + 200}"] == before[f"row-{number}"] for number in range(100, 150))


def test_a_row_is_known_by_its_words_under_any_id_line_and_group() -> None:
    first = split(rows(300), NONE, POLICY, {})
    ids = [f"new-{number}" for number in range(300)]
    renamed = rows(300, id=ids, group=[f"customer-{number}" for number in range(300)], line=range(300, 0, -1))
    later = places(split(renamed.iloc[::-1], NONE, Split(min_test=10, seed=3), history(first)))
    assert [later[id_] for id_ in ids] == list(map(places(first).get, rows(300)["id"]))


def test_a_new_row_follows_the_group_of_old_rows_that_are_gone() -> None:
    customers: dict[str, Any] = {"group": [f"customer-{number // 10}" for number in range(400)]}
    first = split(rows(400, **customers), NONE, POLICY, {})
    before = dict(zip(customers["group"], map(places(first).get, rows(400)["id"]), strict=True))
    later = rows(400, first=1000, **customers)
    placed = places(split(later, NONE, Split(min_test=10, test=0.5, seed=99), history(first)))
    assert [placed[id_] for id_ in later["id"]] == [before[group] for group in later["group"]]


def test_history_does_not_name_the_groups_it_knows() -> None:
    found = split(rows(300, group=["bob@example.org"] * 9 + [f"row-{n}" for n in range(9, 300)]), NONE, POLICY, {})
    assert group_key("bob@example.org") in history(found)
    assert not any("bob" in key for key in history(found))


def test_what_history_says_of_a_row_that_has_no_known_place_is_not_heeded() -> None:
    assert places(split(rows(300), NONE, POLICY, {words(0): "nowhere"})) == places(split(rows(300), NONE, POLICY, {}))


# ---------------------------------------------------------------- bridges


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("train", "test", "bridges train and test"),
        ("validation", "train", "bridges train and validation"),
        ("test", "validation", "bridges validation and test"),
    ],
)
def test_a_new_row_that_would_bridge_two_partitions_is_withheld(one: str, other: str, reason: str) -> None:
    found = places(split(rows(300), near((0, 299), (1, 299)), POLICY, {words(0): one, words(1): other}))
    assert (found["row-0"], found["row-1"], found["row-299"]) == (one, other, reason)


def test_new_rows_that_bridge_only_together_are_withheld_together() -> None:
    old = {words(0): "train", words(1): "test"}
    found = places(split(rows(300), near((0, 2), (2, 3), (3, 1)), POLICY, old))
    assert [found[f"row-{number}"] for number in range(4)] == ["train", "test", *["bridges train and test"] * 2]


def test_a_bridge_takes_none_of_its_kin_along() -> None:
    groups = ["bob" if number < 100 else f"row-{number}" for number in range(300)]
    old = {words(number): "train" for number in range(50)} | {words(299): "test"}
    found = places(split(rows(300, group=groups), near((99, 299)), POLICY, old))
    assert [found[f"row-{number}"] for number in range(100)] == ["train"] * 99 + ["bridges train and test"]


def test_what_hangs_on_a_bridge_alone_is_placed_like_any_other_unit() -> None:
    old = {words(0): "train", words(1): "test"}
    kin = near((0, 2), (1, 2), *((2, number) for number in range(3, 200)))
    found = places(split(rows(300), kin, POLICY, old))
    assert {found[f"row-{number}"] for number in range(3, 200)} <= set(PARTITIONS)


@pytest.mark.parametrize(("one", "other"), [("train", "test"), ("train", "validation"), ("validation", "test")])
def test_two_old_rows_that_turn_out_to_be_linked_cost_the_weaker_side_its_row(one: str, other: str) -> None:
    groups = ["bob", "bob", *(f"row-{number}" for number in range(2, 300))]
    found = places(split(rows(300, group=groups), NONE, POLICY, {words(0): one, words(1): other}))
    assert (found["row-0"], found["row-1"]) == (f"linked to {other}", other)


# ---------------------------------------------------------------- another test set


def drawn(found: Partitions) -> set[str]:
    return set(found.test["id"])


@pytest.mark.parametrize("method", ["hash", "stratified"])
def test_a_new_test_set_takes_only_rows_without_a_history_and_retires_the_old_one(method: str) -> None:
    first = split(rows(400), NONE, POLICY, {})
    again = split(rows(600), NONE, Split(method=method, test_set=2), history(first))
    assert drawn(again) <= {f"row-{number}" for number in range(400, 600)}
    assert set(again.withheld["id"]) == drawn(first)
    assert set(again.withheld["reason"]) == {"retired with test set 1"}
    assert set(first.train["id"]) <= set(again.train["id"])


@pytest.mark.parametrize("method", ["hash", "stratified"])
def test_a_new_test_set_has_its_share_of_the_rows_in_play_where_enough_are_new(method: str) -> None:
    first = split(rows(400), NONE, POLICY, {})
    again = split(rows(700), NONE, Split(method=method, test_set=2), history(first))
    in_play = 700 - len(first.test)
    assert len(again.test) == pytest.approx(0.25 * in_play, abs=2)


def test_rows_that_arrive_after_the_draw_are_spread_by_the_shares_again() -> None:
    first = split(rows(400), NONE, POLICY, {})
    policy = Split(test_set=2)
    second = split(rows(700), NONE, policy, history(first))
    known = history(second, 2) | history(first)
    third = split(rows(1700), NONE, policy, known)
    assert drawn(second) < drawn(third)
    assert len(drawn(third) - drawn(second)) / 1000 == pytest.approx(0.25, abs=0.04)
    assert set(third.withheld["id"]) == drawn(first)


def test_new_kin_of_a_retired_test_row_retires_with_it() -> None:
    first = split(rows(400), NONE, POLICY, {})
    retired = int(first.test["position"].iloc[0])
    again = split(rows(700), near((retired, 699)), Split(test_set=2), history(first))
    assert places(again)["row-699"] == "retired with test set 1"


def test_too_few_new_rows_for_a_new_test_set_stop_with_both_numbers() -> None:
    first = split(rows(400), NONE, POLICY, {})
    with pytest.raises(DataError, match=r"test set 2 .*: 30 of 430 are such, 30 of them fell to it, 50 are needed"):
        split(rows(430), NONE, Split(test_set=2), history(first))


def test_a_test_set_that_was_retired_does_not_come_back_when_the_policy_names_it() -> None:
    first = split(rows(400), NONE, POLICY, {})
    second = split(rows(700), NONE, Split(test_set=2), history(first))
    known = history(second, 2) | history(first)
    assert places(split(rows(700), NONE, Split(test_set=1), known)) == places(second)


# ---------------------------------------------------------------- time


def test_by_time_the_window_moves_on_and_what_it_leaves_behind_never_trains() -> None:
    first = split(rows(200, created_at=dates(range(200))), NONE, BY_TIME, {})
    later = split(rows(300, created_at=dates(range(300))), NONE, BY_TIME, history(first))
    assert later.test["position"].tolist() == list(range(225, 300))
    left = later.withheld[later.withheld["reason"] == "retired from the test window"]
    assert left["position"].tolist() == list(range(150, 200))
    assert set(first.train["id"]) <= set(later.train["id"])
    assert set(later.train["position"]) - set(first.train["position"]) <= set(range(200, 225))


def test_by_time_the_window_never_reaches_back_to_rows_that_were_trained_on() -> None:
    first = split(rows(200, created_at=dates(range(200))), NONE, BY_TIME, {})
    late = rows(240, created_at=dates([*range(200), *range(60, 100)]))
    wider = split(late, NONE, Split(method="time", test=0.6), history(first))
    assert places(first).items() <= places(wider).items()
    assert set(wider.test["id"]) == set(first.test["id"])
    assert wider.train["created_at"].max() < wider.test["created_at"].min()


def test_by_time_after_trials_of_another_method_newer_rows_are_asked_for() -> None:
    days = dates(range(300))
    first = split(rows(200, created_at=days[:200]), NONE, POLICY, {})
    with pytest.raises(DataError, match="newer than all that earlier trials used, and there is none"):
        split(rows(200, created_at=days[:200]), NONE, BY_TIME, history(first))
    later = split(rows(300, created_at=days), NONE, BY_TIME, history(first))
    assert later.test["position"].min() == 225


def test_by_time_a_new_row_of_a_train_unit_inside_the_window_is_withheld() -> None:
    days = dates(range(300))
    first = split(rows(200, created_at=days[:200]), NONE, BY_TIME, {})
    found = places(split(rows(300, created_at=days), near((3, 290)), BY_TIME, history(first)))
    assert (found["row-3"], found["row-290"]) == ("train", "kin of older rows, inside the test window")


def test_by_time_no_train_row_is_newer_than_a_test_row_in_any_later_trial() -> None:
    draw = random.Random(5)
    known: dict[str, str] = {}
    for trial in range(1, 6):
        count = 150 * trial
        data = rows(count, created_at=dates([number // 3 for number in range(count)]))
        pairs = near(*((draw.randrange(count), draw.randrange(count)) for _ in range(count // 20)))
        found = split(data, pairs, BY_TIME, known)
        assert found.train["created_at"].max() < found.test["created_at"].min()
        known = history(found) | known


# ---------------------------------------------------------------- given


def test_a_carved_validation_stays_what_it_was_in_the_next_trial() -> None:
    given = ["train"] * 250 + ["test"] * 50
    first = split(rows(300, given_partition=given), NONE, GIVEN, {})
    policy = Split(method="given", min_test=5, seed=99, validation=0.4)
    later = split(rows(400, given_partition=[*given, *["train"] * 100]), NONE, policy, history(first))
    assert places(first).items() <= places(later).items()


@pytest.mark.parametrize(("before", "now"), [("train", "test"), ("test", "train"), ("validation", "test")])
def test_a_given_row_that_changed_sides_since_an_earlier_trial_is_withheld(before: str, now: str) -> None:
    given = [now, *["train"] * 50, *["validation"] * 19, *["test"] * 20]
    found = split(rows(90, given_partition=given), NONE, GIVEN, {words(0): before})
    assert found.withheld["reason"].tolist() == [f"was {before} in an earlier trial"]


def test_given_test_rows_of_a_retired_test_set_stay_retired() -> None:
    given = [*["train"] * 50, *["validation"] * 20, *["test"] * 20]
    policy = GIVEN.model_copy(update={"test_set": 2})
    found = split(rows(90, given_partition=given), NONE, policy, {words(number): "test" for number in range(70, 75)})
    assert len(found.test) == 15
    assert found.withheld["reason"].tolist() == ["retired with test set 1"] * 5


# ---------------------------------------------------------------- whatever happens


class World:
    """Rows that come, go, and change everything but their words, trial after trial."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.known: dict[str, str] = {}
        self.sides: dict[str, set[str]] = {}
        self.rows = {number: f"customer-{number // 4}" for number in range(400)}
        self.pairs = [self.pair(range(400)) for _ in range(60)]

    def pair(self, numbers: range) -> tuple[int, int]:
        return self.draw.choice(numbers), self.draw.choice(numbers)

    def pass_by(self) -> None:
        """Rows go, more rows arrive, some in groups of old ones, some as copies, and a few change their group."""
        for number in self.draw.sample(sorted(self.rows), len(self.rows) // 5):
            del self.rows[number]
        start = max(self.rows) + 1
        self.rows |= {
            number: f"customer-{self.draw.randrange(start, start + 300) // 4}" for number in range(start, start + 150)
        }
        self.rows |= {number: self.draw.choice(list(self.rows.values())) for number in range(start, start + 20)}
        self.rows |= {number: f"moved-{number}" for number in self.draw.sample(sorted(self.rows), 5)}
        self.pairs += [self.pair(range(start + 150)) for _ in range(40)]

    def frame(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        numbers = self.draw.sample(sorted(self.rows), len(self.rows))
        place = {number: position for position, number in enumerate(numbers)}
        data = rows(
            len(numbers),
            id=[f"{self.draw.random()}" for _ in numbers],
            group=[self.rows[number] for number in numbers],
            words=[words(number) for number in numbers],
            output=[f"label {number % 5}" for number in numbers],
            created_at=dates([number // 6 % 300 for number in numbers]),
        )
        return data, near(*((place[one], place[other]) for one, other in self.pairs if {one, other} <= place.keys()))

    def policy(self, test_set: int) -> Split:
        return Split(
            method=self.draw.choice(["hash", "stratified"]),
            test=self.draw.choice([0.2, 0.3, 0.5]),
            validation=self.draw.choice([0.1, 0.2]),
            seed=self.draw.randrange(100),
            min_test=1,
            test_set=test_set,
        )

    def remember(self, found: Partitions, test_set: int) -> None:
        self.known = history(found, test_set) | self.known
        for part, side in zip(PARTITIONS, ("train", "validation", f"test {test_set}"), strict=True):
            for row in getattr(found, part)["words"]:
                self.sides.setdefault(row, set()).add(side)


def straddling(data: pd.DataFrame, pairs: pd.DataFrame, found: Partitions) -> int:
    """Units with rows in several partitions, once withheld rows are gone."""
    side = np.full(len(data), "", object)
    for part in PARTITIONS:
        side[getattr(found, part)["position"]] = part
    units = pd.Series(Links.of(data, pairs).among(side != "").units())
    return int((pd.Series(side[side != ""]).groupby(units).nunique() > 1).sum())


def rows_of(found: Partitions) -> list[int]:
    return sorted(number for name in (*PARTITIONS, "withheld") for number in getattr(found, name)["position"])


@pytest.mark.parametrize("seed", range(12))
def test_over_many_trials_no_row_changes_sides_no_unit_straddles_and_no_row_is_lost(seed: int) -> None:
    world, withheld = World(seed), set[str]()
    for trial in range(8):
        test_set = 1 + trial // 4
        data, pairs = world.frame()
        found = split(data, pairs, world.policy(test_set), world.known)
        world.remember(found, test_set)
        assert rows_of(found) == list(range(len(data)))
        assert straddling(data, pairs, found) == 0
        withheld |= set(found.withheld["reason"])
        world.pass_by()
    assert {len(sides) for sides in world.sides.values()} == {1}
    assert any(reason.startswith("bridges") for reason in withheld), "the rounds met no bridge"
    assert any(reason.startswith("linked") for reason in withheld), "the rounds met no linked rows"


def test_a_row_that_the_gate_withheld_stays_withheld_and_moves_nobody() -> None:
    data = rows(400)
    first = split(data, NONE, POLICY, {})
    leaking = first.train.iloc[[0]]
    kept = first.train.iloc[1:]
    gated = Partitions(kept, first.validation, first.test, leaking.assign(reason=LEAK))
    pairs = near((int(leaking["position"].iloc[0]), int(first.test["position"].iloc[0])))
    again = split(data, pairs, POLICY, row_keys(gated, 1, gate=(LEAK,)))
    assert again.withheld["id"].tolist() == leaking["id"].tolist()
    assert again.test["id"].tolist() == first.test["id"].tolist()
    assert again.train["id"].tolist() == kept["id"].tolist()
