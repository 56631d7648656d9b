"""A prompt that lets the model think first: what is asked, what is shown, and what counts of the answer."""

import json

import pytest

from data_contracts.candidate import Candidate, Decoding, FewShot, Prompt
from data_contracts.contract import Contract, Mapping
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.prompting.bloat import warnings
from tasks.prompting.few_shot import Shot
from tasks.prompting.prompt import Renderer

CITY = {"type": "object", "properties": {"city": {"$ref": "#/$defs/name"}}, "required": ["city"]}
SCHEMA = {**CITY, "$defs": {"name": {"type": "string"}}}
QUESTION = [{"role": "user", "content": "Where is my card?"}]
THINKING = Prompt(name="p", role="Route.", reasoning=True)
STRUCTURED = Prompt(name="p", reasoning=True, structured=True)


def renderer(kind, labels=(), schema=None):
    contract = Contract(
        name="c", version="1", columns={}, mapping=Mapping(input="text", output="label"), output_schema=schema
    )
    return Renderer(kind, contract, labels)


CLASSIFIER = renderer(TaskKind.CLASSIFICATION, ["top_up", "card_loss"])
EXTRACTOR = renderer(TaskKind.EXTRACTION, schema=SCHEMA)
WRITER = renderer(TaskKind.FREE_TEXT)


def asked(who, prompt, *outputs):
    candidate = Candidate(name="c", kind="prompt", model="m-1", base_model="m-1", prompt=prompt)
    shots = [Shot("t", [{"role": "user", "content": "Card lost"}], output) for output in outputs]
    return who.request(candidate, QUESTION, shots)


# ---------------------------------------------------------------- what is sent


def test_the_last_section_asks_to_think_first_and_to_end_with_an_answer_line():
    text = asked(CLASSIFIER, THINKING.model_copy(update={"output_format": "A label."}))["messages"][0]["content"]
    assert text.startswith("Route.\n\nOutput format:\nA label.\n\nReasoning:\nThink step by step")
    assert "`Answer: <the answer>`" in text


def test_a_structured_label_comes_after_the_reasoning_in_the_schema():
    body = asked(CLASSIFIER, STRUCTURED)
    schema = body["response_format"]["json_schema"]["schema"]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert list(schema["properties"]) == schema["required"] == ["reasoning", "label"]
    assert schema["properties"]["label"] == {"type": "string", "enum": ["card_loss", "top_up"]}
    assert schema["additionalProperties"] is False


def test_a_structured_extraction_carries_the_contracts_schema_as_its_answer():
    schema = asked(EXTRACTOR, STRUCTURED)["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["reasoning", "answer"]
    assert schema["properties"]["answer"] == CITY
    assert schema["$defs"] == SCHEMA["$defs"], "where its references look for it"


def test_structured_reasoning_without_a_schema_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="structured: false"):
        asked(WRITER, STRUCTURED)


@pytest.mark.parametrize(
    ("who", "prompt", "output", "shown"),
    [
        (CLASSIFIER, THINKING, "top_up", "Answer: top_up"),
        (EXTRACTOR, THINKING, '{"city":"Bonn"}', 'Answer: {"city":"Bonn"}'),
        (WRITER, THINKING, "Dear Ms Lee", "Answer: Dear Ms Lee"),
        (CLASSIFIER, STRUCTURED, "top_up", '{"reasoning":"","label":"top_up"}'),
        (EXTRACTOR, STRUCTURED, '{"city":"Bonn"}', '{"reasoning":"","answer":{"city":"Bonn"}}'),
    ],
)
def test_an_example_shows_the_form_of_the_answer_and_no_made_up_thinking(who, prompt, output, shown):
    system, _, example, _ = asked(who, prompt.model_copy(update={"few_shot": FewShot(count=1)}), output)["messages"]
    assert example == {"role": "assistant", "content": shown}
    assert who.parse(shown, prompt) == output
    assert "The examples leave the thinking out" in system["content"]


def test_a_tunes_own_prompt_cannot_ask_for_reasoning_since_no_row_holds_any():
    with pytest.raises(ConfigurationError, match="reasoning: false"):
        CLASSIFIER.training_record(THINKING, QUESTION, "top_up")


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    "text",
    [
        "Money is missing.\nAnswer: top_up",
        "answer: TOP_UP",
        "Hm.\n**Answer:** top_up\n",
        "Hm.\n**Answer: top_up**",
        "Hm.\n**Answer**: `top_up`",
        "Hm.\nAnswer: **top_up**",
        "### Answer:\n\ntop_up",
        "Answer: card_loss\nNo, the card is there.\nAnswer: top_up",
        'Hm.\nAnswer: {"label": "top_up"}',
    ],
)
def test_the_label_is_what_follows_the_last_answer_line(text):
    assert CLASSIFIER.parse(text, THINKING) == "top_up"


@pytest.mark.parametrize("text", ["top_up", "The answer: top_up", "Answer: top_up\nAnswer: perhaps", "Answer:", ""])
def test_an_answer_without_such_a_line_or_with_something_else_on_it_is_unparsable(text):
    assert CLASSIFIER.parse(text, THINKING) is None


@pytest.mark.parametrize(
    "text",
    [
        'It says Bonn.\nAnswer: {"city": "Bonn"}',
        'It says Bonn.\n**Answer:**\n```json\n{"city": "Bonn"}\n```',
        'Answer: ```json\n{"city": "Bonn"}\n```',
    ],
)
def test_the_json_after_the_answer_line_counts_fenced_or_not(text):
    assert EXTRACTOR.parse(text, THINKING) == '{"city":"Bonn"}'


def test_json_without_the_line_or_against_the_schema_is_unparsable():
    assert EXTRACTOR.parse('{"city": "Bonn"}', THINKING) is None
    assert EXTRACTOR.parse('Answer: {"city": 3}', THINKING) is None


def test_a_free_text_is_all_that_follows():
    assert WRITER.parse("First this.\nAnswer: Dear Ms Lee,\n\nyour card is **here**.", THINKING) == (
        "Dear Ms Lee,\n\nyour card is **here**."
    )
    assert WRITER.parse("First this.\nAnswer:  \n", THINKING) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('{"reasoning": "Money.", "label": "Top_up"}', "top_up"),
        ('{"label": "top_up"}', None),
        ('{"reasoning": "", "label": "top_up", "more": 1}', None),
        ('{"reasoning": "", "label": 3}', None),
        ("Answer: top_up", None),
    ],
)
def test_a_structured_answer_is_the_whole_object_alike_for_all(text, label):
    assert CLASSIFIER.parse(text, STRUCTURED) == label


def test_a_structured_extraction_is_the_answer_inside_by_the_contracts_schema():
    assert EXTRACTOR.parse('{"reasoning": "x", "answer": {"city": "Bonn"}}', STRUCTURED) == '{"city":"Bonn"}'
    assert EXTRACTOR.parse('{"reasoning": "x", "answer": {"city": 3}}', STRUCTURED) is None
    assert EXTRACTOR.parse('{"city": "Bonn"}', STRUCTURED) is None


def test_structured_free_text_is_the_answer_of_its_schema():
    writer = renderer(TaskKind.FREE_TEXT, schema={"type": "string"})
    assert writer.parse(json.dumps({"reasoning": "x", "answer": " Dear Ms Lee "}), STRUCTURED) == "Dear Ms Lee"


def test_tool_calls_are_their_own_answer_whatever_was_thought():
    calls = '{"tool_calls":[{"arguments":{"city":"Bonn"},"name":"find"}]}'
    assert WRITER.parse(calls, THINKING) == calls
    assert asked(WRITER, THINKING, calls)["messages"][2]["tool_calls"][0]["function"]["name"] == "find"


# ---------------------------------------------------------------- room


def test_too_few_tokens_to_reason_in_are_warned_of():
    assert warnings(THINKING.model_copy(update={"decoding": Decoding(max_tokens=128)}), 100) == []
    (warning,) = warnings(THINKING.model_copy(update={"decoding": Decoding(max_tokens=127)}), 100)
    assert "decoding.max_tokens is 127" in warning
