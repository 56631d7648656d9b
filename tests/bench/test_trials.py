"""What the simulation counts is what the comparison and the verdict do."""

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from tasks.power import DISCORDANCE, POWER, cases_needed
from tests.bench.trials import PROMPT, Outcome, Setting, _scores, exact_power, share, trials_of

LEVEL = 0.05
SMALL = Setting("small", 200, PROMPT, cases=60)


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    """As in the processes of the simulation: statsmodels collects garbage in every trial, however much there is."""
    gc.freeze()
    with threadpool_limits(1):
        yield
    gc.unfreeze()


def promoted(setting: Setting) -> int:
    return sum(one.promoted for one in trials_of(setting, range(setting.trials)))


@pytest.mark.slow
def test_of_equal_candidates_one_is_promoted_no_more_often_than_the_level_says() -> None:
    assert promoted(SMALL) <= binom.ppf(0.999, SMALL.trials, LEVEL)


def test_the_same_count_goes_over_the_level_where_cases_that_belong_together_are_taken_as_single() -> None:
    apart = Setting("apart", 40, PROMPT, cases=120, group=12, clustered=False)
    assert promoted(apart) > binom.ppf(0.999, apart.trials, LEVEL)


def test_told_of_the_groups_the_comparison_holds_the_level() -> None:
    told = Setting("apart", 40, PROMPT, cases=120, group=12)
    assert promoted(told) <= binom.ppf(0.999, told.trials, LEVEL)


def test_a_better_tune_is_promoted_about_as_often_as_planned() -> None:
    better = Setting("better", 60, PROMPT, cases_needed(0.2), gain=0.2)
    low, high = binom.ppf([0.001, 0.999], better.trials, exact_power(better))
    assert low <= promoted(better) <= high


@pytest.mark.parametrize("gain", [0.05, 0.1])
def test_the_exact_test_has_a_little_less_than_the_planned_power(gain: float) -> None:
    assert POWER - 0.04 < exact_power(Setting("any", 1, cases=cases_needed(gain), gain=gain)) < POWER


def test_candidates_differ_on_as_many_cases_as_planning_assumes() -> None:
    right = _scores(Setting("many", 1, cases=20_000), np.random.default_rng(1))[:, :, 0]
    assert np.mean(right[0] != right[1]) == pytest.approx(DISCORDANCE, abs=0.02)
    assert right.mean(axis=1) == pytest.approx(np.full(4, right.mean()), abs=0.01)


def test_a_trial_is_its_number_wherever_it_runs() -> None:
    assert trials_of(SMALL, [3, 4]) == [*trials_of(SMALL, [3]), *trials_of(SMALL, [4])]


def test_the_share_of_promotions_has_wilsons_interval() -> None:
    value, low, high = share([Outcome(number < 81, None) for number in range(263)])
    assert (round(value, 4), round(low, 4), round(high, 4)) == (0.3080, 0.2553, 0.3662)
