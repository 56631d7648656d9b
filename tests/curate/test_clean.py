"""Exclusions, clashing ids, conflicting answers and copies: what leaves, why, and what is on record."""

import json
import random

import pytest

from data_contracts.curation import CurationReport
from data_contracts.data_policy import Curation
from data_contracts.records import Counts
from tasks.curate.clean import clean, rejections, require_enough
from tasks.errors import ConfigurationError, DataError
from tests.curate.cases import use_case
from tests.curate.raw_rows import example, raw_examples, sliced_contract


@pytest.fixture
def curate(tmp_path):
    """Cleans these rows and returns the frame of fates, by id."""

    def curate(*rows, rules=None, **policy):
        raw = raw_examples(tmp_path / "raw.parquet", *rows)
        curated = clean(raw, use_case("rows.jsonl", rules=rules or sliced_contract(), curation=policy))
        return curated.fates.assign(id=[row["id"] for row in rows])

    return curate


def fated(fates, fate):
    return fates.loc[fates["fate"] == fate, "id"].tolist()


def copies(fates):
    return fates.loc[fates["fate"] == "duplicate", ["id", "kept_id"]].values.tolist()


def day(number):
    return f"2026-01-{number:02}T00:00:00+00:00"


# ---------------------------------------------------------------- copies: the better row stays


def test_copies_differ_in_case_space_and_punctuation_at_most(curate):
    fates = curate(example(1, "My card?"), example(2, "my  CARD"), example(3, "my cards"))
    assert (fated(fates, "curated"), copies(fates)) == (["r1", "r3"], [["r2", "r1"]])


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"slices": {"plan": "gold", "vip": None}, "created_at": day(1)}, {"slices": {"plan": "gold", "vip": False}}),
        ({}, {"created_at": day(9)}),
        ({"created_at": day(2)}, {"created_at": day(1)}),
        ({"created_at": "2026-01-01T00:00:00.500000+00:00"}, {"created_at": day(1)}),
    ],
    ids=["more slices filled", "dated", "earlier", "earlier by half a second"],
)
def test_of_copies_the_better_row_stays(curate, worse, better):
    assert copies(curate(example(1, "same", **worse), example(2, "same", **better))) == [["r1", "r2"]]


def test_of_copies_that_are_equally_good_the_first_one_stays(curate):
    rows = [example(number, "same", created_at=day(5)) for number in (1, 2, 3)]
    assert copies(curate(*rows)) == [["r2", "r1"], ["r3", "r1"]]


def test_a_copy_in_another_given_partition_is_left_for_the_leakage_check(curate):
    fates = curate(example(1, "same", given_partition="train"), example(2, "same", given_partition="test"))
    assert fated(fates, "curated") == ["r1", "r2"]


# ---------------------------------------------------------------- ids


def test_one_id_with_two_contents_sends_both_to_quarantine(curate):
    fates = curate(example(1, "one"), example(2, "two"), example(2, "three"))
    assert fated(fates, "curated") == ["r1"]
    assert fates["code"].tolist() == ["", "id_clash", "id_clash"]


def test_one_id_with_one_content_is_a_copy(curate):
    assert copies(curate(example(1, "one"), example(1, "one"))) == [["r1", "r1"]]


# ---------------------------------------------------------------- conflicting answers

DISPUTED = [
    example(1, "same", "a", created_at=day(1)),
    example(2, "Same!", "a", created_at=day(2)),
    example(3, "same", "b", created_at=day(3)),
    example(4, "other"),
]


@pytest.mark.parametrize(
    ("policy", "kept", "turned_away"),
    [
        ("quarantine", ["r4"], ["r1", "r2", "r3"]),
        ("majority", ["r1", "r4"], ["r3"]),
        ("newest", ["r3", "r4"], ["r1", "r2"]),
    ],
)
def test_conflicting_answers_are_settled_by_the_policy(curate, policy, kept, turned_away):
    fates = curate(*DISPUTED, on_conflict=policy)
    assert (fated(fates, "curated"), fated(fates, "quarantined")) == (kept, turned_away)
    assert set(fates.loc[fates["fate"] == "quarantined", "code"]) == {"label_conflict"}


@pytest.mark.parametrize("policy", ["majority", "newest"])
def test_a_tie_has_no_winner(curate, policy):
    assert fated(curate(example(1, "same", "a"), example(2, "same", "b"), on_conflict=policy), "curated") == []


def test_a_conflict_names_a_record_that_disagrees(curate):
    remedies = curate(*DISPUTED)["remedy"]
    assert "Record r3 " in remedies[0] and "Record r1 " in remedies[2]


def test_the_same_question_in_another_given_partition_is_no_rival(curate):
    rows = [example(1, "same", "a", given_partition="train"), example(2, "same", "b", given_partition="test")]
    assert fated(curate(*rows), "curated") == ["r1", "r2"]


# ---------------------------------------------------------------- preference pairs and tools


def pair(number, preferred, rejected, text="Say it kindly"):
    return example(number, text, preferred, rejected=rejected)


def test_two_preference_pairs_of_one_question_are_neither_copies_nor_rivals(curate):
    assert fated(curate(pair(1, "A", "B"), pair(2, "A", "C"), pair(3, "D", "B")), "curated") == ["r1", "r2", "r3"]


def test_a_preference_pair_turned_round_is_a_conflict(curate):
    assert fated(curate(pair(1, "A", "B"), pair(2, "B", "A"), pair(3, "A", "C")), "quarantined") == ["r1", "r2"]


def test_a_preference_pair_given_twice_is_a_copy(curate):
    assert copies(curate(pair(1, "A", "B"), pair(2, "A", "B", "say it KINDLY"))) == [["r2", "r1"]]


def test_steps_of_one_conversation_with_tools_are_no_rivals(curate):
    asked = [{"role": "user", "content": "Weather?"}]
    told = [*asked, {"role": "tool", "content": "rain"}]
    tools = [{"type": "function", "function": {"name": "weather"}}]
    fates = curate(
        example(1, "Weather?", '[{"name":"weather"}]', messages=asked, tools=tools),
        example(2, "Weather?", "It rains.", messages=told, tools=tools),
        example(3, "Weather?", "It rains.", messages=told, tools=tools),
    )
    assert (fated(fates, "curated"), copies(fates)) == (["r1", "r2"], [["r3", "r2"]])


# ---------------------------------------------------------------- exclusions


@pytest.mark.parametrize(
    ("rule", "excluded"),
    [
        ({"column": "output", "values": ["spam"]}, ["r2"]),
        ({"column": "group", "values": ["staff", "bots"]}, ["r3"]),
        ({"column": "plan", "values": ["trial"]}, ["r4"]),
        ({"column": "vip", "values": ["true"]}, ["r1"]),
        ({"column": "created_at", "before": "2026-01-02T01:00:00+01:00"}, ["r1"]),
        ({"column": "created_at", "after": day(2)}, ["r2", "r3"]),
        ({"column": "created_at", "before": day(2), "after": day(3)}, ["r1", "r3"]),
    ],
)
def test_a_rule_leaves_out_the_rows_that_it_names(curate, rule, excluded):
    fates = curate(
        example(1, "one", created_at=day(1), slices={"plan": "gold", "vip": True}),
        example(2, "two", "spam", created_at=day(2), slices={"plan": "gold", "vip": None}),
        example(3, "three", created_at=day(3), group="staff", slices={"plan": None, "vip": False}),
        example(4, "four", slices={"plan": "trial", "vip": False}),
        exclude=[{"reason": "not ours", **rule}],
    )
    assert fated(fates, "excluded") == excluded
    assert set(fates.loc[fates["fate"] == "excluded", "remedy"]) == {"not ours"}


def test_a_file_is_named_as_in_the_use_case_file(curate):
    case = use_case("rows.jsonl")
    rows = [example(1, "one", file=case.resolve("old/a.jsonl")), example(2, "two", file=case.resolve("b.jsonl"))]
    fates = curate(*rows, exclude=[{"reason": "old", "column": "file", "values": ["old/a.jsonl"]}])
    assert fated(fates, "excluded") == ["r1"]


def test_the_first_rule_that_meets_a_row_is_on_record(curate):
    rules = [{"reason": reason, "column": "output", "values": ["parcel"]} for reason in ("first", "second")]
    assert curate(example(1, "one"), exclude=rules)["remedy"].tolist() == ["first"]


def test_an_excluded_row_settles_no_conflict_and_is_nobodys_copy(curate):
    rows = [example(1, "same", "spam"), example(2, "same"), example(3, "Same")]
    fates = curate(*rows, exclude=[{"reason": "spam", "column": "output", "values": ["spam"]}])
    assert (fated(fates, "curated"), copies(fates)) == (["r2"], [["r3", "r2"]])


def test_a_rule_about_an_unknown_column_is_a_wrong_configuration(curate):
    with pytest.raises(ConfigurationError, match=r"exclude\[0\].*no column colour.*plan, vip"):
        curate(example(1, "one"), exclude=[{"reason": "x", "column": "colour", "values": ["red"]}])


# ---------------------------------------------------------------- every row is accounted for


def test_every_row_has_one_fate_whatever_the_rows_are(curate):
    chance = random.Random(3)
    rows = [
        example(
            chance.randrange(150),
            f"please send parcel {chance.randrange(60)} to the new address of my mother",
            chance.choice("abc"),
            created_at=chance.choice(["", day(1), day(2)]),
            given_partition=chance.choice(["train", "test"]),
            rejected=chance.choice(["", "", "", "d"]),
        )
        for _ in range(300)
    ]
    for policy in ("quarantine", "majority", "newest"):
        for near in ("keep", "drop"):
            exclude = [{"reason": "c", "column": "output", "values": ["c"]}]
            fates = curate(*rows, on_conflict=policy, near_duplicates=near, exclude=exclude)
            assert len(fates) == 300
            assert set(fates["fate"]) == {"curated", "duplicate", "quarantined", "excluded"}
            assert set(fates.loc[fates["fate"] == "duplicate", "kept_id"]) <= set(fated(fates, "curated"))
            assert (fates["code"] == "").tolist() == fates["fate"].isin(["curated", "duplicate"]).tolist()


def test_no_rows_are_no_trouble(curate):
    assert curate().empty


def test_a_row_lost_on_the_way_to_cleaning_is_noticed(tmp_path):
    raw = raw_examples(tmp_path / "raw.parquet", example(1, "one"), example(2, "two"))
    with pytest.raises(AssertionError, match="3 rows were read, 2 are in the file"):
        clean(type(raw)(**{**vars(raw), "rows": 3}), use_case("rows.jsonl"))


# ---------------------------------------------------------------- rejections


def test_rejections_hold_the_place_the_reason_and_the_text_of_the_rows_with_this_fate(tmp_path):
    tools = [{"type": "function", "function": {"name": "weather"}}]
    rows = [*DISPUTED, example(5, "x", "y", rejected="z", tools=tools, id="r4")]
    raw = raw_examples(tmp_path / "raw.parquet", *rows)
    fates = clean(raw, use_case("rows.jsonl")).fates
    first, *_, last = rejections(raw, fates, "quarantined")
    assert (first.id, first.file, first.line, first.offset, first.length) == ("r1", "rows.jsonl", 1, 100, 100)
    assert (first.code, first.field) == ("label_conflict", "output")
    assert json.loads(first.raw) == {"messages": [{"role": "user", "content": "same"}], "output": "a"}
    assert json.loads(last.raw).keys() == {"messages", "output", "rejected", "tools"}
    assert list(rejections(raw, fates, "excluded")) == []


# ---------------------------------------------------------------- enough is left


def counts(curated, quarantined, codes=None):
    return Counts(
        records_in=curated + quarantined,
        curated=curated,
        duplicates=0,
        quarantined=quarantined,
        excluded=0,
        quarantine_codes=codes or {},
        sources={},
    )


def test_too_large_a_quarantine_stops_the_run_with_its_counts_and_where_to_look():
    found = counts(1, 3, {"missing_field": 2, "json": 1})
    with pytest.raises(DataError) as caught:
        require_enough(found, CurationReport(), Curation(max_quarantined=0.5), "runs/r/quarantine.jsonl")
    text = str(caught.value)
    assert "3 of 4 records (75.0%)" in text and "missing_field 2, json 1" in text
    assert "runs/r/quarantine.jsonl" in text
    require_enough(found, CurationReport(), Curation(max_quarantined=0.75), "")


def test_private_data_stops_the_run_with_the_rows_and_the_setting_to_change():
    report = CurationReport(private={"email": {"block": 12, "mask": 3}, "secret": {"block": 1}, "phone": {"mask": 9}})
    with pytest.raises(DataError) as caught:
        require_enough(counts(100, 13), report, Curation(max_quarantined=1), "quarantine.jsonl")
    text = str(caught.value)
    assert "12 rows hold an e-mail address, 1 row holds a secret" in text and "phone" not in text
    assert "Set curation.privacy.rules.email and curation.privacy.rules.secret to mask, quarantine or allow" in text


def test_masked_and_allowed_private_data_lets_the_run_go_on():
    report = CurationReport(private={"email": {"mask": 3, "allow": 4}})
    require_enough(counts(100, 0), report, Curation(), "")


def test_no_data_stops_the_run():
    with pytest.raises(DataError, match="no usable record is left"):
        require_enough(counts(0, 0), CurationReport(), Curation(), "quarantine.jsonl")
