"""Intervals of figures, and of differences and ratios between two sides."""

import numpy as np
import pytest

from data_contracts.evidence import Interval
from tasks.watch import intervals
from tasks.watch.stability import histograms, stability_index

DRAW = np.random.default_rng(3)


def test_a_share_has_wilsons_interval():
    found = intervals.share(8, 10)
    assert (found.value, round(found.low, 3), round(found.high, 3)) == (0.8, 0.49, 0.943)


def test_scores_between_0_and_1_are_bootstrapped_and_0_or_1_are_a_share():
    values = DRAW.random(300)
    found = intervals.score(values)
    assert found.low < values.mean() < found.high
    assert found.high - found.low == pytest.approx(4 * values.std() / np.sqrt(300), rel=0.1)
    assert intervals.score(np.array([1.0, 0.0, 1.0, 1.0])) == intervals.share(3, 4)


def test_macro_f1_is_scikit_learns():
    from sklearn.metrics import f1_score

    right, given = ["a", "b", "a", "c", "b", "a"], ["a", "b", "c", "c", "x", "a"]
    expected = f1_score(right, given, average="macro", labels=["a", "b", "c"], zero_division=0)
    assert intervals.macro_f1(right, given).value == pytest.approx(expected)


def test_the_interval_of_a_percentile_holds_it_in_95_of_100_samples():
    truth = float(np.quantile(DRAW.gamma(20, 5, 1_000_000), 0.95))
    found = [intervals.percentile(DRAW.gamma(20, 5, 200), 95) for _ in range(300)]
    assert 0.9 < np.mean([one.low <= truth <= one.high for one in found]) <= 1


@pytest.mark.parametrize("rows", [20, 72, 75, 200, 1000])
def test_a_percentile_lies_below_or_above_its_limits_with_at_most_a_tail_of_the_binomial(rows: int) -> None:
    from scipy.stats import binom

    found = intervals.percentile(np.arange(1.0, rows + 1), 95)
    below, above = binom.cdf([found.low - 1, found.low], rows, 0.95)
    assert below <= 0.025 < above, "and the next value up would be too high"
    missing = rows < 72
    assert missing or binom.sf(found.high - 1, rows, 0.95) <= 0.025


def test_too_few_values_have_no_lower_limit_of_a_percentile() -> None:
    assert intervals.percentile(np.array([3.0, 4.0]), 5).low == 0.0


def test_groups_whose_values_are_the_same_count_once_each() -> None:
    once = np.array([1.0, 0.0, 1.0, 1.0] * 10)
    whole, groups = np.repeat(once, 5), np.repeat(np.arange(40), 5).tolist()
    assert intervals.effective_size(whole, groups) == pytest.approx(40, rel=0.08)
    found, plain = intervals.score(whole, groups), intervals.score(once)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.015)


def test_groups_that_have_nothing_in_common_change_little() -> None:
    values = DRAW.integers(2, size=2000).astype(float)
    found, plain = intervals.score(values, (np.arange(2000) % 400).tolist()), intervals.score(values)
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=0.15)


def test_macro_f1_of_copies_is_as_uncertain_as_of_one_each() -> None:
    right = DRAW.choice(["a", "b", "c"], 60)
    given = np.where(DRAW.random(60) < 0.8, right, "a")
    once = intervals.macro_f1(right.tolist(), given.tolist())
    copies = intervals.macro_f1(
        *(np.repeat(side, 6).tolist() for side in (right, given)), np.repeat(range(60), 6).tolist()
    )
    assert copies.high - copies.low == pytest.approx(once.high - once.low, rel=0.15)


def test_a_difference_is_as_uncertain_as_both_sides():
    one, other = Interval(value=0.9, low=0.87, high=0.92), Interval(value=0.8, low=0.76, high=0.84)
    found = intervals.difference(one, other)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.05, 0.1447), abs=1e-3)


def test_a_ratio_with_a_side_at_0_is_none():
    one = Interval(value=2.0, low=1.5, high=2.5)
    assert intervals.ratio(one, intervals.exactly(0.0)) is None
    assert intervals.ratio(one, intervals.exactly(1.0)).value == pytest.approx(2.0)


def test_the_stability_index_of_one_population_is_about_0_however_few_rows_there_are():
    even = np.ones(10) / 10
    found = [stability_index(DRAW.multinomial(160, even), DRAW.multinomial(60, even)) for _ in range(100)]
    assert np.mean([one.value for one in found]) < 0.06
    assert sum(one.low > 0.2 for one in found) <= 2


def test_the_stability_index_of_two_populations_is_that_of_their_shares():
    p, q = np.array([0.25] * 4), np.array([0.1, 0.2, 0.3, 0.4])
    truth = float(((p - q) * np.log(p / q)).sum())
    found = stability_index(DRAW.multinomial(20_000, p), DRAW.multinomial(20_000, q))
    assert found.low < truth < found.high
    assert found.value == pytest.approx(truth, rel=0.1)


def test_rare_and_new_categories_count_as_one():
    before, now = histograms(["a"] * 10 + ["b"] * 9 + ["c"], ["a", "new", "c", "c"])
    assert before.tolist() == [10, 9, 1]
    assert now.tolist() == [1, 0, 3]
