"""Groups, repeats, a judge as metric, and what else stands in a comparison."""

import pandas as pd
import pytest

from data_contracts.evidence import GeneralScore, Interval
from tasks.errors import ConfigurationError
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison.measure import ComparisonError
from tasks.evaluate.comparison.statistics import mcnemar
from tests.evaluate.made_answers import answers, candidate, contract, scored
from tests.evaluate.made_contest import RIGHT, WORSE, contest, pair, policy


def test_cases_of_a_group_are_tested_and_drawn_as_one():
    groups = {f"c{case:03}": str(case // 4) for case in range(40)}
    right, wrong = ["x"] * 40, ["x"] * 20 + ["y"] * 20
    frames = [answers("best-prompt", wrong, right), answers("tune-minimal", right, right)]
    alone, together = pair(frames).tests[0], pair(frames, clusters=groups).tests[0]
    assert (together.clusters, together.test) == (10, "exact sign test of groups")
    assert (alone.p_value, together.p_value) == (pytest.approx(2 / 2**20), pytest.approx(2 / 2**5))
    assert together.difference.value == alone.difference.value
    assert together.difference.high - together.difference.low > alone.difference.high - alone.difference.low
    assert together.cases_needed > alone.cases_needed
    assert "40 cases stand in 10 groups" in pair(frames, clusters=groups).notes[0]


def test_near_duplicates_that_stand_alone_change_nothing():
    frames = [answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", RIGHT, RIGHT)]
    assert pair(frames, clusters={f"c{case:03}": str(case) for case in range(8)}) == pair(frames)


def repeated(name, parsed, **columns):
    """Two cases asked three times each, case by case."""
    columns = {"case": ["c0"] * 3 + ["c1"] * 3, "repeat": [0, 1, 2] * 2} | columns
    return answers(name, parsed, ["x"] * 6, **columns)


def test_a_case_scores_the_mean_of_its_repeats_and_is_one_case():
    frames = [repeated("best-prompt", ["x", "y", "y", "x", "x", "x"]), repeated("tune-minimal", ["x"] * 6)]
    found = pair(frames)
    first = found.candidates[0]
    assert (first.cases, first.accuracy, first.metric.value) == (2, pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (found.tests[0].wins, found.tests[0].losses) == (1, 0)
    assert found.tests[0].difference.value == pytest.approx(1 / 3)
    assert (first.consistency.cases, first.consistency.unstable) == (2, 1)
    assert "2 of 2 cases were asked several times" in found.notes[0]


@pytest.mark.parametrize("who", ["best-prompt", "tune-minimal"])
def test_a_repeat_that_failed_decides_nothing(who):
    other = "tune-minimal" if who == "best-prompt" else "best-prompt"
    outcome, given = ["answered", "failed", "answered"] * 2, ["x", "", "x"] * 2
    frames = {who: repeated(who, given, outcome=outcome), other: repeated(other, ["x"] * 6)}
    found = pair([frames["best-prompt"], frames["tune-minimal"]])
    assert [one.metric.value for one in found.candidates] == [1.0, 1.0]
    assert (found.tests[0].wins, found.tests[0].losses, found.tests[0].difference.value) == (0, 0, 0.0)


def test_a_case_whose_first_request_failed_scores_nothing_and_is_counted_as_failed():
    gone = repeated("tune-minimal", ["", "x", "x", "x", "x", "x"], outcome=["failed"] + ["answered"] * 5)
    found = pair([repeated("best-prompt", ["x"] * 6), gone]).candidates[1]
    assert (found.metric.value, found.outcomes) == (0.5, {"answered": 1, "failed": 1})


def test_an_answer_that_only_one_candidate_was_asked_for_tells_the_time_and_scores_nothing():
    base = answers("best-prompt", RIGHT, RIGHT)
    again = answers("best-prompt", ["wrong"] * 8, RIGHT, repeat=1_001, latency_ms=700.0)
    found = pair([base, again, answers("tune-minimal", RIGHT, RIGHT)])
    assert (found.candidates[0].metric.value, found.candidates[0].consistency) == (1.0, None)
    assert found.candidates[0].latency_p99_ms > 600
    assert not found.notes


def test_tokens_cost_outcomes_and_labels_are_those_of_the_first_answers_and_times_those_of_all():
    columns = {
        "outcome": ["answered", "answered", "refused"] * 2,
        "latency_ms": [100.0, 900.0, 900.0] * 2,
        "prompt_tokens": [10, 90, 90] * 2,
        "cost": [0.1, 0.9, 0.9] * 2,
    }
    found = pair([repeated("best-prompt", ["x"] * 6), repeated("tune-minimal", ["x"] * 6, **columns)])
    tune = found.candidates[1]
    assert (tune.latency_p50_ms, tune.cases) == (500.0, 2)
    assert (tune.prompt_tokens, tune.cost_per_request) == (10, pytest.approx(0.1))
    assert (tune.outcomes, tune.format_adherence, tune.macro_f1) == ({"answered": 2}, 1.0, 1.0)
    assert found.confusion["tune-minimal"] == {"x": {"x": 2}}


def test_repeats_that_always_agree_leave_mcnemar_exact():
    found = pair([repeated("best-prompt", ["x"] * 3 + ["y"] * 3), repeated("tune-minimal", ["x"] * 6)])
    assert found.tests[0].test == "exact McNemar test"


def judged(*preferences, candidate="tune-minimal", reference="best-prompt"):
    cases = [f"c{case:03}" for case in range(len(preferences))]
    return pd.DataFrame({"candidate": candidate, "reference": reference, "case": cases, "preference": [*preferences]})


def test_a_judge_as_metric_counts_wins_and_half_the_ties_against_the_reference():
    frames = [answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", RIGHT, RIGHT)]
    found = pair(frames, metric="judge", preferences=judged(1, 1, 1, 0, 0, -1))  # two of the eight cases are not judged
    prompt, tune = found.candidates
    test = found.tests[0]
    assert (prompt.metric, tune.metric.value) == (Interval(value=0.5, low=0.5, high=0.5), pytest.approx(4 / 6))
    assert (test.difference.value, test.wins, test.losses) == (pytest.approx(1 / 6), 3, 1)
    assert (test.p_value, test.test) == (mcnemar(3, 1), "exact sign test")
    assert tune.metric.low < 4 / 6 < tune.metric.high


def test_with_a_judge_only_pairs_that_it_read_are_tested():
    names = ["champion", "best-prompt", "tune-minimal"]
    frames = scored(*[answers(name, RIGHT, RIGHT) for name in names])
    candidates = [candidate(name, "tune" if name.startswith("tune") else "prompt") for name in names]
    read = pd.concat(
        [judged(1, 1, 0, candidate="best-prompt", reference="champion"), judged(1, 0, -1, reference="champion")]
    )
    found = compare(frames, candidates, policy("champion", "judge", preferences=read))
    assert [(test.candidate, test.reference) for test in found.tests] == [
        ("best-prompt", "champion"),
        ("tune-minimal", "champion"),
    ]
    further = compare(frames, candidates, policy("champion", "judge", preferences=pd.concat([read, judged(1, 1)])))
    assert further.tests[2].difference.value == 0.5


def test_a_judge_that_did_not_read_a_candidate_gives_it_no_figure():
    frames = [answers("best-prompt", RIGHT, RIGHT), answers("tune-minimal", RIGHT, RIGHT)]
    with pytest.raises(ComparisonError, match="no case was judged against best-prompt"):
        pair(frames, metric="judge", preferences=judged())
    with pytest.raises(ConfigurationError, match=r"evaluation\.judge"):
        pair(frames, metric="judge")


def test_the_achieved_power_is_stated_for_the_minimum_effect():
    found, _ = contest(minimum_effect=0.1)
    weak, _ = contest(minimum_effect=0.02)
    assert all(one.power > other.power for one, other in zip(found.tests, weak.tests, strict=True))
    assert contest()[0].tests[0].power is None


def test_margins_and_what_a_tune_forgot_stand_in_the_comparison():
    part = Interval(value=-0.04, low=-0.08, high=0.0)
    score = GeneralScore(candidate="tune-full", base_model="base", cases=50, score=part, base=part, difference=part)
    found, _ = contest("champion", general={"tune-full": score})
    names = [one.name for one in found.margins if one.candidate == "tune-full"]
    assert names == ["latency", "cost", "format", "general tasks"]
    assert [one.name for one in found.margins if one.candidate == "best-prompt"] == ["latency", "cost", "format"]
    assert found.candidates[-1].general == score


def test_with_its_contract_a_comparison_counts_further_metrics():
    frames = [answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", RIGHT, RIGHT)]
    assert pair(frames).candidates[0].further == {}
    assert pair(frames, contract=contract()).candidates[0].further == {"exact_match": 0.75}


def test_time_to_the_first_token_stored_answers_and_confidence_are_told():
    columns = {"ttft_ms": [10.0] * 7 + [30.0], "stored": [True] * 2 + [False] * 6, "confidence": [0.9] * 8}
    found = pair([answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", RIGHT, RIGHT, **columns)])
    prompt, tune = found.candidates
    assert (tune.ttft_p50_ms, tune.stored, tune.calibration.cases) == (10.0, 0.25, 8)
    assert (prompt.ttft_p50_ms, prompt.stored, prompt.calibration) == (None, 0.0, None)
    assert tune.by_label["x"].f1 == 1.0
