import pandas as pd
import pytest

from data_contracts.data_policy import Leakage, Split
from data_contracts.records import Partitions
from tasks.errors import DataError, LeakageError
from tasks.partition import leakage
from tasks.partition.split import split
from tests.partition.examples import partitions, rows, unrelated_texts

STOP, WITHHOLD = Leakage(), Leakage(on_leak="withhold")
TEXTS = unrelated_texts(120)
FORM = "please refund order 4711 of 12 may to my card"


def leaking(test_texts: list[str], train_texts: list[str], **columns: list[str]) -> Partitions:
    """Sixty unrelated train rows and these; twenty unrelated test rows and these."""
    train = rows([*TEXTS[:60], *train_texts], groups=columns.get("train_groups"), outputs=columns.get("train_outputs"))
    test = rows([*TEXTS[60:80], *test_texts], groups=columns.get("test_groups"), first_id=1000)
    return partitions(train, test)


@pytest.mark.parametrize(
    ("train_text", "test_text", "kind"),
    [
        ("Where IS my parcel?", "Where IS my parcel?", "same text"),
        ("Where IS my parcel?", "where is  my parcel", "same words"),
        ("ｗｈｅｒｅ is my\u200b parcel", "where is my parcel", "same words"),
        (FORM, FORM.replace("4711", "88").replace("12", "3"), "same but for numbers"),
        (TEXTS[100], TEXTS[100] + " indeed", "near"),
    ],
)
def test_each_kind_of_copy_is_found_and_named(train_text: str, test_text: str, kind: str) -> None:
    _, pairs = leakage.find(leaking([test_text], [train_text]), STOP)
    assert [(pair.partition, pair.evaluation_id, pair.train_id, pair.kind) for pair in pairs] == [
        ("test", "row-1020", "row-60", kind)
    ]


def test_rows_of_one_group_in_train_and_test_are_a_leak() -> None:
    train = rows(TEXTS[:5], groups=["ann", "bob", "row-2", "row-3", "row-4"])
    test = rows(TEXTS[5:8], groups=["cid", "bob", "row-1002"], first_id=1000)
    _, pairs = leakage.find(partitions(train, test), STOP)
    assert [(pair.evaluation_id, pair.train_id, pair.kind) for pair in pairs] == [("row-1001", "row-1", "same group")]


def test_equal_row_ids_of_two_files_are_no_group() -> None:
    _, pairs = leakage.find(partitions(rows(TEXTS[:5]), rows(TEXTS[5:10])), STOP)
    assert pairs == []


def test_validation_is_held_to_the_same_standard_as_test() -> None:
    found = partitions(rows(TEXTS[:20]), rows(TEXTS[20:40], first_id=100), rows([TEXTS[3]], first_id=200))
    report, pairs = leakage.find(found, STOP)
    assert [(pair.partition, pair.evaluation_id) for pair in pairs] == [("validation", "row-200")]
    assert report.found["validation"]["same text"] == 1
    assert sum(report.found["test"].values()) == 0


def test_a_row_with_several_leaks_is_reported_once_by_the_worst() -> None:
    near, better, same = TEXTS[100] + " indeed it is", TEXTS[100] + " indeed", TEXTS[100].upper()
    _, pairs = leakage.find(leaking([TEXTS[100]], [near, better, same]), STOP)
    assert [(pair.train_id, pair.kind) for pair in pairs] == [("row-62", "same words")]
    _, pairs = leakage.find(leaking([TEXTS[100]], [near, better]), STOP)
    assert [(pair.train_id, pair.kind) for pair in pairs] == [("row-61", "near")]


def test_the_report_says_what_was_compared_and_how_far_answers_agree() -> None:
    found = leaking([TEXTS[100], TEXTS[101]], [TEXTS[100], TEXTS[101]], train_outputs=["yes"] * 61 + ["no"])
    report, _ = leakage.find(found, STOP)
    assert (report.train_rows, report.validation_rows, report.test_rows) == (62, 0, 22)
    assert report.found["test"]["same text"] == 2
    assert report.label_agreement == 0.5
    assert leakage.find(partitions(rows(TEXTS[:5]), rows(TEXTS[5:9])), STOP)[0].label_agreement is None


def test_shared_boilerplate_is_no_leak() -> None:
    footer = "this message is confidential and intended for the person named above only"
    train, test = ([f"{text} {footer}" for text in TEXTS[part]] for part in (slice(60), slice(60, 120)))
    report, pairs = leakage.find(partitions(rows(train), rows(test, first_id=100)), STOP)
    assert pairs == []
    assert report.boilerplate > 0


def test_a_leak_stops_the_run_with_the_number_and_the_report() -> None:
    found = leaking([TEXTS[100], TEXTS[101]], [TEXTS[100], TEXTS[101]])
    with pytest.raises(
        LeakageError, match=r"2 test rows also occur in train; nothing was uploaded.*leakage.json"
    ) as stop:
        leakage.check(found, leakage.find(found, STOP), STOP, "runs/1/leakage.json")
    assert stop.value.exit_code == 3


def test_an_error_and_a_report_hold_no_row_text() -> None:
    found = leaking([TEXTS[100]], [TEXTS[100]])
    report, pairs = leakage.find(found, STOP)
    with pytest.raises(LeakageError) as stop:
        leakage.check(found, (report, pairs), STOP, "leakage.json")
    assert TEXTS[100] not in str(stop.value) + report.model_dump_json() + str(pairs)


def test_clean_partitions_pass_untouched() -> None:
    found = partitions(rows(TEXTS[:60]), rows(TEXTS[60:80], first_id=1000))
    passed = leakage.check(found, leakage.find(found, STOP), STOP, "leakage.json")
    assert passed.partitions is found
    assert passed.report.withheld == 0


def test_on_request_the_train_side_is_withheld_until_nothing_is_left() -> None:
    copies = [TEXTS[100], TEXTS[100] + "!", TEXTS[100] + " indeed", TEXTS[101] + " 5"]
    found = leaking([TEXTS[100], TEXTS[101] + " 6"], copies)
    passed = leakage.check(found, leakage.find(found, WITHHOLD), WITHHOLD, "leakage.json")
    assert passed.partitions.withheld["id"].tolist() == ["row-60", "row-61", "row-62", "row-63"]
    assert set(passed.partitions.withheld["reason"]) == {"leak"}
    assert passed.report.withheld == 4
    assert len(passed.pairs) == 2
    assert leakage.find(passed.partitions, WITHHOLD)[1] == []
    pd.testing.assert_frame_equal(passed.partitions.test, found.test)
    assert len(passed.partitions.train) == 60


def test_withholding_stops_where_no_train_row_would_be_left() -> None:
    found = partitions(rows(TEXTS[:5]), rows(TEXTS[:5], first_id=100))
    with pytest.raises(DataError, match="every train row"):
        leakage.check(found, leakage.find(found, WITHHOLD), WITHHOLD, "leakage.json")


@pytest.mark.parametrize("seed", range(5))
def test_what_the_split_keeps_together_never_leaks(seed: int) -> None:
    texts = unrelated_texts(200, seed=seed)
    copies = [text.upper() for text in texts[:50]] + [text + " indeed" for text in texts[50:100]]
    numbered = [f"{text} {number}" for text in texts[100:120] for number in (1, 2)]
    data = rows([*texts, *copies, *numbered], groups=[f"customer-{number % 170}" for number in range(340)])
    report, pairs = leakage.find(split(data, Split(min_test=5, seed=seed), STOP, {}), STOP)
    assert pairs == []
    assert report.test_rows > 0


def test_a_test_text_that_stands_in_a_prompt_is_named() -> None:
    found = partitions(rows(TEXTS[:3]), rows(["my parcel came with a broken lid", "broken lid"], first_id=100))
    prompts = ["Classify.\nExample: My parcel came, with a broken LID. -> damaged", "Nothing here"]
    assert leakage.texts_in_prompts(prompts, found) == ["row-100"]
    assert leakage.texts_in_prompts(["my parcel came with a broken lidless box"], found) == []
    assert leakage.texts_in_prompts([], found) == []
