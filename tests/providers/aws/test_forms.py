"""A line of a training file in the form of each family of base models."""

import json
from typing import Any

import pytest

from tasks.errors import ProviderRefusedError
from tasks.providers.aws.forms import COMPLETION, PREFERENCE, converted, converted_uri, form_of, original_uri
from tests.providers.aws.orders import file_of, record

BRIEF = {"role": "system", "content": "Name the label."}
ASK, SAY = {"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "card"}
TURNS = [BRIEF, ASK, SAY, {**ASK, "content": "And now?"}, {**SAY, "content": "lost"}]


def line(base_model: str, **given: Any) -> dict[str, Any]:
    form = form_of(base_model, "supervised")
    assert form is not None
    found: dict[str, Any] = json.loads(converted(file_of(given), form, at_least=1))
    return found


CONVERSATIONAL = (
    "amazon.nova-lite-v1:0:300k",
    "meta.llama3-2-3b-instruct-v1:0",
    "arn:aws:bedrock:us-west-2::foundation-model/meta.llama3-3-70b-instruct-v1:0",
)


@pytest.mark.parametrize("base_model", CONVERSATIONAL)
def test_conversations_keep_every_turn(base_model: str) -> None:
    found = line(base_model, messages=TURNS)
    assert found["schemaVersion"] == "bedrock-conversation-2024" and found["system"] == [{"text": "Name the label."}]
    assert [turn["content"][0]["text"] for turn in found["messages"]] == ["Where is it?", "card", "And now?", "lost"]


@pytest.mark.parametrize("base_model", ["meta.llama3-1-8b-instruct-v1:0:128k", "amazon.titan-text-express-v1"])
def test_a_completion_is_led_by_the_instructions(base_model: str) -> None:
    assert line(base_model, messages=[BRIEF, ASK, SAY]) == {
        "prompt": "Name the label.\n\nWhere is it?", "completion": "card"
    }  # fmt: skip


def test_claude_takes_messages_with_plain_text() -> None:
    found = line("anthropic.claude-3-haiku-20240307-v1:0:200k", messages=TURNS)
    assert found["system"] == "Name the label." and found["messages"][0] == ASK
    assert [turn["role"] for turn in found["messages"]] == ["user", "assistant", "user", "assistant"]


def test_a_preference_is_a_prompt_with_two_answers() -> None:
    pair = {
        "input": {"messages": [BRIEF, ASK]},
        "preferred_output": [SAY],
        "non_preferred_output": [{**SAY, "content": "no"}],
    }
    assert json.loads(converted(file_of(pair), PREFERENCE, at_least=1)) == {
        "prompt": "Name the label.\n\nWhere is it?", "chosen": "card", "rejected": "no"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"messages": TURNS}, "more turns"),
        ({"messages": [ASK, {**SAY, "weight": 0}]}, "not to be learned"),
        ({"messages": [ASK, {**SAY, "tool_calls": [{"id": "1"}]}]}, "tools"),
        ({"messages": [{**ASK, "name": "Ann"}, SAY]}, "role or a key"),
        ({"text": "no chat"}, "no chat record"),
    ],
)
def test_a_record_without_such_a_form_is_refused_by_its_line_and_not_quoted(broken: dict[str, Any], says: str) -> None:
    with pytest.raises(ProviderRefusedError, match=f"line 2 of the file: .*{says}") as caught:
        converted(file_of(record(), broken), COMPLETION, at_least=1)
    assert "Where is it?" not in str(caught.value)


def test_a_family_whose_form_is_not_known_has_none() -> None:
    assert form_of("cohere.command-text-v14", "supervised") is None


def test_a_conversion_leads_back_to_its_file() -> None:
    for base_model in ("amazon.nova-lite-v1:0", "anthropic.claude-3-haiku", "meta.llama3-1-8b"):
        form = form_of(base_model, "supervised")
        assert form is not None
        uri = "s3://bucket/files/abc-intent.validation.jsonl"
        assert original_uri(converted_uri(uri, form)) == uri != converted_uri(uri, form)
