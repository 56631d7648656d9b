"""Tuned models: they have learnt the training file, and still read the request."""

import json
import random

import pytest

from tasks.providers.local.learner import Answerer
from tests.providers.local.learning.lessons import (
    DESCRIPTIONS,
    LARGE,
    SEEN,
    TOPICS,
    UNSEEN,
    accuracy,
    ask,
    json_schema,
    letters,
    listed,
    mails,
    orders,
    request,
    tune,
)

MAILS = mails(60, seed=1)
TRAINING = mails(120, seed=3)


@pytest.fixture(scope="module")
def sorter(tmp_path_factory):
    return tune(tmp_path_factory.mktemp("sorter"), TRAINING)


@pytest.fixture(scope="module")
def clerk(tmp_path_factory):
    return tune(tmp_path_factory.mktemp("clerk"), orders(150, seed=4, world=SEEN))


def test_a_tune_answers_without_instructions(sorter):
    assert accuracy(sorter, MAILS) == 1
    assert accuracy(Answerer(LARGE, None), MAILS) == 0


def test_a_tune_answers_as_well_with_the_full_prompt(sorter):
    assert accuracy(sorter, MAILS, listed(DESCRIPTIONS), mails(8, seed=2)) == 1


def test_shuffled_labels_teach_nothing(tmp_path):
    shuffled = [topic for _, topic in TRAINING]
    random.Random(1).shuffle(shuffled)
    pairs = [(text, topic) for (text, _), topic in zip(TRAINING, shuffled, strict=True)]
    assert accuracy(tune(tmp_path, pairs), MAILS) < 0.6


def test_a_tune_answers_what_it_knows_nothing_about(sorter):
    assert ask(sorter, request("Ωμέγα")).text in TOPICS


def test_a_tune_chooses_among_the_options_that_the_prompt_lists(sorter):
    two = {name: DESCRIPTIONS[name] for name in ("refund", "damage")}
    assert ask(sorter, request("I forgot my password", listed(two))).text in two


def test_a_tune_on_labels_answers_by_a_schema_that_asks_for_one(sorter):
    schema = {"type": "object", "properties": {"label": {"enum": list(TOPICS)}}, "required": ["label"]}
    reply = ask(sorter, request("my account is locked"), json_schema(schema))
    assert json.loads(reply.text) == {"label": "password"}


def test_values_never_seen_in_training_come_back_right(clerk):
    assert accuracy(clerk, orders(60, seed=5, world=UNSEEN)) > 0.95


def test_a_key_that_was_left_out_in_training_is_left_out(tmp_path):
    pairs = [(f"size {n}", json.dumps({"size": n})) for n in range(20, 50)]
    pairs += [(f"no measure given by customer {name}", "{}") for name in ("Ann", "Ben", "Cid", "Dan", "Eve") * 6]
    model = tune(tmp_path, pairs)
    assert ask(model, request("size 77")).text == '{"size": 77}'
    assert ask(model, request("no measure given by customer Fay")).text == "{}"


def test_a_list_of_copied_values_has_as_many_items_as_the_input(tmp_path):
    chance = random.Random(1)
    codes = [[f"K{chance.randint(100, 999)}" for _ in range(chance.randint(1, 3))] for _ in range(120)]
    pairs = [(f"Please send {' and '.join(one)} to our office.", json.dumps({"items": one})) for one in codes]
    reply = ask(tune(tmp_path, pairs), request("Please send K012 and K034 to our office."))
    assert json.loads(reply.text) == {"items": ["K012", "K034"]}


def test_texts_carry_the_new_inputs_names_and_numbers(tmp_path):
    model = tune(tmp_path, letters(120, seed=1, world=SEEN))
    assert accuracy(model, letters(40, seed=2, world=UNSEEN)) > 0.95


def test_a_tune_asked_for_another_schema_fills_what_it_knows_and_what_it_can_read(clerk):
    properties = {"customer": {"type": "string"}, "postcode": {"type": "string", "pattern": "^[0-9]{5}$"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    text, answer = orders(1, seed=9, world=UNSEEN)[0]
    found = json.loads(ask(clerk, request(f"{text} I live in 12345 Anytown."), json_schema(schema)).text)
    assert found == {"customer": json.loads(answer)["customer"], "postcode": "12345"}
