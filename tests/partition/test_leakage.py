"""What counts as a leak, how it is told, and what happens then."""

from typing import get_args

import pandas as pd
import pytest

from data_contracts.data_policy import Leakage
from data_contracts.records import PAIR_COLUMNS, LeakKind, LeakPair
from tasks.errors import DataError, LeakageError
from tests.partition.leaky import SPARE, TEST, TRAIN, leaky, planted, unrelated_texts

STOP, WITHHOLD = Leakage(), Leakage(on_leak="withhold")
FORM = "please refund order 4711 of 12 may to my card"
PARCEL = "where is my parcel it should have come by now"
LONG = unrelated_texts(1, seed=5, words=60)[0]


# ------------------------------------------------------------ kinds


@pytest.mark.parametrize(
    ("train_text", "test_text", "kind"),
    [
        (PARCEL, PARCEL, "same text"),
        (PARCEL, PARCEL.title() + "?", "same words"),
        (PARCEL.replace("parcel", "ｐａｒ\u200bｃｅｌ"), PARCEL, "same words"),
        ("我的包裹在哪里 它应该到了", "我的包裹在哪里,它应该到了!", "same words"),
        ("?!", "?!", "same text"),
        (FORM, FORM.replace("4711", "88").replace("12", "3"), "same but for numbers"),
        (SPARE[0], SPARE[0] + " indeed", "near"),
        (LONG, " ".join([*unrelated_texts(1, seed=8, words=150), LONG]), "shared passages"),
    ],
)
def test_each_kind_of_copy_is_found_and_named(train_text: str, test_text: str, kind: str) -> None:
    assert planted([train_text], [test_text]).pairs(STOP) == [("test-20", "train-60", kind)]


def test_rows_of_one_group_in_train_and_test_are_a_leak_unless_the_policy_says_otherwise() -> None:
    data = planted([], [], group={"train": {1: "bob"}, "test": {3: "bob", 4: "cid"}})
    assert data.pairs(STOP) == [("test-3", "train-1", "same group")]
    assert data.pairs(Leakage(group=False)) == []


def test_the_row_id_that_stands_in_for_a_group_is_none() -> None:
    data = planted([], [], id={"train": {1: "row-1"}, "test": {3: "row-1"}})
    assert data.find(STOP).pairs.empty


def test_with_a_split_by_time_a_train_row_newer_than_a_test_row_is_a_leak() -> None:
    train = {0: "2026-01-01T00:00:00+00:00", 1: "2026-03-01T00:00:00+00:00"}
    test = {0: "2026-02-28T23:59:59.5+00:00", 1: "2026-03-01T00:00:00+00:00", 2: "2026-05-01T00:00:00+00:00"}
    data = planted([], [], created_at={"train": train, "test": test})
    assert data.pairs(STOP, by_time=True) == [("test-0", "train-1", "newer than test")]
    assert data.pairs(STOP) == []
    assert data.pairs(Leakage(time=False), by_time=True) == []


def test_validation_is_held_to_the_same_standard_as_test() -> None:
    found = leaky({"train": TRAIN, "test": TEST, "validation": [TRAIN[3]]}).find(STOP)
    assert found.pairs[["partition", "evaluation_id"]].values.tolist() == [["validation", "validation-0"]]
    assert found.report.found["validation"]["same text"] == 1
    assert sum(found.report.found["test"].values()) == 0


def test_a_row_with_several_leaks_is_reported_once_by_the_worst() -> None:
    near, better, same = SPARE[0] + " indeed it is", SPARE[0] + " indeed", SPARE[0].upper()
    assert planted([near, better, same], [SPARE[0]]).pairs(STOP) == [("test-20", "train-62", "same words")]
    assert planted([near, better], [SPARE[0]]).pairs(STOP) == [("test-20", "train-61", "near")]


def test_shared_boilerplate_is_no_leak_and_the_report_lists_it() -> None:
    footer = "this message is confidential and intended for the person named above only"
    train, test = ([f"{text} {footer}" for text in texts] for texts in (TRAIN, TEST))
    found = leaky({"train": train, "test": test}).find(STOP)
    assert found.pairs.empty
    assert found.report.boilerplate > 0
    assert any("person named above" in phrase.words for phrase in found.report.phrases)
    assert {phrase.rows for phrase in found.report.phrases} == {80}


def test_what_is_boilerplate_is_told_by_all_curated_rows_withheld_ones_included() -> None:
    opening = "kindly note that the following was forwarded by our partner desk"
    texts = {"train": [*TRAIN, f"{opening} today"], "test": [*TEST, f"{opening} again"]}
    assert len(leaky(texts).pairs(STOP)) == 1
    withheld = [f"{opening} {text}" for text in unrelated_texts(40, seed=3)]
    assert leaky({**texts, "withheld": withheld}).pairs(STOP) == []


# ------------------------------------------------------------ short texts

SHORT = "refund order 4711 to me please"


def test_a_short_text_that_is_merely_alike_is_for_review_and_stops_nothing() -> None:
    data = planted([SHORT], [SHORT.replace("4711", "88")])
    found = data.find(STOP)
    assert found.pairs[["kind", "review"]].values.tolist() == [["same but for numbers", True]]
    assert found.report.review["test"]["same but for numbers"] == 1
    assert found.report.label_agreement is None
    assert sum(found.report.found["test"].values()) == 0
    assert data.check(STOP).partitions is data.partitions
    assert data.check(WITHHOLD).partitions is data.partitions


def test_a_short_text_of_the_same_words_is_a_leak() -> None:
    assert planted([SHORT], [SHORT.upper()]).pairs(STOP) == [("test-20", "train-60", "same words")]


def test_how_short_is_short_is_the_policys_to_say() -> None:
    data = planted([SHORT], [SHORT.replace("4711", "88")])
    assert len(data.pairs(Leakage(short_words=6))) == 1


def test_a_pair_to_look_at_does_not_hide_a_leak_of_the_same_row() -> None:
    groups = {"train": {0: "ann"}, "test": {20: "ann"}}
    data = planted([SHORT], [SHORT.replace("4711", "88")], group=groups)
    assert data.pairs(STOP) == [("test-20", "train-0", "same group")]


# ------------------------------------------------------------ report


def test_the_report_says_what_was_compared_and_how_far_answers_agree() -> None:
    data = planted([SPARE[0], SPARE[1]], [SPARE[0], SPARE[1]], output={"train": {61: "no"}})
    report = data.find(STOP, compare="last_user").report
    assert (report.train_rows, report.validation_rows, report.test_rows) == (62, 0, 22)
    assert report.found["test"]["same text"] == 2
    assert report.label_agreement == 0.5
    for part in ("the last user turn", "number", "20 of 84 rows", "fewer than 7 words", "Chinese"):
        assert part in report.compared
    assert planted([], []).find(STOP).report.label_agreement is None


def test_pairs_have_the_columns_of_the_record_and_kinds_come_worst_first() -> None:
    pairs = planted([PARCEL], [PARCEL]).find(STOP).pairs
    assert list(pairs.columns) == list(PAIR_COLUMNS)
    (pair,) = [LeakPair.model_validate(row) for row in pairs.to_dict("records")]
    assert (pair.score, pair.source, pair.review) == (1.0, "train", False)
    report = planted([], []).find(STOP).report
    assert list(report.found["test"]) == list(get_args(LeakKind))


def test_an_error_and_a_report_hold_no_row_text() -> None:
    data = planted([SPARE[0]], [SPARE[0]])
    found = data.find(STOP)
    with pytest.raises(LeakageError) as stop:
        data.check(STOP)
    assert SPARE[0] not in str(stop.value) + found.report.model_dump_json() + found.pairs.to_csv()


# ------------------------------------------------------------ the gate


def test_a_leak_stops_the_run_with_the_number_and_the_report() -> None:
    data = planted([SPARE[0], SPARE[1]], [SPARE[0], SPARE[1]])
    with pytest.raises(LeakageError, match=r"2 test rows also occur in train; nothing was uploaded") as stop:
        data.check(STOP)
    assert "leakage_pairs.parquet" in str(stop.value)
    assert stop.value.exit_code == 3


def test_clean_partitions_pass_untouched() -> None:
    data = planted([], [])
    passed = data.check(STOP)
    assert passed.partitions is data.partitions
    assert passed.report.withheld == 0


def test_on_request_the_train_side_is_withheld_until_nothing_is_left() -> None:
    copies = [SPARE[0], SPARE[0] + "!", SPARE[0] + " indeed", SPARE[1] + " 5", LONG]
    siblings = {"train": {7: "ann", 8: "ann"}, "test": {0: "ann"}}
    data = planted(copies, [SPARE[0], SPARE[1] + " 6", LONG + " indeed"], group=siblings)
    passed = data.check(WITHHOLD)
    gone = ["train-60", "train-61", "train-62", "train-63", "train-64", "train-7", "train-8"]
    assert sorted(passed.partitions.withheld["id"]) == gone
    assert set(passed.partitions.withheld["reason"]) == {"leak"}
    assert passed.report.withheld == 7
    assert len(passed.pairs) == 4, "the report keeps what was found before"
    pd.testing.assert_frame_equal(passed.partitions.test, data.partitions.test)
    assert len(passed.partitions.train) == 58


def test_on_request_all_train_rows_newer_than_the_oldest_test_row_are_withheld() -> None:
    train = {number: f"2026-01-01T00:{number:02}:00+00:00" for number in range(60)}
    test = {0: "2026-01-01T00:20:00+00:00", 1: "2026-01-01T00:40:00+00:00"}
    data = planted([], [], created_at={"train": train, "test": test})
    passed = data.check(WITHHOLD, by_time=True)
    assert sorted(passed.partitions.withheld["id"]) == [f"train-{number}" for number in range(21, 60)]


def test_what_passed_once_passes_again() -> None:
    data = planted([SPARE[0], SPARE[0] + " indeed"], [SPARE[0]])
    passed = data.check(WITHHOLD)
    again = type(data)(passed.partitions, data.inputs)
    assert again.pairs(WITHHOLD) == []


def test_every_copy_of_a_test_row_is_withheld_however_many_there_are() -> None:
    words = LONG.split()
    edited = [" ".join([*words[:number], "indeed", *words[number:]]) for number in range(16)]
    same = [LONG.upper() + "!" * number for number in range(100)]
    assert planted(edited, [LONG]).check(WITHHOLD).report.withheld == 16
    assert planted(same, [LONG]).check(WITHHOLD).report.withheld == 100


def test_without_an_evaluation_row_nothing_leaks() -> None:
    assert leaky({"train": TRAIN}).find(STOP).pairs.empty


def test_withholding_stops_where_no_train_row_would_be_left() -> None:
    with pytest.raises(DataError, match="every train row"):
        leaky({"train": TRAIN[:5], "test": TRAIN[:5]}).check(WITHHOLD)
