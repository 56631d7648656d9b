import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from data_contracts.contest import Comparison
from data_contracts.evidence import SliceScore
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison.measure import ComparisonError
from tasks.evaluate.comparison.statistics import cases_for, holm, mcnemar, share_interval
from tests.evaluate.made_answers import answers, candidate, scored
from tests.evaluate.made_contest import RIGHT, SIZE, WORSE, contest, pair, policy

# ---------------------------------------------------------------- scores


def test_accuracy_and_macro_f1_are_those_of_scikit_learn():
    found, frame = contest()
    for item in found.candidates:
        mine = frame[frame["candidate"] == item.candidate.name]
        assert item.accuracy == item.metric.value == pytest.approx(accuracy_score(mine["expected"], mine["parsed"]))
        assert item.macro_f1 == pytest.approx(f1_score(mine["expected"], mine["parsed"], average="macro"))
        assert item.metric.low < item.metric.value < item.metric.high
        assert item.cases == SIZE


def test_a_perfect_candidate_still_has_an_interval():
    found = pair([answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", RIGHT, RIGHT)])
    assert found.candidates[1].metric.value == 1.0
    assert found.candidates[1].metric.low < 0.7  # eight cases prove little


def test_outcomes_other_than_answered_stay_in_the_denominator():
    outcome = ["answered"] * 4 + ["unparsable", "refused", "truncated", "failed"]
    found = pair([answers("best-prompt", RIGHT, RIGHT), answers("tune-minimal", RIGHT, RIGHT, outcome=outcome)])
    tune = found.candidates[1]
    assert (tune.accuracy, tune.format_adherence) == (0.5, 0.5)
    assert tune.outcomes == {"answered": 4, "failed": 1, "refused": 1, "truncated": 1, "unparsable": 1}
    assert tune.macro_f1 < 1
    assert found.confusion["tune-minimal"]["y"] == {"y": 1, "(unparsable)": 1, "(failed)": 1}


def test_latency_is_that_of_parsed_answers_and_tokens_and_cost_those_of_answers_that_came():
    outcome = ["failed", "unparsable", *["answered"] * 6]
    columns = {
        "outcome": outcome,
        "latency_ms": [9_000.0, 8_000.0, 10, 20, 30, 40, 50, 60],
        "cost": [float("nan"), *[0.002] * 7],
        "prompt_tokens": [0, *[70] * 7],
    }
    found = pair([answers("best-prompt", RIGHT, RIGHT), answers("tune-minimal", RIGHT, RIGHT, **columns)])
    tune = found.candidates[1]
    assert tune.latency_p50_ms == 35.0
    assert tune.latency_p99_ms == pytest.approx(np.percentile([10, 20, 30, 40, 50, 60], 99))
    assert (tune.prompt_tokens, tune.completion_tokens) == (70.0, 2.0)
    assert tune.cost_per_request == pytest.approx(0.002)


def test_an_unknown_price_is_none_and_not_zero():
    cost = [0.001] * 7 + [float("nan")]
    found = pair([answers("best-prompt", RIGHT, RIGHT), answers("tune-minimal", RIGHT, RIGHT, cost=cost)])
    assert found.candidates[1].cost_per_request is None


def test_a_candidate_that_answered_nothing_loses_and_does_not_stop_the_trial():
    gone = answers("tune-minimal", [""] * 8, RIGHT, outcome="failed", latency_ms=float("nan"), cost=float("nan"))
    found = pair([answers("best-prompt", RIGHT, RIGHT), gone])
    assert found.candidates[1].accuracy == found.candidates[1].macro_f1 == 0.0
    assert found.candidates[1].latency_p50_ms is None
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_slices_show_the_metric_of_their_own_cases():
    slices = {f"c{case:03}": {"language": "de" if case > 5 else "en"} for case in range(8)}
    found = pair([answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", RIGHT, RIGHT)], slices=slices)
    assert [item.by_slice for item in found.candidates] == [
        {"language": {"de": 0.0, "en": 1.0}},
        {"language": {"de": 1.0, "en": 1.0}},
    ]
    share = share_interval(6, 6)
    assert found.candidates[0].slices["language"]["en"] == SliceScore(**share.model_dump(), cases=6)


def test_a_slice_of_graded_scores_has_the_interval_of_its_own_cases():
    draw = np.random.default_rng(2)
    graded = [answers(name, ["x"] * 60, ["x"] * 60, score=draw.random(60)) for name in ("best-prompt", "tune-minimal")]
    slices = {f"c{case:03}": {"size": "long" if case < 20 else "short"} for case in range(60)}
    candidates = [candidate("best-prompt"), candidate("tune-minimal", "tune")]
    found = compare(pd.concat(graded), candidates, policy(metric="custom", slices=slices)).candidates[0]
    long = found.slices["size"]["long"]
    assert (long.cases, long.value) == (20, pytest.approx(graded[0]["score"][:20].mean()))
    assert long.low < long.value < long.high
    assert long.high - long.low > found.metric.high - found.metric.low


def test_confusion_counts_every_case_of_every_candidate():
    found, _ = contest()
    for table in found.confusion.values():
        assert sum(cases for row in table.values() for cases in row.values()) == SIZE


def test_extraction_is_measured_by_fields_and_by_whole_objects():
    expected = ['{"a":1,"b":2}', '{"a":3,"b":4}']
    frames = [
        answers("best-prompt", ['{"a":1,"b":9}', '{"a":3,"b":4}'], expected),
        answers("tune-minimal", expected, expected),
    ]
    candidates = [candidate("best-prompt"), candidate("tune-minimal", "tune")]
    found = compare(
        scored(*frames, kind=TaskKind.EXTRACTION), candidates, policy(metric="field_f1", kind=TaskKind.EXTRACTION)
    )
    first = found.candidates[0]
    assert (first.metric.value, first.accuracy, first.macro_f1, found.confusion) == (0.75, 0.5, None, {})


# ---------------------------------------------------------------- tests


def test_every_candidate_meets_the_reference_and_every_tune_the_best_prompt():
    found, _ = contest("champion")
    assert [(test.candidate, test.reference) for test in found.tests] == [
        ("best-prompt", "champion"),
        ("tune-minimal", "champion"),
        ("tune-full", "champion"),
        ("tune-minimal", "best-prompt"),
        ("tune-full", "best-prompt"),
    ]


def test_against_the_best_prompt_as_reference_there_is_one_test_a_candidate():
    found, _ = contest("best-prompt")
    assert [test.candidate for test in found.tests] == ["champion", "tune-minimal", "tune-full"]


def test_wins_and_losses_give_difference_and_p_value():
    found, frame = contest()
    table = frame.assign(right=frame["parsed"] == frame["expected"]).pivot(
        index="case", columns="candidate", values="right"
    )
    for test in found.tests:
        mine, other = table[test.candidate], table[test.reference]
        assert (test.wins, test.losses) == ((mine & ~other).sum(), (other & ~mine).sum())
        assert test.difference.value == pytest.approx((test.wins - test.losses) / SIZE)
        assert test.difference.low < test.difference.value < test.difference.high
        assert test.p_value == mcnemar(test.wins, test.losses)


def test_p_values_are_adjusted_over_all_tests_and_so_are_the_cases_needed():
    found, _ = contest("champion")
    assert [test.p_adjusted for test in found.tests] == holm([test.p_value for test in found.tests])
    test = found.tests[0]
    discordant = (test.wins + test.losses) / SIZE
    spread = discordant - test.difference.value**2
    assert test.cases_needed == cases_for(test.difference.value, spread, 0.05 / 5)
    assert (test.test, test.clusters, test.discordance) == ("exact McNemar test", None, discordant)


def test_two_that_answer_alike_differ_by_nothing():
    found = pair([answers("best-prompt", WORSE, RIGHT), answers("tune-minimal", WORSE, RIGHT)])
    test = found.tests[0]
    assert (test.wins, test.losses, test.p_value, test.p_adjusted, test.cases_needed) == (0, 0, 1.0, 1.0, None)
    assert (test.difference.low, test.difference.high) == (0.0, 0.0)


def test_macro_f1_can_decide_and_its_difference_is_that_of_macro_f1():
    found, _ = contest(metric="macro_f1")
    scores = {item.candidate.name: item for item in found.candidates}
    test = found.tests[1]
    expected = scores["tune-minimal"].macro_f1 - scores["best-prompt"].macro_f1
    assert scores["tune-minimal"].metric.value == scores["tune-minimal"].macro_f1
    assert test.difference.value == pytest.approx(expected)
    assert test.difference.low < expected < test.difference.high
    assert 0 < test.p_value < 0.05


def test_the_same_answers_give_the_same_comparison_in_any_order_of_rows():
    _, frame = contest()
    candidates = [candidate("best-prompt"), candidate("tune-minimal", "tune")]
    shuffled = frame.sample(frac=1, random_state=1)
    assert compare(scored(frame), candidates, policy()) == compare(scored(shuffled), candidates, policy())


def test_a_single_candidate_is_scored_without_a_test():
    found = compare(scored(answers("best-prompt", WORSE, RIGHT)), [candidate("best-prompt")], policy())
    assert (found.candidates[0].accuracy, found.tests) == (0.75, [])


# ---------------------------------------------------------------- what cannot be compared


def test_no_answers_are_an_error_and_never_a_zero():
    with pytest.raises(ComparisonError, match="no answer"):
        compare(scored(answers("best-prompt", [], [])), [candidate("best-prompt")], policy())


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (answers("tune-minimal", RIGHT[:7], RIGHT[:7]), "cases are not those of best-prompt"),
        (answers("tune-minimal", RIGHT, RIGHT, case=["c000"] * 8), "twice"),
        (answers("tune-minimal", RIGHT, WORSE), "expected answers differ"),
        (answers("someone-else", RIGHT, RIGHT), "no answer"),
    ],
)
def test_candidates_that_did_not_answer_the_same_cases_once_are_an_error(other, problem):
    with pytest.raises(ComparisonError, match=problem) as error:
        pair([answers("best-prompt", RIGHT, RIGHT), other])
    assert "nothing was uploaded" not in str(error.value)  # by now it was


def test_answers_without_a_score_are_an_error():
    unscored = pd.concat([answers("best-prompt", RIGHT, RIGHT), answers("tune-minimal", RIGHT, RIGHT)])
    with pytest.raises(ComparisonError, match="without a score"):
        compare(unscored, [candidate("best-prompt"), candidate("tune-minimal", "tune")], policy())


def test_a_reference_that_is_no_candidate_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="champion"):
        pair([answers("best-prompt", RIGHT, RIGHT), answers("tune-minimal", RIGHT, RIGHT)], reference="champion")


def test_three_thousand_cases_of_77_labels_take_seconds():
    draw = np.random.default_rng(1)
    expected = np.array([f"label {code}" for code in draw.integers(77, size=3_080)])
    names = ["champion", "best-prompt", "tune-minimal", "tune-full"]
    frame = scored(
        *[answers(name, np.where(draw.random(3_080) < 0.9, expected, "label 1"), expected) for name in names]
    )
    candidates = [candidate(name, "tune" if name.startswith("tune") else "prompt") for name in names]
    started = time.process_time()
    compare(frame, candidates, policy("champion"))
    assert time.process_time() - started < 5  # about 0.5 s on one idle core
