import json

import pytest

from data_contracts.use_case import TaskKind
from tasks.evaluate.score import field_f1, is_exact, text_f1
from tests.evaluate.made_answers import answers, scored

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "total": {"type": "number"}}}


def fields(given, expected, named=None):
    return field_f1(json.dumps(given), json.dumps(expected), named)


def test_a_label_scores_one_where_it_is_the_expected_one_and_nothing_else():
    assert scored(answers("a", ["x", "y"], ["x", "x"]))["score"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("outcome", ["refused", "truncated", "filtered", "unparsable", "failed"])
@pytest.mark.parametrize("kind", list(TaskKind))
def test_any_other_outcome_than_answered_scores_zero_even_with_the_right_text(kind, outcome):
    assert scored(answers("a", ["{}"], ["{}"], outcome=outcome), kind=kind)["score"].tolist() == [0.0]


def test_scoring_leaves_the_rows_and_their_columns_as_they_are():
    before = answers("a", ["x", "y"], ["x", "x"])
    after = scored(before)
    assert list(after.columns) == list(before.columns)
    assert before["score"].isna().all()


def test_field_f1_counts_right_wrong_and_missing_fields():
    # 1 right; city wrong (one false, one missed); zip missed: 2 * 1 / (2 claimed + 3 expected)
    assert fields({"total": 5, "city": "Bonn"}, {"total": 5, "city": "Ulm", "zip": "89073"}) == pytest.approx(2 / 5)


def test_null_and_an_absent_field_are_the_same():
    assert fields({"total": 5, "city": None}, {"total": 5}) == 1.0


def test_an_object_without_fields_is_right_where_none_is_expected_and_wrong_where_one_is():
    assert fields({}, {"city": None}) == 1.0
    assert fields({}, {"city": "Ulm"}) == 0.0
    assert fields({"city": "Ulm"}, {}) == 0.0


def test_texts_may_differ_in_case_and_space_and_numbers_in_notation():
    assert fields({"city": "  new   YORK", "total": 12.0}, {"city": "New York", "total": 12}) == 1.0


def test_a_number_is_not_its_text_and_true_is_not_one():
    assert fields({"total": "5", "paid": True}, {"total": 5, "paid": 1}) == 0.0


def test_nested_fields_count_each_for_itself():
    given, expected = {"to": {"city": "Ulm", "zip": "1"}}, {"to": {"city": "Ulm", "zip": "2"}}
    assert fields(given, expected) == 0.5


def test_an_element_of_a_list_counts_as_one_value_wherever_it_stands():
    assert fields({"items": ["b", "a"]}, {"items": ["A", "B"]}) == 1.0
    assert fields({"items": ["a", "a"]}, {"items": ["a"]}) == pytest.approx(2 / 3)
    swapped = [{"name": "tea", "count": 2}, {"name": "cup", "count": 1}]
    assert fields({"items": swapped}, {"items": [{"name": "tea", "count": 1}, {"name": "cup", "count": 2}]}) == 0.0


def test_fields_that_the_schema_does_not_name_do_not_count():
    frame = answers("a", ['{"city":"Ulm","note":"x"}'], ['{"city":"Ulm"}'])
    assert scored(frame, kind=TaskKind.EXTRACTION, output_schema=SCHEMA)["score"].tolist() == [1.0]


def test_text_f1_is_the_token_f1_of_squad():
    # Worked by hand: given 4 words, expected 5, shared the, cat, sat: 2 * 3 / 9
    assert text_f1("The cat sat there.", "the cat sat on mats") == pytest.approx(6 / 9)
    assert text_f1("dogs bark", "cats purr") == 0.0
    assert text_f1("Dear Ms. Lee!", "dear ms lee") == 1.0


def test_a_repeated_word_counts_as_often_as_it_is_expected():
    assert text_f1("no no no", "no") == pytest.approx(2 / 4)


def test_exact_means_the_label_every_field_or_every_word_in_order():
    assert is_exact("x", "x", TaskKind.CLASSIFICATION)
    assert not is_exact("X", "x", TaskKind.CLASSIFICATION)
    assert is_exact('{"a":1,"b":null}', '{"a":1.0}', TaskKind.EXTRACTION)
    assert not is_exact('{"a":1,"b":2}', '{"a":1}', TaskKind.EXTRACTION)
    assert is_exact("The dog, again", "the dog again", TaskKind.FREE_TEXT)
    assert not is_exact("dog bites man", "man bites dog", TaskKind.FREE_TEXT)
