from pathlib import Path

import pandas as pd
import pytest

from data_contracts.data_policy import Leakage, Split
from data_contracts.records import Partitions
from data_contracts.text import words_hash
from tasks.errors import DataError
from tasks.partition.split import split, unseen_labels
from tests.partition.examples import history, partitions, places, rows, unrelated_texts

BANKING77 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
NEAR = Leakage()
POLICY = Split(min_test=10)
GIVEN = Split(method="given", min_test=5)


def test_every_curated_row_lands_in_exactly_one_place() -> None:
    texts = unrelated_texts(400)
    found = split(rows(texts), POLICY, NEAR, {words_hash(texts[0]): "train", words_hash(texts[1]): "test"})
    parts = [found.train, found.validation, found.test, found.withheld]
    assert sum(map(len, parts)) == 400
    assert len(places(found)) == 400


def test_shares_are_about_what_was_asked_for() -> None:
    found = split(rows(unrelated_texts(3000)), Split(validation=0.1, test=0.3), NEAR, {})
    assert len(found.test) / 3000 == pytest.approx(0.3, abs=0.03)
    assert len(found.validation) / 3000 == pytest.approx(0.1, abs=0.02)


def test_another_seed_draws_another_split() -> None:
    data = rows(unrelated_texts(300))
    assert places(split(data, POLICY, NEAR, {})) != places(split(data, Split(min_test=10, seed=8), NEAR, {}))


def test_a_group_never_straddles_two_partitions() -> None:
    data = rows(unrelated_texts(300), groups=[f"customer-{number % 40}" for number in range(300)])
    data["place"] = data["id"].map(places(split(data, POLICY, NEAR, {})))
    assert (data.groupby("group")["place"].nunique() == 1).all()
    assert data["place"].nunique() == 3


def test_a_group_named_after_one_of_its_rows_is_still_a_group() -> None:
    data = rows(unrelated_texts(300), groups=[f"row-{number // 3 * 3}" for number in range(300)])
    data["place"] = data["id"].map(places(split(data, POLICY, NEAR, {})))
    assert (data.groupby("group")["place"].nunique() == 1).all()


@pytest.mark.parametrize(
    "vary",
    [
        lambda text: text.upper() + " !",
        lambda text: text + " indeed",
        lambda text: text + " 17",
    ],
    ids=["same words", "near", "near with a number"],
)
def test_copies_share_a_partition(vary) -> None:
    texts = unrelated_texts(150)
    found = places(split(rows([*texts, *map(vary, texts)]), POLICY, NEAR, {}))
    assert all(found[f"row-{number}"] == found[f"row-{number + 150}"] for number in range(150))


def test_near_copies_may_be_parted_on_request_but_never_the_same_words() -> None:
    texts = unrelated_texts(150)
    policy = Split(min_test=10, near_duplicates_together=False)
    near = places(split(rows([*texts, *(text + " indeed" for text in texts)]), policy, NEAR, {}))
    same = places(split(rows([*texts, *(text + "!" for text in texts)]), policy, NEAR, {}))
    assert any(near[f"row-{number}"] != near[f"row-{number + 150}"] for number in range(150))
    assert all(same[f"row-{number}"] == same[f"row-{number + 150}"] for number in range(150))


@pytest.mark.parametrize("seed", range(5))
def test_a_row_keeps_its_partition_whatever_rows_arrive_or_go(seed: int) -> None:
    texts = unrelated_texts(400, seed=seed)
    first = split(rows(texts[:300]), POLICY, NEAR, {})
    arrived = [*texts[100:], *(text + " indeed" for text in texts[100:200])]
    later = split(rows(arrived), Split(min_test=10, test=0.4, seed=99), NEAR, history(first))
    then = {words: name for words, name in history(later).items() if words in history(first)}
    assert then.items() <= history(first).items()
    assert len(then) == 200


def test_without_a_history_rows_that_arrive_move_no_unrelated_row() -> None:
    texts = unrelated_texts(400)
    assert (
        places(split(rows(texts[:300]), POLICY, NEAR, {})).items()
        <= places(split(rows(texts), POLICY, NEAR, {})).items()
    )


def test_without_groups_the_split_follows_the_text_not_its_line() -> None:
    texts = unrelated_texts(300)
    one, other = split(rows(texts), POLICY, NEAR, {}), split(rows(texts[::-1], first_id=1000), POLICY, NEAR, {})
    assert history(one) == history(other)


def test_a_new_row_joins_the_partition_of_its_old_copies() -> None:
    texts = unrelated_texts(300)
    old = {words_hash(texts[0]): "validation"}
    assert places(split(rows([*texts, texts[0] + " indeed"]), POLICY, NEAR, old))["row-300"] == "validation"


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("train", "test", "bridges train and test"),
        ("validation", "train", "bridges train and validation"),
        ("test", "validation", "bridges validation and test"),
    ],
)
def test_a_new_row_that_would_bridge_two_partitions_is_withheld(one: str, other: str, reason: str) -> None:
    texts = unrelated_texts(300)
    bridge = texts[0] + " " + texts[1]
    old = {words_hash(texts[0]): one, words_hash(texts[1]): other}
    found = places(split(rows([*texts, bridge]), POLICY, Leakage(near=0.3), old))
    assert (found["row-0"], found["row-1"], found["row-300"]) == (one, other, reason)


def test_given_partitions_stay_as_they_are_given() -> None:
    given = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    found = split(rows(unrelated_texts(100), given=given), GIVEN, NEAR, {})
    assert list(places(found).values()) == given
    assert found.withheld.empty


def test_validation_is_carved_out_of_train_where_no_file_gives_it() -> None:
    given = ["train"] * 400 + ["test"] * 50
    found = split(rows(unrelated_texts(450), given=given), GIVEN, NEAR, {})
    assert found.test["id"].tolist() == [f"row-{number}" for number in range(400, 450)]
    assert len(found.validation) / 400 == pytest.approx(GIVEN.validation, abs=0.05)


def test_a_carved_validation_never_parts_a_group_and_never_reaches_into_test() -> None:
    texts = unrelated_texts(300)
    groups = [f"customer-{number // 5}" for number in range(300)]
    copies = [text + " indeed" for text in texts[:150]]
    data = rows([*texts, *copies], groups=[*groups, *groups[:150]], given=["train"] * 300 + ["test"] * 150)
    data["place"] = data["id"].map(places(split(data, GIVEN, NEAR, {})))
    carved = data[data["place"] == "validation"]
    assert len(carved) > 0
    assert set(carved["group"]).isdisjoint(data["group"][data["place"] != "validation"])


def test_a_carved_validation_stays_what_it_was_in_the_next_trial() -> None:
    texts = unrelated_texts(300)
    first = split(rows(texts, given=["train"] * 250 + ["test"] * 50), GIVEN, NEAR, {})
    policy = Split(method="given", min_test=5, seed=99, validation=0.4)
    more = rows([*texts, *unrelated_texts(100, seed=2)], given=["train"] * 250 + ["test"] * 50 + ["train"] * 100)
    assert places(first).items() <= places(split(more, policy, NEAR, history(first))).items()


@pytest.mark.parametrize(("before", "now"), [("train", "test"), ("test", "train"), ("validation", "test")])
def test_a_given_row_that_changed_sides_since_an_earlier_trial_is_withheld(before: str, now: str) -> None:
    texts = unrelated_texts(90)
    given = [now, *["train"] * 50, *["validation"] * 19, *["test"] * 20]
    found = split(rows(texts, given=given), GIVEN, NEAR, {words_hash(texts[0]): before})
    assert found.withheld["reason"].tolist() == [f"was {before} in an earlier trial"]


def test_a_given_validation_copy_of_a_test_row_is_withheld_since_prompts_are_chosen_there() -> None:
    texts = unrelated_texts(90)
    copy = texts[89].upper()
    given = [*["train"] * 50, "validation", *["validation"] * 19, *["test"] * 20]
    found = split(rows([*texts[:50], copy, *texts[51:]], given=given), GIVEN, NEAR, {})
    assert places(found)["row-50"] == "validation copy of test"
    assert len(found.test) == 20


def test_a_given_row_without_a_partition_is_withheld_with_that_reason() -> None:
    given = ["", *["train"] * 50, *["validation"] * 19, *["test"] * 20]
    found = split(rows(unrelated_texts(90), given=given), GIVEN, NEAR, {})
    assert places(found)["row-0"] == "no partition given"


def test_too_small_a_test_set_stops_with_what_it_could_show() -> None:
    with pytest.raises(DataError, match=r"test rows \(50 needed\).*difference of \d+ points"):
        split(rows(unrelated_texts(60)), Split(), NEAR, {})


def test_rows_that_all_hang_together_stop_and_say_so() -> None:
    data = rows(unrelated_texts(200), groups=["everybody"] * 200)
    with pytest.raises(DataError, match="200 rows, linked by group or as copies, had to stay together"):
        split(data, POLICY, NEAR, {})


def test_no_rows_at_all_stop_and_say_where_they_went() -> None:
    with pytest.raises(DataError, match="curation left no rows"):
        split(rows([]), Split(), NEAR, {})


def test_a_train_set_below_the_minimum_stops() -> None:
    given = ["train"] * 9 + ["validation"] * 5 + ["test"] * 20
    with pytest.raises(DataError, match=r"9 train rows \(10 needed\)"):
        split(rows(unrelated_texts(34), given=given), GIVEN, NEAR, {})


def test_labels_that_train_never_shows_are_named() -> None:
    train = rows(unrelated_texts(3), outputs=["refund", "card", "card"])
    test = rows(unrelated_texts(3, seed=2), outputs=["card", "top up", "limits"])
    assert unseen_labels(partitions(train, test)) == ["limits", "top up"]


@pytest.mark.skipif(not BANKING77.is_dir(), reason="public test data is not here")
def test_thirteen_thousand_real_rows_keep_their_shares_and_their_places() -> None:
    texts = pd.concat([pd.read_csv(BANKING77 / f"{name}.csv")["text"] for name in ("train", "test")]).tolist()
    first: Partitions = split(rows(texts), Split(), NEAR, {})
    assert len(first.test) / len(texts) == pytest.approx(0.25, abs=0.02)
    assert places(split(rows(texts), Split(seed=1, test=0.5), NEAR, history(first))) == places(first)
