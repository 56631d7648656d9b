"""Each figure of production against the trial: broken only where its whole interval lies beyond the limit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_contracts.operation import Monitor
from data_contracts.use_case import TaskKind
from tasks.watch.drift import GONE, Reference, examine, health
from tests.watch.answers import QUESTION, about_cooking, check, frame, production, reference, scores, texts

LEADS_BACK = ("quality", "format", "declined")


def worse(rows: int, right: float) -> pd.DataFrame:
    """Answers of which this share is right."""
    made = frame(rows, seed=5)
    hits = np.random.default_rng(5).random(rows) < right
    parsed = np.where(hits, made["expected"], "ships")
    return made.assign(parsed=parsed, score=(parsed == made["expected"]).astype(float))


def ended(rows: int, outcome: str, share: float) -> pd.DataFrame:
    """Answers of which this share ended so."""
    return frame(rows, seed=6).assign(outcome=[outcome if one < share * rows else "answered" for one in range(rows)])


# ---------------------------------------------------------------- both ways


def test_a_champion_that_does_as_in_its_trial_is_healthy():
    found = examine(reference(), production(frame(400)), QUESTION)
    assert [one.broken for one in found] == [False] * 7
    assert health(found, 400, Monitor()) == "healthy"


BROKEN = {
    "quality": worse(400, 0.6),
    "format": ended(400, "unparsable", 0.1),
    "failures": ended(400, "failed", 0.2),
    "declined": ended(400, "refused", 0.2),
    "input drift": frame(400, input=about_cooking(400)),
    "label drift": frame(400, parsed="ships"),
    "latency": frame(400).assign(latency_ms=lambda rows: 3 * rows["latency_ms"]),
    "cost": frame(400, cost=2.1e-5),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_got_worse_by_far_is_broken_and_leads_where_it_leads(name):
    found = check({"declined": "failures"}.get(name, name), production(BROKEN[name]))
    assert found.broken
    assert found.value > found.limit
    assert found.leads_to == ("roll back" if name in LEADS_BACK else "degrade")


@pytest.mark.parametrize("name", BROKEN)
def test_the_same_on_few_answers_alarms_nobody(name):
    few = production(BROKEN[name].head(60))
    assert all(one.broken is None for one in examine(reference(), few, QUESTION))


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("quality", worse(100, 0.75)),
        ("format", ended(100, "unparsable", 0.04)),
        ("failures", ended(100, "refused", 0.08)),
    ],
)
def test_a_figure_beyond_its_limit_by_chance_holds_and_says_so(name, answers):
    found = check(name, production(answers))
    assert found.value > found.limit
    assert (found.broken, "chance" in found.figure) == (False, True)


def test_refused_and_filtered_requests_are_failures_and_truncated_ones_are_of_a_wrong_form():
    for outcome in ("refused", "filtered", "rejected"):
        assert check("failures", production(ended(400, outcome, 0.2))).broken
    assert check("format", production(ended(400, "truncated", 0.2))).broken
    assert not check("failures", production(ended(400, "truncated", 0.2))).broken


# ---------------------------------------------------------------- the verdict


def test_the_gravest_of_what_is_broken_is_the_verdict():
    slow = examine(reference(), production(BROKEN["latency"]), QUESTION)
    assert health(slow, 400, Monitor()) == "degrade"
    wrong = examine(reference(), production(worse(400, 0.5)), QUESTION)
    assert health(wrong, 400, Monitor()) == "roll back"


def test_too_few_answers_are_no_verdict_however_bad_they_are():
    found = examine(reference(), production(worse(99, 0.1)), QUESTION)
    assert health(found, 99, Monitor()) == "too few answers"


def test_too_few_labels_say_nothing_of_quality_and_the_rest_is_judged():
    found = examine(reference(), production(worse(400, 0.1), labelled=10), QUESTION)
    by_name = {one.name: one for one in found}
    assert by_name["quality"].broken is None
    assert "10 answers have a label, 30 are needed" in by_name["quality"].figure
    assert by_name["label drift"].broken


def test_limits_are_those_of_the_use_case():
    lenient = replace(QUESTION, policy=Monitor(max_quality_loss=0.5))
    assert check("quality", production(worse(400, 0.6)), question=lenient).broken is False


# ---------------------------------------------------------------- what is known of the trial


def test_without_the_run_folder_figures_of_the_decision_record_are_taken_and_drift_is_not_measured():
    known = Reference(reference().scores)
    found = {one.name: one for one in examine(known, production(worse(400, 0.5)), QUESTION)}
    assert found["quality"].broken
    assert found["latency"].broken is False
    assert found["cost"].broken is False
    for name in ("input drift", "label drift"):
        assert (found[name].value, found[name].broken) == (None, None)
        assert GONE in found[name].figure


def test_a_champion_that_was_never_compared_is_judged_by_nothing():
    found = examine(Reference(None), production(frame(400)), QUESTION)
    assert {one.broken for one in found} == {None}


def test_the_judges_metric_is_taken_as_words_since_nobody_judges_in_production():
    question = replace(QUESTION, kind=TaskKind.FREE_TEXT, metric="judge")
    before = reference()
    assert check("quality", production(frame(300, score=0.9)), before, question).broken is False
    assert check("quality", production(worse(400, 0.4)), before, question).broken


def test_macro_f1_counts_each_expected_label_the_same():
    question = replace(QUESTION, metric="macro_f1")
    found = check("quality", production(worse(400, 0.5)), question=question)
    assert found.broken
    assert "macro_f1" in found.figure


def test_answers_without_a_time_or_a_price_are_not_measured():
    silent = frame(300, latency_ms=np.nan, cost=np.nan)
    for name in ("latency", "cost"):
        assert "0 answers have a" in check(name, production(silent)).figure


# ---------------------------------------------------------------- other kinds of answers


def test_of_an_extraction_the_fields_that_are_filled_may_drift():
    question = replace(QUESTION, kind=TaskKind.EXTRACTION, metric="field_f1")
    full, bare = '{"article":"a","number":2}', '{"article":"a","number":null}'
    before = reference(parsed=full)
    assert check("label drift", production(frame(300, parsed=full)), before, question).broken is False
    assert check("label drift", production(frame(300, parsed=bare)), before, question).broken


def test_of_free_text_the_length_of_answers_may_drift():
    question = replace(QUESTION, kind=TaskKind.FREE_TEXT, metric="text_f1")
    short, long = texts(200, seed=8), [f"{text} " * 3 for text in texts(300, seed=9)]
    before = reference(parsed=short)
    assert check("label drift", production(frame(300, parsed=texts(300, seed=9))), before, question).broken is False
    assert check("label drift", production(frame(300, parsed=long)), before, question).broken


def test_a_question_that_many_ask_counts_once():
    popular = pd.concat([frame(300), *([frame(1, seed=11)] * 300)], ignore_index=True)
    assert check("input drift", production(popular)).broken is False
    assert check("label drift", production(popular)).broken is False


def test_no_text_stands_in_a_figure():
    found = examine(reference(), production(BROKEN["input drift"]), QUESTION)
    words = {word for text in about_cooking(400) for word in text.split()}
    assert not words & {word for one in found for word in one.figure.split() if not word.strip("(),").isdigit()}
    assert scores(frame(50))
