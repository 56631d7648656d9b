import json

import pytest

from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.score import ScorePolicy, chrf, field_f1, is_exact, score, text_f1
from tasks.evaluate.scores.own_score import OwnScore
from tests.evaluate.made_answers import answers, contract, scored

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "total": {"type": "number"}}}


def fields(given, expected, named=None):
    return field_f1(json.dumps(given), json.dumps(expected), named)


def test_a_label_scores_one_where_it_is_the_expected_one_and_nothing_else():
    assert scored(answers("a", ["x", "y"], ["x", "x"]))["score"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("outcome", ["refused", "truncated", "filtered", "unparsable", "rejected", "failed"])
@pytest.mark.parametrize("metric", ["", "chrf", "custom"])
@pytest.mark.parametrize("kind", list(TaskKind))
def test_any_other_outcome_than_answered_scores_zero_even_with_the_right_text(kind, metric, outcome):
    policy = ScorePolicy(metric, OwnScore("own:full", lambda *_: 1.0), {"c000": ""})
    frame = answers("a", ["{}"], ["{}"], outcome=outcome)
    assert score(frame, kind, contract(), policy)["score"].tolist() == [0.0]


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


def test_chrf_is_that_of_sacrebleu_with_words_from_0_to_1():
    assert chrf("The cat sat on the mat.", "The cat sat on the mat.") == 1.0
    assert chrf("xyz", "qqq") == 0.0
    # By hand: F2 of character 1-grams 2/3, 2-grams 1/2, 3-grams 0, words 0; the mean over the four orders there are
    assert chrf("abx", "abc") == pytest.approx((2 / 3 + 1 / 2 + 0 + 0) / 4)
    assert chrf("a b c", "a b d") > text_f1("x y z", "a b d")


def test_chrf_is_the_score_where_it_decides_and_the_words_where_it_does_not():
    frame = answers("a", ["colour"], ["color"])
    deciding = score(frame, TaskKind.FREE_TEXT, contract(), ScorePolicy("chrf"))
    assert deciding["score"].tolist() == [chrf("colour", "color")]
    assert score(frame, TaskKind.FREE_TEXT, contract())["score"].tolist() == [0.0]
    assert 0 < chrf("colour", "color") < 1


def test_tool_calls_are_compared_call_by_call_whatever_the_metric_of_texts():
    call = '{"tool_calls":[{"arguments":{"city":"Ulm"},"name":"weather"}]}'
    frame = answers("a", [call, "It rains."], [call, call])
    policy = ScorePolicy("chrf")
    assert score(frame, TaskKind.FREE_TEXT, contract(), policy)["score"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", list(TaskKind))
def test_your_own_function_sees_answer_expected_and_input_of_its_case(kind):
    seen = []

    def half(output, expected, asked):
        seen.append((output, expected, asked))
        return 0.5

    policy = ScorePolicy("custom", OwnScore("own:half", half), {"c000": "first", "c001": "second"})
    frame = answers("a", ["x", "y"], ["x", "z"])
    assert score(frame, kind, contract(), policy)["score"].tolist() == [0.5, 0.5]
    assert seen == [("x", "x", "first"), ("y", "z", "second")]


def test_custom_without_a_function_is_an_error_that_names_the_setting():
    with pytest.raises(ConfigurationError, match=r"evaluation\.scorer"):
        score(answers("a", ["x"], ["x"]), TaskKind.FREE_TEXT, contract(), ScorePolicy("custom"))


def test_a_function_that_does_not_decide_is_not_called():
    policy = ScorePolicy("text_f1", OwnScore("own:never", lambda *_: 1 / 0), {})
    assert score(answers("a", ["x"], ["x"]), TaskKind.FREE_TEXT, contract(), policy)["score"].tolist() == [1.0]
