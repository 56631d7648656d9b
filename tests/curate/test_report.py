"""Balance of labels, spellings of labels and coverage of slices, in counts and in sentences."""

import pytest

from tasks.curate.clean import clean
from tasks.curate.cleaning.labels import variants
from tests.curate.cases import use_case
from tests.curate.raw_rows import example, raw_examples, sliced_contract

PLANS = {
    "type": "expect_column_values_to_be_in_set",
    "kwargs": {"column": "plan", "value_set": ["free", "gold", "team"]},
    "severity": "warning",
}


@pytest.fixture
def report(tmp_path):
    def report(*rows, rules=None, kind="classification", private=None, **policy):
        raw = raw_examples(tmp_path / "raw.parquet", *rows, private=private or {})
        return clean(raw, use_case("rows.jsonl", rules=rules or sliced_contract(), kind=kind, curation=policy)).report

    return report


def of_labels(**rows):
    return [example(number, f"{label} {number}", label) for label, many in rows.items() for number in range(many)]


def unique_ids(rows):
    return [{**row, "id": f"i{at}"} for at, row in enumerate(rows)]


def sentence(report, words):
    (found,) = [warning for warning in report.warnings if words in warning]
    return found


# ---------------------------------------------------------------- labels


def test_the_balance_counts_curated_rows_only(report):
    found = report(*unique_ids([*of_labels(a=4, b=2), example(1, "A 1", "a")]))
    assert (found.labels, found.imbalance) == ({"a": 4, "b": 2}, 2.0)


def test_a_large_imbalance_is_said_in_numbers(report):
    found = report(*unique_ids(of_labels(refund=60, parcel=3)))
    assert "refund has 60 rows, parcel has 3: 20 times fewer" in sentence(found, "times fewer")
    assert not [warning for warning in report(*unique_ids(of_labels(a=10, b=9))).warnings if "times" in warning]


def test_labels_of_the_contract_without_a_row_are_named(report):
    found = report(*of_labels(a=2), rules=sliced_contract(labels=["a", "b", "c"]))
    assert "2 of 3 labels of the contract have no row: b, c" in found.warnings


def test_other_tasks_have_no_labels(report):
    found = report(example(1, "one", '{"n":1}'), kind="extraction")
    assert (found.labels, found.imbalance, found.label_variants) == ({}, None, [])


@pytest.mark.parametrize(
    ("spelling", "meant", "differs_in"),
    [
        ("Card_Lost", "card_lost", "case"),
        ("card lost", "cardlost", "space"),
        ("card_lost\u200b", "card_lost", "space"),
        ("card-lost", "card_lost", "punctuation"),
        ("card_lost.", "card_lost", "punctuation"),
        ("Card lost", "card_lost", "punctuation"),
        ("с\u0430rd_lost", "card_lost", "homoglyph"),  # Cyrillic es and a
        ("СARD_LOST", "card_lost", "homoglyph"),
        ("cαrd_lοst", "card_lost", "homoglyph"),  # Greek alpha and omicron
        ("ｃard_lost", "card_lost", "homoglyph"),  # full width
        ("Возврат", "возврат", "case"),
    ],
)
def test_spellings_of_one_label_are_reported_with_what_they_differ_in(spelling, meant, differs_in):
    (found,) = variants({meant: 9, spelling: 2})
    assert (found.label, found.variant_of, found.rows, found.differs_in) == (spelling, meant, 2, differs_in)


@pytest.mark.parametrize("labels", [("1.5", "15"), ("-1", "1"), ("c", "c++"), ("A", "A+"), ("v1_2", "v12"), ("a", "b")])
def test_labels_that_mean_something_else_are_no_spellings(labels):
    assert variants(dict.fromkeys(labels, 1)) == []


def test_the_declared_spelling_is_meant_even_if_it_is_rarer():
    (found,) = variants({"Refund": 9, "refund": 1}, ["refund", "parcel"])
    assert (found.label, found.variant_of) == ("Refund", "refund")


def test_three_spellings_have_one_meaning():
    found = variants({"refund": 9, "Refund": 2, "re_fund": 1})
    assert [(variant.label, variant.variant_of) for variant in found] == [("Refund", "refund"), ("re_fund", "refund")]


def test_two_spellings_in_the_contract_itself_are_reported_too(report):
    found = report(*of_labels(refund=2), rules=sliced_contract(labels=["refund", "Refund"]))
    assert [(variant.label, variant.rows) for variant in found.label_variants] == [("Refund", 0)]
    assert "label Refund (0 rows) differs from refund in case only: are they one?" in found.warnings


# ---------------------------------------------------------------- slices


def on_plans(*plans):
    return [example(at, f"text {at}", slices={"plan": plan, "vip": True}) for at, plan in enumerate(plans)]


def test_slices_count_every_value_found_and_every_value_that_the_contract_lists(report):
    found = report(*on_plans("free", "free", "gold", None), rules=sliced_contract(PLANS))
    assert found.slices == {"plan": {"free": 2, "gold": 1, "team": 0, "(none)": 1}, "vip": {"true": 4}}


def test_slice_values_with_too_few_rows_are_thin(report):
    found = report(*on_plans("free", "free", "gold"), rules=sliced_contract(PLANS), min_slice_rows=2)
    assert found.thin_slices == ["plan=gold", "plan=team"]
    assert "2 slice values have fewer than 2 rows" in sentence(found, "plan=gold (1), plan=team (0)")


def test_slice_values_that_the_contract_does_not_list_are_named(report):
    found = report(*on_plans("free", "Gold", "Gold"), rules=sliced_contract(PLANS), min_slice_rows=0)
    assert sentence(found, "does not list").endswith("does not list: Gold (2)")


def test_a_column_with_hundreds_of_values_is_asked_about_rather_than_listed(report):
    found = report(*on_plans(*(f"p{number}" for number in range(300))), min_slice_rows=0)
    assert len(found.slices["plan"]) == 200
    assert "slice plan has 300 values" in sentence(found, "is it a slice?")


# ---------------------------------------------------------------- private data


def test_what_reading_found_of_private_data_is_passed_on(report):
    private = {"email": {"mask": 3}}
    assert report(example(1, "one"), private=private).private == private
