import pytest

from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.measure import ComparisonError
from tasks.evaluate.search import BrokenPromptsError, rank
from tests.evaluate.made_answers import answers, candidate, scored

RIGHT = ["x", "y", "x", "y"]


def ranked(frames, names, metric="accuracy", shots=0):
    candidates = [candidate(name, shots=shots) for name in names]
    return rank(scored(*frames), candidates, metric, TaskKind.CLASSIFICATION)


def test_the_variant_that_is_right_most_often_is_the_best():
    found = ranked([answers("a", ["x", "x", "x", "x"], RIGHT), answers("b", ["x", "y", "x", "x"], RIGHT)], ["a", "b"])
    assert found.best.name == "b"
    assert [(tried.candidate.name, tried.score, tried.rows) for tried in found.tried] == [
        ("b", 0.75, 4),
        ("a", 0.5, 4),
    ]


def test_on_a_tie_the_cheaper_variant_is_the_best_and_an_unknown_price_is_the_dearest():
    frames = [
        answers("unknown", RIGHT, RIGHT, cost=float("nan")),
        answers("dear", RIGHT, RIGHT, cost=0.02),
        answers("cheap", RIGHT, RIGHT, cost=0.01),
    ]
    found = ranked(frames, ["unknown", "dear", "cheap"])
    assert [tried.candidate.name for tried in found.tried] == ["cheap", "dear", "unknown"]
    assert found.tried[-1].cost_per_request is None


def test_at_the_same_cost_the_variant_of_fewer_tokens_is_the_best():
    frames = [answers("long", RIGHT, RIGHT, prompt_tokens=90), answers("short", RIGHT, RIGHT, prompt_tokens=30)]
    assert ranked(frames, ["long", "short"]).best.name == "short"


def test_macro_f1_can_rank_otherwise_than_accuracy():
    expected = ["x", "x", "x", "x", "y"]
    frames = [answers("always-x", ["x"] * 5, expected), answers("mixed", ["x", "x", "y", "y", "y"], expected)]
    assert ranked(frames, ["always-x", "mixed"]).best.name == "always-x"
    assert ranked(frames, ["always-x", "mixed"], "macro_f1").best.name == "mixed"


def test_every_case_counts_in_the_format_adherence():
    outcomes = ["answered", "unparsable", "refused", "answered"]
    found = ranked([answers("a", RIGHT, RIGHT, outcome=outcomes)], ["a"])
    assert (found.tried[0].format_adherence, found.tried[0].score) == (0.5, 0.5)


def test_a_variant_with_failed_requests_is_not_the_best_whatever_it_scores():
    failed = ["failed", "answered", "answered", "answered"]
    frames = [answers("holed", RIGHT, RIGHT, outcome=failed), answers("whole", ["x"] * 4, RIGHT)]
    found = ranked(frames, ["holed", "whole"])
    assert [(tried.candidate.name, tried.failed, tried.score) for tried in found.tried] == [
        ("whole", 0, 0.5),
        ("holed", 1, 0.75),
    ]
    assert found.tried[1].row["failed"] == "1"


def test_variants_that_all_failed_stop_the_trial_and_say_how_many_requests_did():
    frames = [answers(name, RIGHT, RIGHT, outcome="failed") for name in ("a", "b")]
    with pytest.raises(BrokenPromptsError, match=r"failed \(a 4 of 4, b 4 of 4\).*context.*log") as stopped:
        ranked(frames, ["a", "b"])
    assert stopped.value.exit_code == 3


def test_a_best_prompt_that_is_mostly_unreadable_stops_the_trial():
    outcomes = ["answered", "unparsable", "truncated", "unparsable"]
    with pytest.raises(BrokenPromptsError, match="only 25% of 4 cases"):
        ranked([answers("a", RIGHT, RIGHT, outcome=outcomes)], ["a"])


def test_bloated_prompts_are_warned_about():
    found = ranked([answers("a", RIGHT, RIGHT, prompt_tokens=2_500)], ["a"], shots=6)
    assert len(found.tried[0].warnings) == 2


def test_a_variant_that_answered_other_rows_is_an_error():
    frames = [answers("a", RIGHT, RIGHT), answers("b", RIGHT[:3], RIGHT[:3])]
    with pytest.raises(ComparisonError, match="candidate b"):
        ranked(frames, ["a", "b"])


def test_no_variant_at_all_is_an_error():
    with pytest.raises(ComparisonError, match="no candidate"):
        ranked([answers("a", RIGHT, RIGHT)], [])


def test_a_metric_of_another_kind_of_task_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="text_f1 is no metric of classification"):
        ranked([answers("a", RIGHT, RIGHT)], ["a"], "text_f1")
