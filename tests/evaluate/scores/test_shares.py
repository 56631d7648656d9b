import numpy as np
import pytest

from tasks.evaluate.scores.shares import clustered_share, paired_difference


def test_the_difference_of_pairs_is_the_interval_of_agresti_and_min():
    # 25 cases won, 10 lost, 65 alike; half a case more on either side, two cases more in all:
    # 15 / 102 -+ 1.96 * sqrt(36 - 15^2 / 102) / 102
    one, other = np.repeat([1.0, 0.0, 1.0], [25, 10, 65]), np.repeat([0.0, 1.0, 1.0], [25, 10, 65])
    half = 1.959964 * np.sqrt(36 - 225 / 102) / 102
    found = paired_difference(one, other)
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx((15 / 102 - half, 15 / 102 + half))


def test_an_interval_has_a_width_and_holds_its_value_even_where_all_cases_are_alike():
    for cases in (1, 5, 50, 500):
        of = np.full(cases, 2.0)
        for taken in (0.0, 1.0, 2.0):
            share = clustered_share(np.full(cases, taken), of)
            assert share.value == taken / 2
            assert 0 <= share.low <= share.value <= share.high <= 1
            assert share.high - share.low > 1 / (2 * cases)


def test_a_case_without_a_reading_does_not_count_and_no_reading_at_all_says_nothing():
    some, with_empty = np.array([2.0, 1.0, 0.0]), np.array([2.0, 1.0, 0.0, 0.0, 0.0])
    assert clustered_share(with_empty, np.array([2.0, 2.0, 2.0, 0.0, 0.0])) == clustered_share(some, np.full(3, 2.0))
    nothing = clustered_share(np.zeros(4), np.zeros(4))
    assert (nothing.value, nothing.low < 0.02, nothing.high > 0.98) == (0.5, True, True)


@pytest.mark.parametrize("bias", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("cases", [30, 200])
def test_the_interval_holds_the_true_share_about_19_times_out_of_20(cases, bias):
    draw, held = np.random.default_rng(5), 0
    for _ in range(1_000):
        first = 1 + (draw.random(cases) < bias)  # both readings take the first, or one does
        decided = 2 - (draw.random(cases) < 0.3)  # the second reading may be a tie
        share = clustered_share(np.minimum(first, decided).astype(float), decided.astype(float))
        truth = (0.7 * (1 + bias) + 0.3) / 1.7
        held += share.low <= truth <= share.high
    assert held >= 930
