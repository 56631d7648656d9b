import pandas as pd
import pytest

from data_contracts.use_case import TaskKind
from tasks.evaluate.scores.consistency import consistency
from tests.evaluate.made_answers import answers

LABELS, OBJECTS, TEXTS = TaskKind.CLASSIFICATION, TaskKind.EXTRACTION, TaskKind.FREE_TEXT


def repeated(*rounds, expected, **columns):
    """Answers of one candidate; a round is what it said to each case at one time."""
    frames = [
        answers("a", [*given], [expected] * len(given), repeat=number, **columns) for number, given in enumerate(rounds)
    ]
    return pd.concat(frames, ignore_index=True)


def test_without_repeats_there_is_nothing_to_say():
    assert consistency(answers("a", ["x", "y"], ["x", "x"]), LABELS) is None
    assert consistency(answers("a", [], []), LABELS) is None


def test_agreement_is_the_share_of_equal_pairs_averaged_over_the_cases():
    found = consistency(repeated("xxx", "xyy", "xyz", "xyw", expected="x"), LABELS)
    assert (found.repeats, found.cases) == (4, 3)
    assert found.agreement == pytest.approx((1 + 3 / 6 + 0) / 3)


def test_a_case_is_unstable_where_it_is_right_at_one_time_and_wrong_at_another():
    always_right_always_wrong_and_both = ("xyx", "xzy")
    assert consistency(repeated(*always_right_always_wrong_and_both, expected="x"), LABELS).unstable == 1


def test_cases_that_were_asked_once_do_not_count():
    frame = pd.concat([repeated("x", "y", expected="x"), answers("a", ["x"] * 5, ["x"] * 5).tail(4)])
    assert consistency(frame, LABELS).cases == 1


def test_answers_agree_as_accuracy_sees_them():
    objects = repeated(['{"city":"Ulm"}'], ['{"city":"ULM","zip":null}'], expected='{"city":"Ulm"}')
    texts = repeated(["Dear Ms. Lee!"], ["dear ms lee"], expected="x")
    assert consistency(objects, OBJECTS).agreement == 1.0
    assert consistency(texts, TEXTS).agreement == 1.0
    assert consistency(texts, LABELS).agreement == 0.0


def test_an_outcome_agrees_with_its_like_and_with_no_answer():
    refused_twice = repeated([""], [""], ["x"], expected="x")
    refused_twice["outcome"] = ["refused", "refused", "answered"]
    found = consistency(refused_twice, LABELS)
    assert (found.agreement, found.unstable) == (pytest.approx(1 / 3), 1)
    refused_twice["outcome"] = ["refused", "truncated", "answered"]
    assert consistency(refused_twice, LABELS).agreement == 0.0


def test_a_failed_request_says_nothing_of_the_model():
    frame = repeated([""], ["x"], ["x"], expected="x")
    frame["outcome"] = ["failed", "answered", "answered"]
    found = consistency(frame, LABELS)
    assert (found.repeats, found.agreement, found.unstable) == (2, 1.0, 0)
