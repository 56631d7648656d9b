import numpy as np
import pandas as pd
import pytest

from data_contracts.evidence import GeneralScore, Interval
from tasks.evaluate.comparison.clusters import Clusters, Sampling
from tasks.evaluate.comparison.margins import MarginPolicy, margins, quantile
from tests.evaluate.made_answers import answers, candidate

CASES = 400
ALIKE = ["x"] * CASES
FIELD = [candidate("best-prompt"), candidate("tune-minimal", "tune")]
SINGLE = MarginPolicy(Clusters(np.arange(CASES)), Sampling(seed=1))
NAN = float("nan")


def side(name, parsed=ALIKE, **columns):
    return answers(name, parsed, ALIKE, **columns)


def measured(mine, base=None, policy=SINGLE):
    """Margins of the tune by name."""
    frames = [side("best-prompt") if base is None else base, mine]
    return {one.name: one for one in margins(FIELD, frames, "best-prompt", policy)}


def times(seed, scale=100.0):
    return scale * np.random.default_rng(seed).lognormal(sigma=0.3, size=CASES)


def test_a_weighted_quantile_is_numpys_of_the_repeated_values():
    draw = np.random.default_rng(3)
    values, weights = draw.random(40), draw.integers(0, 4, size=(20, 40)).astype(float)
    values[[3, 7]] = NAN
    for at in (0.5, 0.95, 0.99):
        expected = [np.nanquantile(np.repeat(values, row.astype(int)), at) for row in weights]
        assert quantile(values, at, weights) == pytest.approx(expected)


def test_latency_is_the_ratio_of_the_quantile_that_the_use_case_names():
    mine, base = side("tune-minimal", latency_ms=times(1, 50)), side("best-prompt", latency_ms=times(2))
    for at in (0.5, 0.95):
        found = measured(mine, base, MarginPolicy(SINGLE.clusters, SINGLE.sampling, at))["latency"]
        ratio = np.quantile(mine["latency_ms"], at) / np.quantile(base["latency_ms"], at)
        assert (found.unit, found.figure.value) == ("times", pytest.approx(ratio))
        assert found.figure.low < ratio < found.figure.high


@pytest.mark.slow
def test_the_interval_of_a_latency_ratio_covers_the_true_one_about_95_times_in_100():
    covered = 0
    for trial in range(60):
        mine, base = (
            side("tune-minimal", latency_ms=times(2 * trial)),
            side("best-prompt", latency_ms=times(2 * trial + 1)),
        )
        found = measured(mine, base)["latency"].figure
        covered += found.low <= 1 <= found.high
    assert covered >= 52


def test_answers_of_a_batch_have_no_time_of_their_own_and_the_margin_is_unknown():
    found = measured(side("tune-minimal", latency_ms=NAN))["latency"]
    assert (found.figure, found.note) == (None, "no answer of tune-minimal was timed by itself")


def test_stored_answers_keep_the_clock_of_their_day_and_do_not_count_beside_enough_new_ones():
    old = [True] * 370 + [False] * 30
    mine = side("tune-minimal", latency_ms=[900.0] * 370 + [100.0] * 30, stored=old)
    found = measured(mine)["latency"]
    assert (found.figure.value, found.note) == (1.0, "")


@pytest.mark.parametrize("stored", ["tune-minimal", "best-prompt"])
def test_a_latency_of_another_day_beside_one_of_today_is_unknown_and_what_helps_is_said(stored):
    old = {"latency_ms": [900.0] * 371 + [100.0] * 29, "stored": [True] * 371 + [False] * 29}
    frames = [side(name, **(old if name == stored else {})) for name in ("tune-minimal", "best-prompt")]
    found = measured(*frames)["latency"]
    assert found.figure is None
    assert found.note.startswith(f"too few answers of {stored} to the same cases were asked in this run")
    assert "`evaluation.repeats`" in found.note
    assert "`gates.tiers: {latency: should}`" in found.note


def test_where_both_are_stored_their_times_count_and_that_is_said():
    found = measured(*(side(name, latency_ms=200.0, stored=True) for name in ("tune-minimal", "best-prompt")))
    assert found["latency"].figure == Interval(value=1, low=1, high=1)
    assert found["latency"].note.startswith("answers of both are stored")


def asked_again(base, cases, **columns):
    """With a further answer to the first of its cases, timed today."""
    again = base.head(cases).assign(stored=False, **{"repeat": 1_001} | columns)
    return pd.concat([base, again]).sort_values(["case", "repeat"], ignore_index=True)


def test_answers_asked_again_make_the_latency_of_stored_ones_known_on_the_same_cases():
    length = np.linspace(1, 3, CASES)  # the first cases are the short ones
    base = asked_again(side("best-prompt", latency_ms=900.0, stored=True), 30, latency_ms=100 * length[:30])
    found = measured(side("tune-minimal", latency_ms=100 * length), base)["latency"]
    assert (found.figure, found.note) == (Interval(value=1, low=1, high=1), "")
    few = asked_again(side("best-prompt", latency_ms=900.0, stored=True), 29, latency_ms=100.0)
    assert measured(side("tune-minimal"), few)["latency"].figure is None


def test_every_answer_of_today_tells_the_time_repeats_too():
    mine = asked_again(side("tune-minimal"), CASES, latency_ms=300.0)
    policy = MarginPolicy(SINGLE.clusters, SINGLE.sampling, latency_quantile=0.75)
    assert measured(mine, policy=policy)["latency"].figure.value == 3.0


def test_a_small_test_set_that_was_asked_today_is_timed():
    few = MarginPolicy(Clusters(np.arange(8)), Sampling(seed=1))
    frames = [side(name, latency_ms=200.0).head(8) for name in ("tune-minimal", "best-prompt")]
    assert measured(*frames, few)["latency"].figure.value == 1.0


def test_a_ratio_that_is_not_finite_is_unknown_and_said():
    found = measured(side("tune-minimal"), side("best-prompt", latency_ms=0.0))["latency"]
    assert (found.figure, found.note) == (None, "best-prompt took 0 ms, or too few were timed")
    rarely = side("best-prompt", cost=[0.001] + [0.0] * (CASES - 1))
    found = measured(side("tune-minimal"), rarely)["cost"]
    assert (found.figure, found.note) == (None, "too few requests of best-prompt cost anything")


def test_cost_is_the_ratio_of_what_a_served_request_costs():
    outcome = ["failed"] * 10 + ["answered"] * 390
    cost = [NAN] * 10 + [0.003] * 195 + [0.001] * 195
    found = measured(side("tune-minimal", outcome=outcome, cost=cost))["cost"].figure
    assert found.value == pytest.approx(2)
    assert 1.85 < found.low < 2 < found.high < 2.15


@pytest.mark.parametrize(
    ("mine", "base", "figure", "note"),
    [
        (NAN, 0.001, None, "the price of a request is unknown"),
        (0.001, NAN, None, "the price of a request is unknown"),
        (0.001, 0.0, None, "the reference costs nothing"),
        (0.0, 0.0, Interval(value=1, low=1, high=1), "neither costs anything"),
    ],
)
def test_a_cost_without_a_ratio_is_said(mine, base, figure, note):
    found = measured(side("tune-minimal", cost=mine), side("best-prompt", cost=base))["cost"]
    assert (found.figure, found.note) == (figure, note)


def test_format_is_a_difference_of_shares_with_an_interval_even_where_both_always_answer_in_form():
    found = measured(side("tune-minimal"))["format"]
    assert (found.unit, found.figure.value) == ("points", 0.0)
    assert -0.02 < found.figure.low < 0 < found.figure.high < 0.02
    worse = measured(side("tune-minimal", outcome=["unparsable"] * 40 + ["answered"] * 360))["format"].figure
    assert worse.value == pytest.approx(-0.1)
    assert worse.high < -0.05


def test_cases_that_belong_together_make_every_margin_less_sure():
    groups = Clusters(np.repeat(np.arange(40), 10))
    draw = np.random.default_rng(1)
    columns = {
        "latency_ms": np.repeat(draw.lognormal(5, 0.3, size=40), 10),
        "cost": np.repeat(draw.random(40), 10),
        "outcome": np.repeat(np.where(draw.random(40) < 0.8, "answered", "unparsable"), 10),
    }
    mine = side("tune-minimal", **columns)
    alone, together = measured(mine), measured(mine, policy=MarginPolicy(groups, SINGLE.sampling))
    for name in ("latency", "cost", "format"):
        assert width(together[name]) > 1.5 * width(alone[name])


def width(found):
    return found.figure.high - found.figure.low


def test_general_tasks_stand_beside_the_base_model():
    part = Interval(value=-0.04, low=-0.08, high=0.0)
    score = GeneralScore(candidate="tune-minimal", base_model="base", cases=50, score=part, base=part, difference=part)
    policy = MarginPolicy(SINGLE.clusters, SINGLE.sampling, general={"tune-minimal": score})
    found = measured(side("tune-minimal"), policy=policy)["general tasks"]
    assert (found.reference, found.unit, found.figure, found.note) == ("base", "points", part, "50 tasks")


def test_general_tasks_that_were_asked_and_not_answered_are_unknown_and_not_left_out():
    policy = MarginPolicy(SINGLE.clusters, SINGLE.sampling, general_asked=frozenset({"tune-minimal"}))
    found = measured(side("tune-minimal"), policy=policy)["general tasks"]
    assert (found.reference, found.figure) == ("base", None)
    assert found.note == "base model or tune did not answer"
    assert "general tasks" not in measured(side("tune-minimal"))
