import numpy as np
import pytest

from data_contracts.use_case import TaskKind
from tasks.evaluate.scores.calibration import calibration
from tests.evaluate.made_answers import answers

LABELS = TaskKind.CLASSIFICATION


def rated(confidence, right, **columns):
    given = ["x" if one else "y" for one in right]
    return answers("a", given, ["x"] * len(given), confidence=confidence, **columns)


def test_where_no_answer_came_with_a_probability_there_is_no_calibration():
    assert calibration(answers("a", ["x"], ["x"]), LABELS) is None
    assert calibration(answers("a", [], []), LABELS) is None


def test_answers_without_a_probability_are_left_out():
    found = calibration(rated([0.8, float("nan")], [True, False]), LABELS)
    assert found.cases == 1


def test_the_error_is_the_gap_between_confidence_and_accuracy_weighted_by_cases():
    confidence = [0.9] * 20 + [0.6] * 20
    right = [True] * 14 + [False] * 6 + [True] * 12 + [False] * 8
    found = calibration(rated(confidence, right), LABELS)
    assert [(round(of.confidence, 6), of.accuracy, of.cases) for of in found.bins] == [(0.6, 0.6, 20), (0.9, 0.7, 20)]
    assert found.expected_error == pytest.approx(0.5 * 0.0 + 0.5 * 0.2)
    assert found.brier == pytest.approx((14 * 0.01 + 6 * 0.81 + 12 * 0.16 + 8 * 0.36) / 40)


def test_bins_hold_as_many_cases_and_there_are_fewer_of_them_for_few_cases():
    draw = np.random.default_rng(3)
    for cases, bins in ((1_000, 10), (45, 4), (7, 1)):
        found = calibration(rated(draw.random(cases), draw.random(cases) < 0.5), LABELS)
        assert len(found.bins) == bins
        assert sum(of.cases for of in found.bins) == cases
        assert max(of.cases for of in found.bins) - min(of.cases for of in found.bins) <= 1


def test_equal_probabilities_stay_together_whatever_their_order():
    confidence, right = [1.0] * 100 + [0.5] * 20, [True] * 80 + [False] * 40
    found = calibration(rated(confidence, right), LABELS)
    assert [of.cases for of in found.bins] == [20, 100]
    assert calibration(rated(confidence[::-1], right[::-1]), LABELS) == found
    assert [of.cases for of in calibration(rated([1.0] * 50, [True] * 50), LABELS).bins] == [50]


def test_a_calibrated_candidate_has_a_small_error_and_a_boastful_one_has_not():
    draw = np.random.default_rng(4)
    truth = draw.uniform(0.3, 0.9, 4_000)
    right = draw.random(4_000) < truth
    assert calibration(rated(truth, right), LABELS).expected_error < 0.03
    assert calibration(rated(truth + 0.1, right), LABELS).expected_error == pytest.approx(0.1, abs=0.03)


def test_an_answer_that_could_not_be_read_is_wrong_however_sure():
    found = calibration(rated([1.0], [True], outcome="unparsable"), LABELS)
    assert (found.bins[0].accuracy, found.brier) == (0.0, 1.0)
