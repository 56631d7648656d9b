"""A model that is asked to think first says why, and answers as it would have without."""

import json
import math

import pytest

from tasks.providers.local.learner import Answerer, Reply

LABELS = "Labels:\n- refund: money back for an order\n- delivery: where is the parcel"
ASKS = (
    "Reasoning:\nThink step by step before you answer. Then end with one last line that reads `Answer: <the answer>`."
)
ORDER = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "pattern": "^A-[0-9]+$"},
        "kind": {"type": "string", "enum": ["refund", "delivery"]},
    },
    "required": ["order", "kind"],
    "additionalProperties": False,
}
LABEL = {"type": "string", "enum": ["refund", "delivery"]}


@pytest.fixture(scope="module")
def base() -> Answerer:
    return Answerer("local-base-large-2026-06-01", None)


def ask(base: Answerer, system: str, schema: dict | None = None, shots: tuple[str, ...] = ()) -> Reply:
    examples = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), shots, strict=False)]
    question = {"role": "user", "content": "where is the parcel of order A-123?"}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}} if schema else None
    return base.answer([{"role": "system", "content": system}, *examples, question], wanted, 0.0, 7)


def with_reasoning(key: str, schema: dict) -> dict:
    properties = {"reasoning": {"type": "string"}, key: schema}
    return {
        "type": "object",
        "properties": properties,
        "required": ["reasoning", key],
        "additionalProperties": False,
    }


def chance(reply: Reply) -> float:
    return math.exp(sum(logprob for _, logprob, _ in reply.tokens))


def test_the_section_makes_it_think_first_and_end_with_the_answer(base: Answerer):
    said, answer = ask(base, f"{LABELS}\n\n{ASKS}").text.rsplit("\n", 1)
    assert answer == "Answer: delivery"
    assert "probability" in said and '"parcel"' in said


def test_the_answer_is_the_one_that_it_gives_without_thinking_and_as_probable(base: Answerer):
    plain, thought = ask(base, LABELS), ask(base, f"{LABELS}\n\n{ASKS}")
    assert thought.text.endswith(f"Answer: {plain.text}")
    assert chance(thought) == pytest.approx(chance(plain))


def test_thinking_costs_tokens(base: Answerer):
    assert len(ask(base, f"{LABELS}\n\n{ASKS}").tokens) > 20 + len(ask(base, LABELS).tokens)


def test_what_a_row_says_after_the_section_is_still_read(base: Answerer):
    added = "\n\n- damage: the parcel of order A-123 is broken, where is it"
    assert ask(base, f"{ASKS}{added}\n- other: anything").text.endswith("Answer: damage")


def test_an_examples_answer_is_what_follows_its_reasoning(base: Answerer):
    shots = ("where is the parcel of order A-123?", "It is late.\nAnswer: refund")
    assert ask(base, f"{LABELS}\n\n{ASKS}", shots=shots).text.endswith("\nAnswer: refund")


def test_a_label_in_json_comes_after_the_reasoning(base: Answerer):
    found = json.loads(ask(base, LABELS, with_reasoning("label", LABEL)).text)
    assert list(found) == ["reasoning", "label"]
    assert (found["label"], "probability" in found["reasoning"]) == ("delivery", True)


def test_an_object_comes_after_the_reasoning_as_it_would_without(base: Answerer):
    found = json.loads(ask(base, LABELS, with_reasoning("answer", ORDER)).text)
    assert list(found) == ["reasoning", "answer"]
    assert found["answer"] == json.loads(ask(base, LABELS, ORDER).text) == {"order": "A-123", "kind": "delivery"}


def test_an_example_with_empty_reasoning_teaches_its_answer(base: Answerer):
    asked = "where is the parcel of order A-123?"
    shown = json.dumps({"reasoning": "", "answer": {"order": "A-123", "kind": "refund"}})
    found = json.loads(ask(base, LABELS, with_reasoning("answer", ORDER), shots=(asked, shown)).text)
    assert found["answer"]["kind"] == "refund"


@pytest.mark.parametrize(
    "system", ["Reasoning: be brief.\n\nAnswer: one of refund, delivery", "Reasoning:\n- refund\n- delivery"]
)
def test_a_prompt_that_only_uses_the_word_gets_a_plain_answer(base: Answerer, system: str):
    assert "Answer:" not in ask(base, system).text


def test_a_contract_with_a_reasoning_field_of_its_own_is_answered_as_it_stands(base: Answerer):
    schema = with_reasoning("label", LABEL)
    schema["properties"]["order"] = {"type": "string"}
    schema["required"].append("order")
    assert "probability of" not in ask(base, LABELS, schema).text
