import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.candidate import FewShot
from tasks.errors import DataError
from tasks.prompting.few_shot import FewShots, OtherFolds

BANKING77 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
MAIL = [
    ("a1", "my card was stolen in the metro", "card_loss"),
    ("a2", "i lost my card", "card_loss"),
    ("a3", "card lost, please block my card", "card_loss"),
    ("b1", "the top up did not arrive", "top_up"),
    ("b2", "top up failed again", "top_up"),
    ("c1", "what is the exchange rate", "rates"),
]


def train(rows=MAIL):
    frame = pd.DataFrame(rows, columns=["id", "input", "output"])
    return frame.assign(messages=[json.dumps([{"role": "user", "content": text}]) for text in frame["input"]])


def chosen(inputs, count, choose, rows=MAIL):
    shots = FewShots(train(rows)).choose(inputs, FewShot(count=count, choose=choose))
    return [[shot.id for shot in of_one] for of_one in shots]


def test_a_shot_carries_the_messages_and_the_answer_of_its_train_row():
    (shot,) = FewShots(train(MAIL[:1])).choose(["hello"], FewShot(count=1))[0]
    assert (shot.id, shot.output) == ("a1", "card_loss")
    assert shot.messages == [{"role": "user", "content": "my card was stolen in the metro"}]


def test_fixed_examples_are_the_same_for_every_input_and_take_the_answers_in_turn():
    first, second = chosen(["hello", "top up please"], 4, "fixed")
    assert first == second
    labels = {id_: label for id_, _, label in MAIL}
    assert [labels[id_] for id_ in first] == ["card_loss", "top_up", "rates", "card_loss"]


def test_the_fixed_example_of_an_answer_is_its_most_central_row():
    rows = [("1", "weather", "x"), ("2", "lost card", "x"), ("3", "lost card today", "x"), ("4", "my lost card", "x")]
    assert chosen(["hello"], 1, "fixed", rows) == [["2"]]


def test_examples_do_not_depend_on_the_order_of_the_rows():
    for choose in ("fixed", "similar"):
        assert chosen(["where is my card"], 3, choose) == chosen(["where is my card"], 3, choose, MAIL[::-1])


def test_similar_examples_are_the_nearest_rows_with_the_nearest_last():
    (ids,) = chosen(["top up has failed"], 2, "similar")
    assert ids == ["b1", "b2"]


def test_equally_similar_rows_fall_to_the_smaller_id():
    rows = [(id_, "card lost", "x") for id_ in ("3", "1", "2")]
    assert chosen(["lost the card"], 2, "similar", rows) == [["2", "1"]]


@pytest.mark.parametrize("choose", ["fixed", "similar"])
def test_a_row_with_the_words_of_the_input_is_never_its_example(choose):
    (ids,) = chosen(["I LOST my card!"], 6, choose)
    assert sorted(ids) == ["a1", "a3", "b1", "b2", "c1"]


@pytest.mark.parametrize("choose", ["fixed", "similar"])
def test_fewer_rows_than_asked_for_give_all_of_them(choose):
    assert sorted(chosen(["hello"], 50, choose)[0]) == [id_ for id_, _, _ in MAIL]


def test_an_input_that_shares_nothing_with_train_still_gets_its_examples():
    assert len(chosen(["zzz qqq"], 2, "similar")[0]) == 2


def test_texts_without_spaces_between_words_are_compared_too():
    rows = [("1", "今天天气怎么样", "x"), ("2", "我的银行卡丢了", "x"), ("3", "汇率是多少", "x")]
    assert chosen(["银行卡丢了怎么办"], 1, "similar", rows) == [["2"]]


def test_no_examples_need_no_train_rows_but_some_do():
    empty = FewShots(train([]))
    assert empty.choose(["a", "b"], FewShot(count=0)) == [[], []]
    with pytest.raises(DataError, match="few_shot"):
        empty.choose(["a"], FewShot(count=1))


@pytest.mark.skipif(not BANKING77.exists(), reason="the public data set is not here")
def test_ten_thousand_rows_give_three_thousand_inputs_their_nearest_ones_in_seconds():
    rows, test = pd.read_csv(BANKING77 / "train.csv"), pd.read_csv(BANKING77 / "test.csv")
    shots = FewShots(train([(f"{i:05}", *row) for i, row in enumerate(rows.itertuples(index=False))]))
    shots.choose(["warm up"], FewShot(count=1, choose="similar"))
    started = time.process_time()
    found = shots.choose(test["text"].tolist(), FewShot(count=5, choose="similar"))
    assert time.process_time() - started < 8  # about 1.2 s on one idle core
    near = [any(shot.output == label for shot in of_one) for of_one, label in zip(found, test["category"], strict=True)]
    assert sum(near) / len(near) > 0.92


# ---------------------------------------------------------------- folds

FOLDS = np.array([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("choose", ["fixed", "similar"])
def test_a_row_is_shown_examples_of_the_other_folds_only(choose):
    fold = {id_: number for (id_, _, _), number in zip(MAIL, FOLDS, strict=True)}
    chosen = OtherFolds(train(), FOLDS).choose([text for _, text, _ in MAIL], FewShot(count=6, choose=choose))
    for (id_, _, _), shots in zip(MAIL, chosen, strict=True):
        assert {shot.id for shot in shots} == {other for other in fold if fold[other] != fold[id_]}


def test_a_row_written_another_way_is_still_of_its_fold_and_a_text_of_no_fold_may_see_any():
    mine, foreign = OtherFolds(train(), FOLDS).choose(["TOP UP failed again!", "hello"], FewShot(count=6))
    assert {shot.id for shot in mine} == {"a1", "a2", "a3", "b1"}
    assert len(foreign) == 6


def test_in_folds_a_prompt_without_examples_gets_none():
    assert OtherFolds(train(), FOLDS).choose(["hello", MAIL[0][1]], FewShot(count=0)) == [[], []]
