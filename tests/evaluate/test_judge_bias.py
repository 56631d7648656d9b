"""A judge on a real socket whose preferences and whose bias are known: what is planted must be found."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from aiohttp import web

from data_contracts.evaluation import Judge
from tasks.evaluate.answer import answer_all
from tasks.evaluate.judging.judge import bouts, labelled_bouts, preferences, questions, read_labels
from tasks.evaluate.judging.judge_report import judge_report, judged_pair
from tasks.ledger import Ledger
from tests.evaluate.made_answers import answers, scored
from tests.evaluate.scripted_endpoint import completion, scripted_endpoint

JUDGE = Judge(model="judge-model", criteria="The friendlier answer is the better one.", max_cases=400)
CASES = 400


def chance(*parts):
    """The same number from 0 to 1 for the same parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) / 2**64


def planted(share, cases=CASES):
    """Bouts of which the candidate's answer is the better one in `share`, and the reference's in the others."""
    kind = np.arange(cases) < share * cases
    texts = {"tune": np.where(kind, "kind", "rude"), "champion": np.where(kind, "rude", "kind")}
    frame = scored(*(answers(name, [*given], ["x"] * cases) for name, given in texts.items()))
    inputs = {case: f"question {case}" for case in frame["case"]}
    return bouts(frame, [("tune", "champion")], inputs, JUDGE.max_cases)


def judge_with(bias):
    """Takes the kind answer; in `bias` of its readings what stands first, whatever that is."""

    async def script(arrival) -> web.Response:
        text = arrival.body["messages"][-1]["content"]
        material = json.loads(text)
        biased = chance("bias", text) < bias
        return completion("A" if biased or material["answer_a"].startswith("kind") else "B")

    return script


def ask(bouts_, bias, tmp_path):
    with scripted_endpoint(judge_with(bias)) as server:
        asked = questions(bouts_, JUDGE, server.url)
        store = Ledger(f"sqlite:///{tmp_path}/ledger.db")
        told = answer_all(asked, {"": server.endpoint(16)}, store, lambda done, of: None)
        return preferences(bouts_, JUDGE, server.url, told)


def within(interval, truth):
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("bias", [0.0, 0.25, 0.6])
def test_the_planted_preference_and_the_planted_bias_are_both_recovered(bias, tmp_path):
    pair = judged_pair(ask(planted(0.7), bias, tmp_path))
    assert within(pair.decided, 0.7)
    assert within(pair.first_position, 0.5 + bias / 2)
    assert within(pair.preference, 0.5 + 0.2 * (1 - bias))  # a reading that the bias took is a tie
    assert pair.consistent == pytest.approx(1 - bias, abs=0.08)
    assert pair.p_value < 0.001


def test_an_unbiased_judge_is_seen_to_be_one(tmp_path):
    pair = judged_pair(ask(planted(0.7), 0.0, tmp_path))
    assert (pair.wins, pair.losses, pair.ties) == (280, 120, 0)
    assert (pair.first_position.value, pair.consistent) == (0.5, 1.0)
    assert pair.first_position.low > 0.45


def test_a_judge_that_always_says_a_gives_only_ties(tmp_path):
    pair = judged_pair(ask(planted(0.7, cases=60), 1.0, tmp_path))
    assert (pair.ties, pair.preference.value, pair.first_position.value) == (60, 0.5, 1.0)


def test_people_who_contradict_the_judge_in_a_fifth_of_the_pairs_are_recovered(tmp_path):
    lines = [
        {"input": f"q{n}", "a": f"kind {n}", "b": f"rude {n}", "preferred": "b" if n % 5 == 0 else "a"}
        if n % 2
        else {"input": f"q{n}", "a": f"rude {n}", "b": f"kind {n}", "preferred": "a" if n % 5 == 0 else "b"}
        for n in range(100)
    ]
    people = read_labels("\n".join(map(json.dumps, lines)).encode(), "people.jsonl")
    labelled = ask(labelled_bouts(people), 0.0, tmp_path)
    report = judge_report(JUDGE, ask(planted(0.5, cases=20), 0.0, tmp_path), people, labelled)
    assert report.human.share == pytest.approx(0.8)
    assert report.human.kappa == pytest.approx(0.6)  # half of it chance: (0.8 - 0.5) / (1 - 0.5)


@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_over_many_judges_the_intervals_hold_what_was_planted_about_19_times_out_of_20(bias):
    truth = {"decided": 0.7, "first_position": 0.5 + bias / 2, "preference": 0.5 + 0.2 * (1 - bias)}
    draw, trials, held = np.random.default_rng(11), 400, dict.fromkeys(truth, 0)
    for _ in range(trials):
        pair = judged_pair(_drawn(draw, 150, bias))
        for name, planted_figure in truth.items():
            held[name] += within(getattr(pair, name), planted_figure)
    assert min(held.values()) >= 0.92 * trials


def _drawn(draw, cases, bias):
    """What a judge of this bias says of cases of which 0.7 favour the candidate."""
    better = draw.random(cases) < 0.7
    straight, swapped = (np.where(draw.random(cases) < bias, 1, np.where(first, 1, -1)) for first in (better, ~better))
    columns = {"preference": np.sign(straight - swapped), "asked": True, "straight": straight, "swapped": swapped}
    return pd.DataFrame({"candidate": "tune", "reference": "champion", "case": np.arange(cases), **columns})
