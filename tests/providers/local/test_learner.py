"""Base models: they know the request and nothing else."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest

from tasks.providers.local.learner import Answerer, count_tokens
from tests.providers.local.learning.lessons import (
    DESCRIPTIONS,
    LARGE,
    SEEN,
    SMALL,
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
)

MAILS = mails(60, seed=1)
EXAMPLES = mails(8, seed=2)
PERMUTED = dict(zip(DESCRIPTIONS, [*list(DESCRIPTIONS.values())[1:], DESCRIPTIONS["late_parcel"]], strict=True))
ORDER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["customer", "order", "amount", "phone", "urgent"],
    "properties": {
        "customer": {"type": "string", "description": "name of the customer"},
        "order": {
            "type": "object",
            "required": ["code", "date"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "pattern": "^[A-Z]+-[0-9]{5}$"},
                "date": {"type": "string", "format": "date"},
            },
        },
        "amount": {"type": "number", "description": "what was paid or charged"},
        "phone": {"type": ["string", "null"], "pattern": "^\\+[0-9 ]+$"},
        "urgent": {"type": "boolean", "description": "whether it is urgent, hurry"},
    },
}


@pytest.fixture(scope="module")
def base() -> Answerer:
    return Answerer(LARGE, None)


def test_a_base_model_answers_from_label_descriptions(base):
    assert accuracy(base, MAILS, listed(DESCRIPTIONS)) > accuracy(base, MAILS, listed(dict.fromkeys(TOPICS, "")))
    assert accuracy(base, MAILS, listed(DESCRIPTIONS)) > 0.9


def test_permuted_label_descriptions_make_it_wrong(base):
    assert accuracy(base, MAILS, listed(PERMUTED)) < 0.2


def test_it_answers_from_examples_alone(base):
    assert accuracy(base, MAILS, "Sort the mail.", EXAMPLES) > 0.7


def test_wrong_examples_make_it_worse(base):
    topics = list(TOPICS)
    wrong = [(text, topics[topics.index(topic) - 1]) for text, topic in EXAMPLES]
    right = accuracy(base, MAILS, listed(DESCRIPTIONS), EXAMPLES)
    assert accuracy(base, MAILS, listed(DESCRIPTIONS), wrong) < right - 0.2


@pytest.mark.parametrize(
    "system",
    [
        "- late_parcel\n- refund\n- damage\n- password",
        "late_parcel: a delivery\nrefund: money back\ndamage: broken\npassword: log in",
        "1. `late_parcel` - a delivery\n2. `refund` - money back\n3. **damage** - broken\n4. password",
        "Answer with one of: late_parcel, refund, damage or password.",
    ],
)
def test_it_finds_the_options_however_they_are_listed(base, system):
    assert ask(base, request("I forgot my password", system)).text == "password"


def test_rules_are_no_options(base):
    system = "Rules:\n- Be brief and never answer the customer yourself.\n- Do not guess.\n\n" + listed(DESCRIPTIONS)
    assert ask(base, request("the refund is missing", system)).text == "refund"


def test_a_rule_that_names_one_option_tells_of_it(base):
    options = "Labels:\n- alpha\n- beta"
    assert ask(base, request("my bicycle has a flat tyre", f"A bicycle belongs to beta.\n\n{options}")).text == "beta"
    assert ask(base, request("my bicycle has a flat tyre", f"A bicycle belongs to alpha.\n\n{options}")).text == "alpha"


def test_without_options_or_examples_the_answer_is_no_label(base):
    assert ask(base, request("I forgot my password", "Sort the mail.")).text not in TOPICS


def test_the_large_base_sees_word_forms_that_the_small_one_does_not(base):
    options = listed({"shipping": "shipment, deliver", "payment": "pay"})
    cases = [("when will you be delivering", "shipping"), ("shipments lost", "shipping"), ("paying twice", "payment")]
    assert accuracy(base, cases, options) == 1
    assert accuracy(Answerer(SMALL, None), cases, options) < 1


def test_a_schema_with_options_gets_an_object_with_one_of_them(base):
    schema = {"type": "object", "properties": {"label": {"enum": list(TOPICS)}}, "required": ["label"]}
    reply = ask(base, request("the glass is cracked", listed(DESCRIPTIONS)), json_schema(schema))
    assert json.loads(reply.text) == {"label": "damage"}


def test_a_schema_alone_finds_values_that_look_right(base):
    text, answer = orders(1, seed=5, world=UNSEEN)[0]
    found = json.loads(ask(base, request(text, "Read the mail."), json_schema(ORDER)).text)
    wanted = json.loads(answer)
    assert (found["order"], found["amount"], found["phone"]) == (wanted["order"], wanted["amount"], wanted["phone"])


def test_examples_show_which_values_to_copy_and_new_values_come_back_right(base):
    cases, examples = orders(40, seed=6, world=UNSEEN), orders(8, seed=7, world=SEEN)
    assert accuracy(base, cases, "Read the mail.", examples) > 0.5
    found = [json.loads(ask(base, request(text, "", examples)).text) for text, _ in cases]
    assert sum(one["order"] == json.loads(answer)["order"] for one, (_, answer) in zip(found, cases, strict=True)) >= 38


def test_a_value_that_stands_in_the_question_outweighs_examples_that_have_none(base):
    schema = {"type": "object", "properties": {"by": {"enum": ["Parcelo", "Swift", None]}}, "required": ["by"]}
    examples = [(f"my parcel of {day} is late", '{"by": null}') for day in ("Monday", "Friday", "Sunday")]
    ask_by = json_schema(schema)
    assert ask(base, request("my parcel of Tuesday is late", "", examples), ask_by).text == '{"by": null}'
    assert ask(base, request("my parcel of Tuesday by Swift is late", "", examples), ask_by).text == '{"by": "Swift"}'


def test_a_value_that_fits_the_pattern_beats_null_without_a_describing_word_near(base):
    code = {"type": ["string", "null"], "pattern": "^[A-Z]{3}[0-9]{3}$"}
    schema = {"type": "object", "properties": {"code": code}, "required": ["code"]}
    assert ask(base, request("it was ABC123, thank you"), json_schema(schema)).text == '{"code": "ABC123"}'
    assert ask(base, request("it was nothing, thank you"), json_schema(schema)).text == '{"code": null}'


def test_every_answer_to_a_schema_is_valid(base):
    for text, _ in orders(10, seed=8, world=UNSEEN):
        jsonschema.validate(json.loads(ask(base, request(text), json_schema(ORDER)).text), ORDER)
    empty = json.loads(ask(base, request(""), json_schema(ORDER)).text)
    assert list(empty) == ORDER["required"], "where no value fits a pattern, its key is still there"


def test_a_sketched_object_in_the_instructions_gives_the_keys(base):
    system = 'Answer like this: {"code": "the order code", "amount": "the amount paid"}'
    assert list(json.loads(ask(base, request("Order AB-12345, I paid $3.50", system)).text)) == ["code", "amount"]


def test_a_text_is_the_nearest_examples_with_the_new_values_in_it(base):
    cases, examples = letters(30, seed=1, world=UNSEEN), letters(6, seed=2, world=SEEN)
    assert accuracy(base, cases, "Reply.", examples) > 0.8


def test_a_text_without_examples_is_made_of_the_instructions_and_the_question(base):
    reply = ask(base, request("My parcel is late.", 'Begin with "Dear customer," and end with "The shop team".'))
    assert reply.text == "Dear customer, My parcel is late. The shop team"


def test_the_same_request_and_seed_give_the_same_answer(base):
    messages = request("hello", listed(DESCRIPTIONS))
    drawn = [base.answer(messages, None, 1.5, 3).text for _ in range(5)]
    assert len(set(drawn)) == 1
    assert ask(base, messages) == ask(Answerer(LARGE, None), messages)


def test_answers_vary_with_the_seed_and_without_one(base):
    messages = request("hello", listed(DESCRIPTIONS))
    assert len({base.answer(messages, None, 2.0, seed).text for seed in range(40)}) > 1
    assert len({base.answer(messages, None, 2.0, None).text for _ in range(40)}) > 1


def test_tokens_spell_the_text_and_their_probabilities_multiply_to_the_answers(base):
    reply = ask(base, request("the glass is cracked", listed(DESCRIPTIONS), EXAMPLES))
    assert "".join(token for token, _, _ in reply.tokens) == reply.text
    assert 0.25 < math.exp(sum(logprob for _, logprob, _ in reply.tokens)) < 1
    first, logprob, rivals = reply.tokens[0]
    assert rivals[0] == (first, logprob)
    assert {text for text, _ in rivals} == {"late", "refu", "dama", "pass"}


def test_a_token_is_up_to_four_letters_or_one_sign_with_the_space_before_it():
    assert count_tokens("my password: 12345") == 6
    assert count_tokens("") == 0


def test_threads_may_share_a_model(base):
    requests = [request(text, listed(DESCRIPTIONS), EXAMPLES) for text, _ in MAILS]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda one: ask(base, one), requests)) == [ask(base, one) for one in requests]
