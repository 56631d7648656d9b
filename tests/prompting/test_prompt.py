import json

import pytest

from data_contracts.candidate import Candidate, Decoding, FewShot, Prompt
from data_contracts.contract import Contract, Mapping
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.prompting.bloat import warnings
from tasks.prompting.few_shot import Shot
from tasks.prompting.prompt import Renderer, as_text, estimated_tokens

INVOICE = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "city": {"type": ["string", "null"]}},
    "required": ["total"],
    "additionalProperties": False,
}
QUESTION = [{"role": "user", "content": "Where is my card?"}]
SHOT = Shot("t1", [{"role": "system", "content": "source"}, {"role": "user", "content": "Card lost"}], "card_loss")


def contract(**parts):
    return Contract(name="c", version="1", columns={}, mapping=Mapping(input="text", output="label"), **parts)


def classifier(labels=None, train_labels=()):
    return Renderer(TaskKind.CLASSIFICATION, contract(labels=labels or {}), train_labels)


def extractor():
    return Renderer(TaskKind.EXTRACTION, contract(output_schema=INVOICE), [])


def writer():
    return Renderer(TaskKind.FREE_TEXT, contract(), [])


def asking(prompt):
    return Candidate(name="c", kind="prompt", model="m-1", base_model="m-1", prompt=prompt)


QUEUES = {"top_up": "Money does not arrive", "card_loss": "The card is gone"}


# ---------------------------------------------------------------- what is sent


def test_the_system_message_holds_role_rules_labels_and_format_in_that_order():
    prompt = Prompt(name="p", role="You route mail.", rules=["One queue.", "No reply."], labels="descriptions")
    prompt = prompt.model_copy(update={"output_format": "The queue's name."})
    body = classifier(QUEUES).request(asking(prompt), QUESTION, [])
    assert body["messages"] == [
        {
            "role": "system",
            "content": "You route mail.\n\nRules:\n- One queue.\n- No reply.\n\n"
            "Labels:\n- card_loss: The card is gone\n- top_up: Money does not arrive\n\n"
            "Output format:\nThe queue's name.",
        },
        *QUESTION,
    ]


def test_a_prompt_without_layers_sends_the_question_alone():
    assert classifier(QUEUES).request(asking(Prompt(name="p")), QUESTION, [])["messages"] == QUESTION


def test_labels_without_a_contract_are_those_of_train_and_have_no_description():
    renderer = classifier(train_labels=["b", "a", "b"])
    body = renderer.request(asking(Prompt(name="p", labels="descriptions")), QUESTION, [])
    assert body["messages"][0]["content"] == "Labels:\n- a\n- b"


def test_instructions_of_the_row_follow_ours_in_one_system_message():
    row = [{"role": "developer", "content": "Customer speaks German."}, *QUESTION]
    messages = classifier(QUEUES).request(asking(Prompt(name="p", role="Route.")), row, [])["messages"]
    assert messages == [{"role": "system", "content": "Route.\n\nCustomer speaks German."}, *QUESTION]


def test_examples_stand_as_turns_before_the_question_without_their_own_instructions():
    messages = classifier(QUEUES).request(asking(Prompt(name="p", role="Route.")), QUESTION, [SHOT])["messages"]
    assert messages[1:] == [
        {"role": "user", "content": "Card lost"},
        {"role": "assistant", "content": "card_loss"},
        *QUESTION,
    ]


def test_decoding_goes_into_the_body_and_an_unset_seed_does_not():
    prompt = Prompt(name="p", decoding=Decoding(temperature=0.3, max_tokens=9, seed=None))
    body = writer().request(asking(prompt), QUESTION, [])
    assert body == {"model": "m-1", "messages": QUESTION, "temperature": 0.3, "max_tokens": 9}


def test_top_p_is_sent_where_it_is_set():
    prompt = Prompt(name="p", decoding=Decoding(top_p=0.9))
    assert writer().request(asking(prompt), QUESTION, [])["top_p"] == 0.9


def test_a_structured_label_is_asked_for_by_schema_and_shown_as_json_in_the_examples():
    body = classifier(QUEUES).request(asking(Prompt(name="p", structured=True)), QUESTION, [SHOT])
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["label"]["enum"] == ["card_loss", "top_up"]
    assert body["messages"][1] == {"role": "assistant", "content": '{"label":"card_loss"}'}


def test_a_structured_extraction_carries_the_schema_of_the_contract():
    body = extractor().request(asking(Prompt(name="p", structured=True)), QUESTION, [])
    assert body["response_format"]["json_schema"]["schema"] == INVOICE


def test_structured_free_text_without_a_schema_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="structured: false"):
        writer().request(asking(Prompt(name="p", structured=True)), QUESTION, [])


# ---------------------------------------------------------------- what is trained on


@pytest.mark.parametrize("structured", [False, True])
def test_a_training_record_is_the_request_and_an_answer_that_parses_to_the_expected_one(structured):
    prompt, renderer = Prompt(name="minimal", role="Route.", structured=structured), classifier(QUEUES)
    row = [{"role": "system", "content": "Bank"}, *QUESTION]
    *asked, answer = renderer.training_record(prompt, row, "top_up")["messages"]
    assert asked == renderer.request(asking(prompt), row, [])["messages"]
    assert answer["role"] == "assistant"
    assert renderer.parse(answer["content"], prompt) == "top_up"


def test_a_training_prompt_with_examples_is_refused_since_its_requests_would_look_different():
    with pytest.raises(ConfigurationError, match=r"few_shot\.count"):
        classifier(QUEUES).training_record(Prompt(name="p", few_shot=FewShot(count=2)), QUESTION, "top_up")


# ---------------------------------------------------------------- how an answer is read


@pytest.mark.parametrize("text", ["top_up", ' "top_up"\n', "Top_Up", "“TOP_UP”", "`top_up`", '{"label": "Top_up"}'])
def test_a_label_may_differ_in_case_space_and_quotes_or_come_as_json(text):
    assert classifier(QUEUES).parse(text, Prompt(name="p")) == "top_up"


@pytest.mark.parametrize("text", ["", "topup", "top_up.", "It is top_up", "[]", '{"label": 3}', '{"label": "nope"}'])
def test_anything_else_is_no_label(text):
    assert classifier(QUEUES).parse(text, Prompt(name="p")) is None


def test_space_inside_a_label_may_vary():
    assert classifier(train_labels=["lost card"]).parse("Lost\n  card", Prompt(name="p")) == "lost card"


def test_labels_that_differ_in_case_only_are_told_apart_and_never_guessed():
    renderer = classifier(train_labels=["US", "us", "other"])
    assert [renderer.parse(text, Prompt(name="p")) for text in ("US", "us", "Us", "OTHER")] == [
        "US",
        "us",
        None,
        "other",
    ]


def test_a_structured_prompt_takes_the_object_only():
    renderer, prompt = classifier(QUEUES), Prompt(name="p", structured=True)
    assert renderer.parse('{"label":"top_up"}', prompt) == "top_up"
    assert renderer.parse("top_up", prompt) is None
    assert renderer.parse('{"label":"top_up","reason":"x"}', prompt) is None


@pytest.mark.parametrize("text", ['{"total": 3.5, "city": "Bonn"}', '```json\n{"city": "Bonn", "total": 3.5}\n```\n'])
def test_an_extraction_becomes_canonical_json_also_out_of_a_fence(text):
    assert extractor().parse(text, Prompt(name="p")) == '{"city":"Bonn","total":3.5}'


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Bonn"}',
        '{"total": "3"}',
        '{"total": 1, "vat": 2}',
        'Here it is: {"total": 1}',
        '{"total": NaN}',
        '{"total": 1e999}',
        '{"total": 1, "city": "\\ud83d"}',
        "[" * 100_000,
        "3",
        "",
    ],
)
def test_what_breaks_the_schema_or_cannot_be_written_again_is_unparsable(text):
    assert extractor().parse(text, Prompt(name="p")) is None


def test_free_text_is_stripped_and_empty_is_no_answer():
    assert writer().parse("  Dear Ms Lee \n", Prompt(name="p")) == "Dear Ms Lee"
    assert writer().parse(" \n", Prompt(name="p")) is None


# ---------------------------------------------------------------- bloat


def test_over_two_thousand_tokens_or_five_examples_is_said_to_be_bloat():
    assert warnings(Prompt(name="p", few_shot=FewShot(count=5)), 2_000) == []
    both = warnings(Prompt(name="p", few_shot=FewShot(count=6)), 2_001)
    assert [("tokens" in both[0]), ("examples" in both[1])] == [True, True]


def test_bloat_is_told_by_layer_the_largest_first():
    (warning,) = warnings(Prompt(name="p"), 2_500, {"role": 100, "examples": 1_500, "labels": 400, "rules": 0})
    assert "(most of them in examples: examples 75%, labels 20%, role 5%)" in warning


def test_the_layers_of_a_request_are_told_apart():
    prompt = Prompt(name="p", role="R" * 40, rules=["r" * 38], labels="names", output_format="F" * 80, structured=True)
    found = classifier(QUEUES).layers(prompt, [{"role": "system", "content": "S" * 400}, *QUESTION], [SHOT, SHOT])
    assert (found["role"], found["rules"], found["format"], found["reasoning"]) == (10, 10, 20, 0)
    assert found["input"] > 100
    assert found["examples"] > 20 > found["labels"] > 0
    assert found["schema"] > 20


def test_tokens_are_estimated_from_utf8_bytes():
    assert estimated_tokens([{"role": "user", "content": "abcd"}, {"role": "user", "content": "é"}]) == 2


def test_a_request_can_be_written_as_json():
    body = extractor().request(asking(Prompt(name="p", role="R", structured=True)), QUESTION, [SHOT])
    assert json.loads(json.dumps(body)) == body


# ---------------------------------------------------------------- as one text


def test_a_prompt_as_text_is_what_is_sent_with_places_for_examples_and_input():
    prompt = Prompt(name="p", role="You route mail.", labels="names", reasoning=True, few_shot=FewShot(count=3))
    text = as_text(prompt, contract(labels=QUEUES), [*QUEUES])
    system = classifier(QUEUES).request(asking(prompt), QUESTION, [])["messages"][0]["content"]
    assert text == f"{system}\n\n{{{{examples}}}}\n\n{{{{input}}}}"


def test_a_prompt_as_text_holds_the_schema_that_is_asked_for():
    text = as_text(Prompt(name="p", structured=True), contract(output_schema=INVOICE), [])
    assert text.startswith("{{input}}\n\nJSON Schema of the answer:\n")
    assert json.loads(text.split("answer:\n")[1]) == INVOICE
