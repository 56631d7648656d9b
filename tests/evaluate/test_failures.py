import json
import time

import numpy as np
import pandas as pd
import pytest

from data_contracts.evidence import FailureReport
from data_contracts.use_case import TaskKind
from tasks.evaluate.failures import FailurePolicy, explain
from tests.evaluate.made_answers import answers, candidate, scored

UNLIKE = [
    "apples fall",
    "boats sink",
    "clocks tick",
    "dogs bark",
    "engines hum",
    "frogs jump",
    "geese honk",
    "hens peck",
]
RIGHT = ["x", "y", "z", "x", "y", "z", "x", "y"]


def wrong_at(*positions, given="z", right=RIGHT):
    """The right answers with others in these places."""
    return [("w" if answer == given else given) if at in positions else answer for at, answer in enumerate(right)]


def policy(texts=UNLIKE, kind=TaskKind.CLASSIFICATION, pairs=()):
    return FailurePolicy(kind, {f"c{at:03}": text for at, text in enumerate(texts)}, pairs)


def explained(*frames, kind=TaskKind.CLASSIFICATION, **parts):
    names = list(dict.fromkeys(frame["candidate"].iloc[0] for frame in frames))
    return explain(scored(*frames, kind=kind), [candidate(name) for name in names], policy(kind=kind, **parts))


def kinds(*frames, **parts):
    """By kind, of the first candidate."""
    return explained(*frames, **parts).candidates[0].by_kind


# ---------------------------------------------------------------- consistency


@pytest.mark.parametrize("outcome", ["truncated", "unparsable"])
def test_an_answer_of_no_readable_form_is_a_failure_of_consistency(outcome):
    frame = answers("one", RIGHT, RIGHT, outcome=["answered"] * 7 + [outcome])
    found = explained(frame).candidates[0]
    assert (found.by_kind, found.by_outcome) == ({"consistency": 1}, {outcome: 1})


def test_an_input_that_is_right_at_one_time_and_wrong_at_another_fails_of_consistency():
    frames = [answers("one", RIGHT, RIGHT), answers("one", wrong_at(2), RIGHT, repeat=1)]
    found = explained(*frames).candidates[0]
    assert (found.cases, found.failed, found.by_kind) == (8, 1, {"consistency": 1})


def test_an_input_that_is_wrong_in_different_ways_fails_of_consistency():
    frames = [answers("one", wrong_at(2, given="x"), RIGHT), answers("one", wrong_at(2, given="y"), RIGHT, repeat=1)]
    assert kinds(*frames) == {"consistency": 1}


def test_an_input_that_is_wrong_in_the_same_way_every_time_does_not():
    frames = [answers("one", wrong_at(2), RIGHT), answers("one", wrong_at(2), RIGHT, repeat=1)]
    assert kinds(*frames) == {"systematic": 1}


def test_a_repeat_that_brought_no_answer_says_nothing_about_consistency():
    gone = answers("one", [""] * 8, RIGHT, repeat=1, outcome="failed")
    assert explained(answers("one", RIGHT, RIGHT), gone).candidates[0].failed == 0


# ---------------------------------------------------------------- judgement


LATE = ["my parcel is late again", "my parcel is late today", "my parcel is late here", "my parcel is late now"]


def test_an_answer_that_alike_inputs_expect_can_be_defended():
    texts = [*UNLIKE[:4], *LATE]
    right = [*RIGHT[:4], "delivery", "delivery", "refund", "delivery"]
    frame = answers("one", wrong_at(6, given="delivery", right=right), right)
    assert kinds(frame, texts=texts) == {"judgement": 1}


def test_an_answer_that_alike_inputs_do_not_expect_cannot():
    texts = [*UNLIKE[:4], *LATE]
    right = [*RIGHT[:4], *["delivery"] * 4]
    frame = answers("one", wrong_at(6, given="refund", right=right), right)
    assert kinds(frame, texts=texts) == {"systematic": 1}


def test_an_answer_that_fewer_alike_inputs_expect_than_the_right_one_cannot_either():
    texts = [*UNLIKE[:4], *LATE]
    right = [*RIGHT[:4], "delivery", "refund", "delivery", "delivery"]
    frame = answers("one", wrong_at(6, given="refund", right=right), right)
    assert kinds(frame, texts=texts) == {"systematic": 1}


def test_a_case_on_which_no_answer_is_given_by_half_of_the_candidates_is_open_to_judgement():
    frames = [
        answers(name, wrong_at(0, given=given), RIGHT) for name, given in (("one", "p"), ("two", "q"), ("three", "r"))
    ]
    assert kinds(*frames) == {"judgement": 1}


def test_prompts_that_err_alike_where_tunes_are_right_do_not_make_a_case_disputed():
    frames = [
        answers("one", wrong_at(0, given="p"), RIGHT),
        answers("two", wrong_at(0, given="p"), RIGHT),
        answers("three", RIGHT, RIGHT),
        answers("four", RIGHT, RIGHT),
    ]
    assert kinds(*frames) == {"systematic": 1}


# ---------------------------------------------------------------- systematic


def test_the_same_mistake_of_every_candidate_is_systematic_and_named():
    right = ["x"] * 4 + ["y"] * 4
    frames = [answers(name, ["y"] * 8, right) for name in ("one", "two", "three")]
    found = explained(*frames).candidates[0]
    assert found.by_kind == {"systematic": 4}
    assert "most often y for x (4 times)" in found.remedies[0]


def test_a_refusal_is_systematic():
    frame = answers("one", RIGHT, RIGHT, outcome=["refused", *["answered"] * 7])
    assert kinds(frame) == {"systematic": 1}


def test_a_request_that_failed_for_good_is_of_no_kind():
    found = explained(answers("one", RIGHT, RIGHT, outcome=["failed", *["answered"] * 7])).candidates[0]
    assert (found.failed, found.by_kind, found.by_outcome) == (1, {}, {"failed": 1})
    assert "`tunegate run`" in found.remedies[0]


# ---------------------------------------------------------------- free text


GOOD, POOR = "all of these words stand", "nothing alike"


def drafts(name, poor, **columns):
    expected = [GOOD] * 8
    return answers(name, [POOR if at in poor else GOOD for at in range(8)], expected, **columns)


def test_a_draft_of_other_words_is_a_matter_of_judgement():
    assert kinds(drafts("one", {0, 1}), kind=TaskKind.FREE_TEXT) == {"judgement": 2}


def test_drafts_that_most_candidates_fail_on_inputs_that_are_alike_are_systematic():
    texts = [*UNLIKE[:4], *LATE]
    frames = [drafts(name, {4, 5, 6, 7}) for name in ("one", "two", "three")]
    assert kinds(*frames, kind=TaskKind.FREE_TEXT, texts=texts) == {"systematic": 4}
    assert kinds(frames[0], drafts("two", set()), kind=TaskKind.FREE_TEXT, texts=texts) == {"judgement": 4}


def test_poor_drafts_among_good_ones_on_inputs_that_are_alike_are_not_systematic():
    frames = [drafts(name, {4, 5}) for name in ("one", "two", "three")]
    assert kinds(*frames, kind=TaskKind.FREE_TEXT, texts=[*UNLIKE[:4], *LATE]) == {"judgement": 2}


def test_a_draft_that_is_good_once_and_poor_once_fails_of_consistency():
    frames = [drafts("one", set()), drafts("one", {3}, repeat=1)]
    assert kinds(*frames, kind=TaskKind.FREE_TEXT) == {"consistency": 1}


def test_a_draft_that_only_varies_in_its_words_does_not_fail():
    other = answers("one", ["all of these words stand here"] * 8, [GOOD] * 8, repeat=1)
    assert kinds(drafts("one", set()), other, kind=TaskKind.FREE_TEXT) == {}


def test_where_all_drafts_overlap_little_only_the_lowest_quarter_fails():
    parsed = [f"all of {'other ' * at}" for at in range(8)]  # F1 0.57 down to 0.29
    frame = answers("one", parsed, [GOOD] * 8)
    longer = answers("one", [f"all {'other ' * (at + 4)}" for at in range(8)], [GOOD] * 8)
    assert explained(frame, kind=TaskKind.FREE_TEXT).candidates[0].failed == 2
    assert explained(longer, kind=TaskKind.FREE_TEXT).candidates[0].failed == 2


# ---------------------------------------------------------------- remedies and clusters


def test_remedies_cite_their_counts_the_most_frequent_kind_first():
    frame = answers("one", wrong_at(0, 1, 2), RIGHT, outcome=["answered"] * 7 + ["truncated"])
    remedies = explained(frame).candidates[0].remedies
    assert remedies[0].startswith("3 of 4 failing cases are systematic")
    assert remedies[1].startswith("1 of 4 failing cases are consistency")
    assert "`decoding.temperature: 0`" in remedies[1]
    assert "`evaluation.repeats`" in remedies[2]


def test_nothing_failing_leaves_nothing_to_mend():
    found = explained(answers("one", RIGHT, RIGHT)).candidates[0]
    assert (found.failed, found.by_kind, found.clusters) == (0, {}, [])
    assert found.remedies == ["Nothing to mend: every case is right."]


def planted():
    """Two topics that fail, one twice the other, among 40 inputs that do not."""
    draw = np.random.default_rng(5)
    words = [f"{first}{last}" for first in "bcdfgklmprst" for last in ("ansel", "ovrit", "ulkem", "ithop")]
    fine = [" ".join(draw.choice(words, 6)) for _ in range(40)]
    abroad = [f"card declined abroad in {place}" for place in ("rome", "oslo", "bern", "kiev", "lima", "cork")]
    fees = [f"unknown fee taken for {thing}" for thing in ("a loan", "the atm", "a swap")]
    right = ["other"] * 40 + ["abroad"] * 6 + ["fees"] * 3
    given = ["other"] * 40 + ["cards"] * 6 + ["loans"] * 3
    return [*fine, *abroad, *fees], right, given


def test_failing_inputs_that_are_alike_stand_in_one_cluster_with_what_they_share():
    texts, right, given = planted()
    first, second = explained(answers("one", given, right), texts=texts).candidates[0].clusters
    assert first.cases == [f"c{at:03}" for at in range(40, 46)]
    assert {"declined", "abroad"} <= set(first.terms)
    assert (first.kind, first.expected, first.given) == ("systematic", {"abroad": 6}, {"cards": 6})
    assert (len(second.cases), second.expected) == (3, {"fees": 3})


def test_a_cluster_is_of_the_kind_of_most_of_its_cases():
    texts, right, given = planted()
    outcome = ["answered"] * 40 + ["unparsable"] * 4 + ["answered"] * 5
    first = explained(answers("one", given, right, outcome=outcome), texts=texts).candidates[0].clusters[0]
    assert (first.kind, first.given) == ("consistency", {"(unparsable)": 4, "cards": 2})


def test_at_most_eight_clusters_are_shown():
    words = [f"{letter * 3}{tail}" for letter in "abcdefghij" for tail in ("one", "two", "six")]
    texts = [f"{word[:3] * 4} {word}" for word in words]
    found = explained(answers("one", ["n"] * 30, ["y"] * 30), texts=texts).candidates[0]
    assert len(found.clusters) == 8


def test_wrong_fields_are_counted_by_name_and_no_value_of_a_row_is_shown():
    texts = [f"order number {number} please" for number in range(4)]
    expected = [json.dumps({"amount": 1, "city": "Rome"})] * 4
    given = [json.dumps({"amount": 2, "city": "rome"}), json.dumps({"amount": 1}), expected[0], ""]
    frame = answers("one", given, expected, outcome=["answered"] * 3 + ["truncated"])
    cluster = explained(frame, kind=TaskKind.EXTRACTION, texts=texts).candidates[0].clusters[0]
    assert cluster.expected == {"a readable answer": 1, "amount": 1, "city": 1}
    assert cluster.given == {"(truncated)": 1, "another amount": 1, "no city": 1}


def test_clusters_of_drafts_show_no_text_of_answers():
    frame = drafts("one", {4, 5, 6, 7})
    report = explained(frame, kind=TaskKind.FREE_TEXT, texts=[*UNLIKE[:4], *LATE])
    assert report.candidates[0].clusters[0].given == {}
    assert POOR not in report.model_dump_json()


def test_tool_calls_are_counted_by_field_whatever_the_task():
    texts = [f"order number {number} please" for number in range(3)]
    call = '{"tool_calls":[{"arguments":{"city":"%s"},"name":"find"}]}'
    frame = answers("one", [call % "Oslo"] * 3, [call % "Rome"] * 3)
    report = explained(frame, texts=texts)
    assert report.candidates[0].clusters[0].expected == {"tool_calls": 3}
    assert "Rome" not in report.model_dump_json()


# ---------------------------------------------------------------- disagreements


def test_two_candidates_are_set_side_by_side_case_by_case():
    frames = [answers("one", wrong_at(0, 1, 2), RIGHT), answers("two", wrong_at(2, 3), RIGHT)]
    found = explained(*frames, pairs=[("two", "one")]).disagreements[0]
    assert (found.candidate, found.reference) == ("two", "one")
    assert (found.both_right, found.only_candidate, found.only_reference, found.both_wrong) == (4, 2, 1, 1)
    assert (found.won, found.lost) == (["c000", "c001"], ["c003"])


def test_disagreements_are_of_first_answers():
    frames = [
        answers("one", RIGHT, RIGHT),
        answers("one", wrong_at(*range(8)), RIGHT, repeat=1),
        answers("two", RIGHT, RIGHT),
    ]
    assert explained(*frames, pairs=[("two", "one")]).disagreements[0].both_right == 8


def test_at_most_twenty_cases_are_named_and_all_are_counted():
    right = ["x"] * 30
    frames = [answers("one", ["y"] * 30, right), answers("two", right, right)]
    found = explained(*frames, texts=["words"] * 30, pairs=[("two", "one")]).disagreements[0]
    assert (found.only_candidate, len(found.won), found.lost) == (30, 20, [])


# ---------------------------------------------------------------- any input


def test_the_order_of_rows_changes_nothing():
    texts, right, given = planted()
    frame = scored(answers("one", given, right), answers("two", right, right))
    shuffled = frame.sample(frac=1, random_state=4)
    candidates, asked = [candidate("one"), candidate("two")], policy(texts, pairs=[("two", "one")])
    assert explain(frame, candidates, asked) == explain(shuffled, candidates, asked)


@pytest.mark.parametrize("text", ["", "?!", "one word", "日本語の文"])
@pytest.mark.parametrize("cases", [1, 2, 5])
def test_texts_without_words_and_a_single_case_are_explained_too(text, cases):
    found = explained(answers("one", ["n"] * cases, ["y"] * cases), texts=[text] * cases)
    assert found.candidates[0].by_kind == {"systematic": cases}
    assert FailureReport.model_validate_json(found.model_dump_json()) == found


def test_three_thousand_cases_of_four_candidates_take_seconds():
    draw = np.random.default_rng(1)
    words = np.array([f"word{number}" for number in range(900)])
    texts = [" ".join(draw.choice(words, 12)) for _ in range(3_000)]
    expected = np.array([f"label {code}" for code in draw.integers(77, size=3_000)])
    frames = [
        answers(name, np.where(draw.random(3_000) < 0.5, expected, "label 1"), expected)
        for name in ("champion", "best-prompt", "tune-minimal", "tune-full")
    ]
    frame = scored(*frames)
    assert len(pd.unique(frame["candidate"])) == 4
    started = time.process_time()
    explain(frame, [candidate(name) for name in frame["candidate"].unique()], policy(texts))
    assert time.process_time() - started < 15
