import numpy as np
import pytest
from scipy.stats import binom

from tasks.power import cases_needed, detectable_difference


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
