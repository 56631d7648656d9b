import pytest

from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.comparison.measure import ComparisonError
from tasks.evaluate.search import (
    BrokenPromptsError,
    effort_told,
    rank,
    schedule,
    scores,
    survivors,
    survivors_at_most,
    unequal_decoding,
)
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


# ---------------------------------------------------------------- rounds


@pytest.mark.parametrize(
    ("rows", "rounds", "counts"),
    [(300, 1, [300]), (300, 3, [75, 150, 300]), (80, 5, [20, 40, 80]), (30, 3, [20, 30]), (12, 4, [12]), (0, 2, [0])],
)
def test_rows_double_from_round_to_round_and_no_round_has_fewer_than_twenty(rows, rounds, counts):
    assert schedule(rows, rounds) == counts


def in_order(*names):
    """Scored prompts, the best first; a name is base/prompt."""
    frames = [answers(name, ["x"] * (9 - place) + ["y"] * place, ["x"] * 9) for place, name in enumerate(names)]
    field = [candidate(name).model_copy(update={"model": name.split("/")[0]}) for name in names]
    return scores(scored(*frames), field, "accuracy", TaskKind.CLASSIFICATION)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["a/1", "a/2", "a/3", "a/4", "a/5"], ["a/1", "a/2", "a/3"]),
        (["a/1", "a/2", "a/3"], ["a/1", "a/2"]),
        (["a/1"], ["a/1"]),
        (["a/1", "a/2", "b/1", "b/2"], ["a/1", "a/2", "b/1"]),
    ],
)
def test_the_better_half_goes_on_and_the_best_of_each_base_model(names, kept):
    assert [one.name for one in survivors(in_order(*names))] == kept
    assert len(kept) <= survivors_at_most(len(names), len({name[0] for name in names}))


# ---------------------------------------------------------------- what is said


def test_equal_decoding_is_not_talked_about_and_unequal_decoding_is_told_by_parameter():
    plain = candidate("a")
    warm = plain.prompt.decoding.model_copy(update={"temperature": 0.7, "seed": None, "max_tokens": 512})
    other = plain.model_copy(update={"prompt": plain.prompt.model_copy(update={"decoding": warm})})
    assert unequal_decoding([plain, candidate("b")]) == []
    told = unequal_decoding([plain, plain, other])
    assert [sentence.split(": ")[1].split(";")[0] for sentence in told] == [
        "temperature is 0 for 2, 0.7 for 1",
        "seed is 7 for 2, not set for 1",
        "max_tokens is 256 for 2, 512 for 1",
    ]


def test_the_effort_is_told_by_round():
    tried = in_order("a/1", "a/2", "a/3")
    assert effort_told(tried) == "3 prompts were tried on 9 rows each."
    in_rounds = [tried[0].model_copy(update={"rows": 18}), *tried[1:]]
    assert effort_told(in_rounds) == "3 prompts were tried in 2 rounds, the better ones going on: 3 on 9, 1 on 18 rows."


def test_a_bloated_prompt_is_told_where_the_bloat_is():
    frame, field = answers("a", RIGHT, RIGHT, prompt_tokens=2_500), [candidate("a")]
    layers = {"a": {"examples": 2_000.0, "role": 500.0}}
    (found,) = scores(scored(frame), field, "accuracy", TaskKind.CLASSIFICATION, layers)
    assert "most of them in examples: examples 80%, role 20%" in found.warnings[0]
