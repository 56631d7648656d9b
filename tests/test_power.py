import numpy as np
import pytest
from scipy.stats import binom

from tasks.power import achieved, assumption, cases_needed, detectable_difference


@pytest.mark.parametrize(("difference", "cases"), [(0.05, 626), (0.10, 155)])
def test_published_sample_sizes_at_20_percent_discordance_come_out(difference: float, cases: int) -> None:
    assert cases_needed(difference) == cases


@pytest.mark.parametrize("cases", [50, 120, 341, 640, 3080, 100_000])
def test_the_detectable_difference_is_the_sample_size_solved_for_it(cases: int) -> None:
    assert cases_needed(detectable_difference(cases)) == pytest.approx(cases, abs=1)


def test_more_cases_show_smaller_differences_and_no_case_shows_none() -> None:
    shown = [detectable_difference(cases) for cases in range(2000)]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == 1.0
    assert shown[1] == 1.0


def test_a_stricter_level_asks_for_more_cases() -> None:
    assert cases_needed(0.05, alpha=0.01) > cases_needed(0.05)
    assert detectable_difference(300, alpha=0.01) > detectable_difference(300)


def test_a_difference_cannot_exceed_the_cases_on_which_candidates_differ() -> None:
    assert cases_needed(0.5, discordance=0.1) == cases_needed(0.5, discordance=0.5)


def test_simulated_trials_of_the_stated_size_find_the_difference_in_about_80_percent() -> None:
    difference, discordance, trials = 0.05, 0.2, 4000
    cases = cases_needed(difference, discordance)
    draw = np.random.default_rng(1)
    better, worse = (discordance + difference) / 2, (discordance - difference) / 2
    wins, losses, _ = draw.multinomial(cases, [better, worse, 1 - discordance], size=trials).T
    p_values = np.minimum(1, 2 * binom.cdf(np.minimum(wins, losses), wins + losses, 0.5))
    assert (p_values < 0.05).mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("difference", [0.02, 0.05, 0.10])
def test_the_achieved_power_is_the_sample_size_solved_for_the_power(difference: float) -> None:
    assert achieved(difference, cases_needed(difference), 0.2, 0.05) == pytest.approx(0.8, abs=0.005)


def test_more_cases_a_larger_difference_and_less_discordance_have_more_power() -> None:
    power = achieved(0.05, 300, 0.2, 0.05)
    assert achieved(0.05, 600, 0.2, 0.05) > power
    assert achieved(0.08, 300, 0.2, 0.05) > power
    assert achieved(0.05, 300, 0.1, 0.05) > power
    assert achieved(0.05, 300, 0.2, 0.01) < power


def test_a_difference_that_is_the_same_in_every_case_is_sure_to_be_shown() -> None:
    assert achieved(0.1, 100, 0.01, 0.05) == 1.0


def test_what_planning_assumes_is_said_in_words() -> None:
    assert assumption() == "power 0.8, if candidates differ on 20% of cases"
    assert "30%" in assumption(0.3)


@pytest.mark.parametrize(("difference", "alpha"), [(1.0, 0.05), (0.8, 0.05), (1.0, 0.0125), (0.5, 0.01)])
def test_on_so_many_cases_the_exact_test_can_pass(difference: float, alpha: float) -> None:
    differing = round(cases_needed(difference, difference, alpha) * difference)
    assert 2 * 0.5**differing < alpha
