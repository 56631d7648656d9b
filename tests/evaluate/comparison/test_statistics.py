import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from tasks.evaluate.comparison.clusters import Clusters, Sampling
from tasks.evaluate.comparison.measure import MacroF1, MeanScore, overall
from tasks.evaluate.comparison.statistics import (
    achieved_power,
    bootstrap,
    cases_for,
    cases_needed,
    holm,
    interval,
    mcnemar,
    p_value,
    right_or_wrong_interval,
    share_interval,
    variance,
)


def single(measure):
    return Clusters(np.arange(measure.per_case.shape[1]))


def drawn(measure, clusters=None, seed=1):
    return bootstrap(measure, clusters or single(measure), Sampling(seed))


def proof(measure, clusters=None, seed=1):
    return p_value(measure, clusters or single(measure), Sampling(seed))


def macro(expected, given, labels):
    return MacroF1(np.array(expected), np.atleast_2d(given), labels)


def test_macro_f1_is_that_of_scikit_learn_over_the_expected_labels():
    draw = np.random.default_rng(1)
    expected, given = draw.integers(9, size=400), draw.integers(10, size=400)  # 9: no expected label
    given = np.where(draw.random(400) < 0.6, expected, given)
    right = f1_score(expected, given, labels=range(9), average="macro")
    assert overall(macro(expected, given, 9))[0] == pytest.approx(right, abs=1e-12)


def test_a_resample_is_scored_as_if_it_were_the_test_set():
    draw = np.random.default_rng(2)
    expected, given = draw.integers(4, size=30), draw.integers(4, size=30)
    rows = draw.integers(30, size=(5, 30))
    weights = np.array([np.bincount(row, minlength=30) for row in rows], dtype=float)
    for row, figure in zip(rows, macro(expected, given, 4)(weights)[0], strict=True):
        present = np.unique(expected[row])
        assert figure == pytest.approx(f1_score(expected[row], given[row], labels=present, average="macro"))


def test_resampling_repeats_itself_with_a_seed_and_draws_the_same_cases_for_all():
    scores = np.random.default_rng(3).random((1, 50))
    twice = MeanScore(np.concatenate([scores, scores + 1]))
    first = drawn(twice, seed=5)
    assert np.array_equal(first, drawn(twice, seed=5))
    assert not np.array_equal(first, drawn(twice, seed=6))
    assert np.allclose(first[1] - first[0], 1)


def test_the_bootstrap_has_the_width_of_the_normal_approximation():
    scores = np.random.default_rng(4).normal(0.5, 0.1, size=(1, 400))
    found = interval(float(scores.mean()), drawn(MeanScore(scores))[0])
    assert found.high - found.low == pytest.approx(2 * 1.96 * scores.std() / 20, rel=0.1)


def test_the_paired_interval_covers_the_true_difference_about_95_times_in_100():
    draw = np.random.default_rng(8)
    covered = 0
    for trial in range(300):
        reference = draw.random(200) < 0.7
        challenger = np.where(draw.random(200) < 0.2, draw.random(200) < 0.9, reference)  # true difference: 0.04
        figures = drawn(MeanScore(np.stack([challenger, reference]).astype(float)), seed=trial)
        found = interval(0, figures[0] - figures[1])
        covered += found.low <= 0.04 <= found.high
    assert 0.91 <= covered / 300 <= 0.985


def test_a_share_has_wilsons_interval():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, and 0 of 20
    found = share_interval(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    none = share_interval(0, 20)
    assert (round(none.low, 4), round(none.high, 4)) == (0.0, 0.1611)


def test_exact_mcnemar_is_the_binomial_test_of_the_discordant_cases():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(6, 0) == pytest.approx(2 * 0.5**6)
    assert mcnemar(5, 0) > 0.05  # six one-sided flips is the least that can be significant
    assert mcnemar(30, 12) == pytest.approx(binomtest(12, 42).pvalue)


def test_right_or_wrong_is_tested_by_mcnemar_whichever_way_round():
    scores = np.array([[1.0] * 9 + [0.0] * 3, [0.0] * 8 + [1.0] * 4])
    assert proof(MeanScore(scores)) == (pytest.approx(mcnemar(8, 3)), "exact McNemar test")
    assert proof(MeanScore(scores[::-1])) == (pytest.approx(mcnemar(3, 8)), "exact McNemar test")


def test_preferences_are_tested_by_the_sign_test_and_a_tie_says_nothing():
    won = np.array([1.0] * 9 + [0.0] * 2 + [0.5] * 7)
    assert proof(MeanScore(np.stack([won, np.full(18, 0.5)]))) == (pytest.approx(mcnemar(9, 2)), "exact sign test")


def test_graded_scores_are_tested_by_all_flips_of_sign_where_there_are_few():
    scores = MeanScore(np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.4, 0.5]]))
    assert proof(scores) == (pytest.approx(2 / 2**5), "permutation test")  # the tie is left out


def test_cases_of_a_cluster_trade_places_together():
    right = np.array([[1.0] * 12, [0.0] * 9 + [1.0] * 3])  # nine wins, in clusters of 4, 4 and 1
    codes = Clusters(np.array([0] * 4 + [1] * 4 + [2] * 4))
    p, test = proof(MeanScore(right), codes)
    assert (p, test) == (pytest.approx(2 / 2**3), "permutation test of groups")
    assert proof(MeanScore(right))[0] < 0.01


def test_clusters_in_which_one_case_differs_leave_mcnemar_exact():
    right = np.array([[1.0] * 8, [0.0, 1.0] * 4])
    assert proof(MeanScore(right), Clusters(np.arange(8) // 2)) == (mcnemar(4, 0), "exact McNemar test of groups")


def test_equal_answers_have_p_one():
    graded = MeanScore(np.array([[0.2, 0.4], [0.2, 0.4]]))
    labels = macro([0, 1], [[0, 0], [0, 0]], 2)
    assert proof(graded)[0] == proof(labels)[0] == 1.0


def test_one_differing_case_proves_nothing():
    graded = MeanScore(np.array([[0.2, 0.4], [0.9, 0.4]]))
    labels = macro([0, 1], [[0, 0], [0, 1]], 2)
    assert proof(graded)[0] == proof(labels)[0] == 1.0


def test_macro_f1_is_tested_by_all_swaps_of_answers_where_there_are_few():
    expected = [0, 0, 0, 1, 1, 1]
    measured = macro(expected, [[0, 0, 0, 1, 1, 1], [1, 1, 0, 1, 0, 0]], 2)
    swaps = []
    for mask in range(16):  # four cases answered differently
        one, other = measured.given.copy()
        for bit, case in enumerate([0, 1, 4, 5]):
            if mask >> bit & 1:
                one[case], other[case] = other[case], one[case]
        swaps.append(f1_score(expected, one, average="macro") - f1_score(expected, other, average="macro"))
    extreme = np.mean(np.abs(swaps) >= max(swaps) - 1e-12)
    assert proof(measured)[0] == pytest.approx(extreme)


def test_labels_of_a_cluster_trade_places_together():
    expected = [0, 0, 0, 1, 1, 1]
    measured = macro(expected, [[0, 0, 0, 1, 1, 1], [1, 1, 0, 1, 0, 0]], 2)
    assert proof(measured, Clusters(np.array([0, 0, 0, 1, 1, 1])))[0] == pytest.approx(2 / 2**2)


@pytest.mark.parametrize("kind", ["graded", "labels"])
def test_equal_candidates_are_told_apart_about_as_often_as_the_level_says(kind):
    draw = np.random.default_rng(9)
    found = []
    for trial in range(60):
        expected = draw.integers(3, size=12)
        given = np.where(draw.random((2, 12)) < 0.5, expected, draw.integers(3, size=(2, 12)))
        graded = MeanScore(draw.random((2, 12)))
        found.append(proof(graded if kind == "graded" else macro(expected, given, 3), seed=trial)[0] < 0.2)
    assert np.mean(found) <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / 60)


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("difference", "discordant", "cases"), [(0.05, 0.20, 626), (0.10, 0.20, 155), (-0.05, 0.2, 626)]
)
def test_cases_needed_for_right_or_wrong_are_those_of_connor(difference, discordant, cases):
    assert cases_for(difference, discordant - difference**2, alpha=0.05) == cases


def test_so_many_cases_show_the_difference_with_the_stated_power():
    draw = np.random.default_rng(11)
    cases = cases_for(0.1, 0.3 - 0.1**2, alpha=0.05)  # 20 % wins, 10 % losses
    outcomes = draw.multinomial(cases, [0.2, 0.1, 0.7], size=2_000)
    shown = [mcnemar(int(wins), int(losses)) < 0.05 for wins, losses, _ in outcomes]
    assert 0.75 <= np.mean(shown) <= 0.83  # the exact test is a little stricter than the approximation


@pytest.mark.parametrize(("won", "of", "alpha", "least"), [(4, 300, 0.05, 450), (1, 1, 0.05, 6), (1, 1, 0.0125, 8)])
def test_on_the_cases_needed_the_exact_test_can_pass(won, of, alpha, least):
    pair = MeanScore(np.array([[1.0] * of, [0.0] * won + [1.0] * (of - won)]))
    found = cases_needed(pair, single(pair), variance(pair, single(pair), np.empty(0)), alpha)
    assert found >= least
    assert mcnemar(round(found * won / of), 0) < alpha


def test_among_groups_the_exact_test_can_pass_on_those_that_differ():
    pair = MeanScore(np.array([[1.0] * 60, [0.0] * 30 + [1.0] * 30]))
    groups = Clusters(np.arange(60) // 20)  # two of three differ
    assert cases_needed(pair, groups, 0.01, 0.05) == 6 * 60 / 2
    labels = macro([0] * 30 + [1] * 30, [[0] * 30 + [1] * 30, [1] * 30 + [1] * 30], 2)
    assert cases_needed(labels, groups, 0.01, 0.05) == 6 * 60 / 2


def test_no_difference_needs_no_number_of_cases():
    assert cases_for(0.0, 0.2, alpha=0.05) is None


def test_the_spread_of_macro_f1_agrees_with_accuracy_where_both_mean_the_same():
    draw = np.random.default_rng(12)
    expected = np.repeat([0, 1], 300)
    given = np.where(draw.random((2, 600)) < [[0.9], [0.8]], expected, 1 - expected)
    labels = macro(expected, given, 2)
    right = MeanScore(labels.per_case)
    spreads = [variance(measured, single(measured), drawn(measured)) for measured in (labels, right)]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.15)


# ---------------------------------------------------------------- clusters


def twins(size, draw, groups=100):
    """Two candidates whose answers to the cases of a group are all the same."""
    return MeanScore(np.repeat((draw.random((2, groups)) < 0.7).astype(float), size, axis=1))


def test_the_spread_of_like_cases_is_that_of_as_many_cases_as_there_are_groups():
    measured = twins(5, np.random.default_rng(4))
    clusters = Clusters(np.repeat(np.arange(100), 5))
    alone = variance(measured, single(measured), drawn(measured))
    assert variance(measured, clusters, drawn(measured, clusters)) == pytest.approx(5 * alone)


@pytest.mark.parametrize("size", [1, 5])
def test_the_interval_over_clusters_covers_the_true_difference_about_95_times_in_100(size):
    draw, covered = np.random.default_rng(8), {"clusters": 0, "cases": 0}
    clusters = Clusters(np.repeat(np.arange(60), size))
    for trial in range(100):
        measured = twins(size, draw, groups=60)
        for name, how in (("clusters", clusters), ("cases", single(measured))):
            figures = bootstrap(measured, how, Sampling(trial, resamples=400))
            found = interval(0, figures[0] - figures[1])
            covered[name] += found.low <= 0 <= found.high
    assert covered["clusters"] >= 88
    assert (covered["cases"] < 75) == (size == 5)


def test_a_share_over_clusters_is_no_surer_than_the_clusters():
    right = np.repeat([1.0] * 15 + [0.0] * 5, 4)
    within = right_or_wrong_interval(right, Clusters(np.repeat(np.arange(20), 4)))
    assert (within.value, within.low) == (0.75, pytest.approx(share_interval(15, 20).low))
    all_right = right_or_wrong_interval(np.ones(80), Clusters(np.repeat(np.arange(20), 4)))
    assert all_right.low == pytest.approx(share_interval(20, 20).low)


# ---------------------------------------------------------------- achieved power


def test_achieved_power_is_the_share_of_trials_that_show_the_effect():
    draw = np.random.default_rng(5)
    wins, losses, neither = draw.multinomial(400, [0.13, 0.07, 0.8], size=2_000).T
    shown = np.mean([mcnemar(int(won), int(lost)) < 0.05 for won, lost in zip(wins, losses, strict=True)])
    said = []
    for won, lost, tied in zip(wins[:50], losses[:50], neither[:50], strict=True):
        pair = np.repeat(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), [won, lost, tied], axis=1)
        measured = MeanScore(pair)
        said.append(achieved_power(0.06, measured, variance(measured, single(measured), np.empty(0)), 0.05))
    assert np.mean(said) == pytest.approx(shown, abs=0.05)


def test_groups_of_like_cases_have_less_power_than_as_many_single_ones():
    measured = twins(5, np.random.default_rng(4))
    clusters = Clusters(np.repeat(np.arange(100), 5))
    powers = [
        achieved_power(0.1, measured, variance(measured, how, np.empty(0)), 0.05)
        for how in (single(measured), clusters)
    ]
    assert powers[0] > 0.8 > 0.5 > powers[1]


def test_no_effect_asked_for_has_no_power():
    measured = twins(1, np.random.default_rng(4))
    assert achieved_power(0.0, measured, 0.2, 0.05) is None


def test_two_that_answer_alike_still_needed_as_many_cases_as_an_effect_has_wins():
    alike = MeanScore(np.ones((2, 100)))
    assert achieved_power(0.02, alike, 0.0, 0.05) < 0.5  # two wins in a hundred cases prove nothing
    assert achieved_power(0.20, alike, 0.0, 0.05) > 0.9
