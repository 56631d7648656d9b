"""Tools go with the question, into the training file and back out of the answer; plain chats are sent as ever."""

import json
from hashlib import sha256

import orjson
import pytest

from data_contracts.candidate import Candidate, FewShot, Prompt
from data_contracts.contract import Contract, Mapping
from data_contracts.use_case import TaskKind
from tasks.prompting.few_shot import Shot
from tasks.prompting.prompt import Renderer
from tasks.prompting.tokens import most_tokens
from tasks.prompting.tool_calls import as_message, as_text, is_calls

TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}},
}
TOOLS = json.dumps({"tools": [TOOL], "parallel_tool_calls": False})
ANSWER = '{"tool_calls":[{"arguments":{"n":7},"name":"find"}]}'
PROMPT = Prompt(name="p", role="Help.")
CONTRACT = Contract(name="c", version="1", columns={}, mapping=Mapping(input="text", output="label"))


def called(identity, arguments='{"n":7}'):
    return {"id": identity, "type": "function", "function": {"name": "find", "arguments": arguments}}


CHAT = [
    {"role": "system", "content": "Source."},
    {"role": "user", "content": "Where is 7?", "name": "ann"},
    {"role": "assistant", "content": "One moment.", "weight": 0},
    {"role": "user", "content": "Well?"},
    {"role": "assistant", "tool_calls": [called("call_1")]},
    {"role": "tool", "content": "shipped", "tool_call_id": "call_1"},
]


def renderer(kind=TaskKind.FREE_TEXT):
    return Renderer(kind, CONTRACT, ["a", "b"])


def request(messages=CHAT, examples=(), tools=TOOLS, kind=TaskKind.FREE_TEXT, prompt=PROMPT):
    candidate = Candidate(name="c", kind="prompt", model="m", base_model="m", prompt=prompt)
    return renderer(kind).request(candidate, messages, examples, tools)


def test_a_request_carries_the_tools_of_its_row_in_the_order_of_their_keys():
    body = request()
    assert (body["tools"], body["parallel_tool_calls"]) == ([TOOL], False)
    assert list(body["tools"][0]["function"]["parameters"]["properties"]) == ["b", "a"]


def test_a_request_keeps_names_calls_and_results_and_has_no_weights():
    messages = request()["messages"]
    assert messages[1:] == [{key: value for key, value in message.items() if key != "weight"} for message in CHAT[1:]]


def test_a_request_without_tools_says_nothing_of_them():
    assert not {"tools", "parallel_tool_calls"} & set(request(CHAT[:2], tools=""))


@pytest.mark.parametrize(
    ("kind", "prompt", "stored"),
    [
        (TaskKind.FREE_TEXT, Prompt(name="m", role="x"), "5a27522f424d11a8"),
        (
            TaskKind.CLASSIFICATION,
            Prompt(name="p", role="Route.", labels="names", rules=["One."], structured=True),
            "0b475623c2505fd7",
        ),
    ],
)
def test_a_plain_chat_is_asked_in_the_bytes_that_stored_answers_are_found_by(kind, prompt, stored):
    chat = [
        {"role": "system", "content": "S."},
        {"role": "user", "content": "Wo ist mein Päckchen? 🙂"},
        {"role": "assistant", "content": "Welches?"},
        {"role": "user", "content": "Das blaue."},
    ]
    body = orjson.dumps(request(chat, [Shot("1", chat, "a")], "", kind, prompt))
    assert sha256(body).hexdigest()[:16] == stored


def test_a_training_record_is_the_request_with_weights_and_tools_and_then_the_answer():
    record = renderer().training_record(PROMPT, CHAT, ANSWER, TOOLS)
    *asked, answer = record.pop("messages")
    body = request()
    assert record == {key: body[key] for key in ("tools", "parallel_tool_calls")}
    assert asked[2]["weight"] == 0
    assert [{key: part for key, part in message.items() if key != "weight"} for message in asked] == body["messages"]
    assert answer == {"role": "assistant", "tool_calls": [called("call_2")]}


def test_an_answer_of_tool_calls_in_an_example_is_followed_by_results_and_ids_stay_apart():
    shot = Shot("s", CHAT, ANSWER)
    messages = request(examples=[shot], prompt=PROMPT.model_copy(update={"few_shot": FewShot(count=1)}))["messages"]
    calls = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    results = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert calls == results == ["call_1", "call_2", "call_3"]
    assert not any("weight" in message for message in messages)


@pytest.mark.parametrize("kind", [TaskKind.FREE_TEXT, TaskKind.EXTRACTION])
def test_calls_of_a_reply_are_read_as_the_text_that_is_expected(kind):
    reply = as_text([called("toolu_9", ' {"n" : 7} ')])
    assert renderer(kind).parse(reply, PROMPT) == ANSWER


@pytest.mark.parametrize("arguments", ["{7", "[7]", "", '"\\ud800"', "NaN"])
def test_calls_whose_arguments_are_no_object_cannot_be_read(arguments):
    reply = as_text([called("x", arguments)])
    assert is_calls(reply) and renderer().parse(reply, PROMPT) is None
    reply.encode()


def test_calls_are_never_a_label():
    assert renderer(TaskKind.CLASSIFICATION).parse(ANSWER, PROMPT) is None


def test_the_text_of_calls_and_their_message_are_two_forms_of_one_answer():
    assert as_text(as_message(ANSWER)["tool_calls"]) == ANSWER
    assert as_message("fine") == {"role": "assistant", "content": "fine"}


def test_tokens_are_a_third_of_the_bytes_and_what_frames_texts_and_calls():
    assert most_tokens([{"role": "user", "content": "é" * 4}]) == 3 + 4
    assert most_tokens([{"role": "assistant", "tool_calls": [called("x")]}]) == 4 + 4 + 8  # 11 bytes of name, arguments
    assert most_tokens([], "x" * 10) == 4
