import numpy as np
import pandas as pd
import pytest

from tasks.evaluate.comparison.measure import ComparisonError
from tasks.evaluate.comparison.savings import saving_per_request
from tests.evaluate.made_answers import answers

SIZE = 200


def side(name, cost, **columns):
    return answers(name, ["x"] * len(cost), ["x"] * len(cost), cost=cost, **columns)


def test_the_saving_is_the_prompts_cost_less_the_tunes():
    found = saving_per_request(side("best-prompt", [0.003, 0.005]), side("tune", [0.001, 0.001]), 7)
    assert found.value == pytest.approx(0.003)
    assert found.low < found.value < found.high


def test_a_tune_that_costs_more_saves_less_than_nothing():
    found = saving_per_request(side("best-prompt", [0.001] * 5), side("tune", [0.002] * 5), 7)
    assert (found.value, found.low, found.high) == pytest.approx((-0.001, -0.001, -0.001))


def test_cases_are_drawn_in_pairs_so_what_makes_both_dear_widens_nothing():
    length = np.random.default_rng(1).lognormal(size=SIZE)
    found = saving_per_request(side("best-prompt", 0.004 + length), side("tune", 0.003 + length), 7)
    assert found.high - found.low < 1e-9
    assert found.value == pytest.approx(0.001)


def test_the_interval_is_that_of_the_mean_difference():
    draw = np.random.default_rng(2)
    prompt, tune = draw.normal(0.005, 0.001, SIZE), draw.normal(0.002, 0.001, SIZE)
    found = saving_per_request(side("best-prompt", prompt), side("tune", tune), 7)
    arm = 1.96 * (prompt - tune).std() / np.sqrt(SIZE)
    assert (found.value - found.low, found.high - found.value) == pytest.approx((arm, arm), rel=0.15)


def test_the_order_of_rows_does_not_matter_and_the_seed_decides_the_draw():
    prompt, tune = side("best-prompt", np.arange(1.0, 41)), side("tune", np.ones(40))
    shuffled = tune.sample(frac=1, random_state=3)
    assert saving_per_request(prompt, shuffled, 7) == saving_per_request(prompt, tune, 7)


@pytest.mark.parametrize("unpriced", [0, 1])
def test_one_unknown_price_makes_the_saving_unknown(unpriced):
    costs = [[0.001, 0.001], [0.001, 0.001]]
    costs[unpriced][1] = float("nan")
    assert saving_per_request(side("best-prompt", costs[0]), side("tune", costs[1]), 7) is None


def test_requests_that_failed_cost_nothing_and_count_on_neither_side():
    tune = side("tune", [float("nan"), 0.001, 0.001], outcome=["failed", "answered", "answered"])
    found = saving_per_request(side("best-prompt", [0.9, 0.002, 0.002]), tune, 7)
    assert found.value == pytest.approx(0.001)


def test_no_served_case_gives_no_saving():
    gone = side("tune", [float("nan")] * 2, outcome="failed")
    assert saving_per_request(side("best-prompt", [0.1, 0.1]), gone, 7) is None


def test_only_first_answers_count():
    again = side("tune", [0.5, 0.5], repeat=1)
    first = side("tune", [0.001, 0.001])
    both = pd.concat([again, first])
    assert saving_per_request(side("best-prompt", [0.002, 0.002]), both, 7).value == pytest.approx(0.001)


def test_a_single_case_has_a_saving_without_a_width():
    found = saving_per_request(side("best-prompt", [0.002]), side("tune", [0.001]), 7)
    assert found.low == found.value == found.high == pytest.approx(0.001)


def test_sides_of_other_cases_are_an_error():
    with pytest.raises(ComparisonError, match="differ in 1 cases"):
        saving_per_request(side("best-prompt", [0.1, 0.1]), side("tune", [0.1]), 7)


@pytest.mark.parametrize("who", ["best-prompt", "tune"])
def test_a_rejected_request_is_no_cheap_one(who):
    costs = {"best-prompt": [0.002, 0.002], "tune": [0.001, 0.001]} | {who: [0.0, {"tune": 0.001}.get(who, 0.002)]}
    sides = {name: side(name, cost) for name, cost in costs.items()}
    sides[who] = sides[who].assign(outcome=["rejected", "answered"])
    assert saving_per_request(sides["best-prompt"], sides["tune"], 7).value == pytest.approx(0.001)


def test_cases_of_a_group_are_drawn_as_one():
    prompt = side("best-prompt", np.repeat(np.random.default_rng(3).normal(0.005, 0.001, 20), 10))
    tune = side("tune", [0.001] * 200)
    groups = {f"c{case:03}": str(case // 10) for case in range(200)}
    alone, together = saving_per_request(prompt, tune, 7), saving_per_request(prompt, tune, 7, groups)
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)
