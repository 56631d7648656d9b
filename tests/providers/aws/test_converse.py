"""A chat completions body becomes a Converse request and its answer a chat completion, as botocore's model has them."""

import asyncio
import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from data_contracts.provider import ProviderSettings
from tasks.providers.aws.account import Account
from tasks.providers.aws.bedrock import Bedrock
from tasks.providers.aws.converse import request
from tasks.providers.aws.messages import UntranslatableError
from tasks.providers.failure import Failure, read_error, stopping_error
from tasks.providers.protocol import RawAnswer

NOVA = "us.amazon.nova-lite-v1:0"
SECRET = "my card 4242 was stolen"
ASKED: dict[str, Any] = {
    "model": NOVA,
    "messages": [{"role": "user", "content": SECRET}],
    "temperature": 0.0,
    "max_tokens": 16,
}
EXPECTED = {
    "modelId": NOVA,
    "messages": [{"role": "user", "content": [{"text": SECRET}]}],
    "inferenceConfig": {"temperature": 0.0, "maxTokens": 16},
}
WEATHER = {"name": "weather", "description": "The weather", "parameters": {"type": "object", "properties": {}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}


def answered(*blocks: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop,
        "usage": {"inputTokens": 11, "outputTokens": 2, "totalTokens": 13},
        "metrics": {"latencyMs": 5},
    }


def ask(bedrock: Bedrock, **changes: Any) -> RawAnswer:
    transport = bedrock.answer_endpoint().transport
    assert transport is not None
    return asyncio.run(transport.ask(json.dumps({**ASKED, **changes}).encode()))


def failure(answer: RawAnswer) -> Failure:
    return Failure.of_answer(answer.status, answer.headers, answer.body)


# ---------------------------------------------------------------- there


def test_instructions_messages_and_decoding_are_translated_and_a_seed_is_left_out() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *ASKED["messages"]]
    body = {**ASKED, "messages": messages, "top_p": 0.5, "stop": "\n", "seed": 7}
    assert request(body) == {
        **EXPECTED,
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 16, "temperature": 0.0, "topP": 0.5, "stopSequences": ["\n"]},
    }


def test_tools_their_calls_and_their_results_are_translated() -> None:
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "snow"},
    ]
    asked = request({"model": NOVA, "messages": messages, "tools": [{"type": "function", "function": WEATHER}]})
    use = {"name": "weather", "input": {"city": "Oslo"}}
    results = [{"toolResult": {"toolUseId": f"call_{number}", "content": [{"text": text}]}}
               for number, text in ((1, "rain"), (2, "snow"))]  # fmt: skip
    assert asked["messages"][1:] == [
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": f"call_{number}", **use}} for number in (1, 2)]},
        {"role": "user", "content": results},
    ]
    (tool,) = asked["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"] == {"json": WEATHER["parameters"]}
    assert asked["toolConfig"]["toolChoice"] == {"auto": {}}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [("required", {"any": {}}), ({"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}})],
)
def test_a_choice_of_tool_is_translated(choice: Any, wanted: dict[str, Any]) -> None:
    asked = request({**ASKED, "tools": [{"type": "function", "function": WEATHER}], "tool_choice": choice})
    assert asked["toolConfig"]["toolChoice"] == wanted


def test_a_json_schema_constrains_the_answer(bedrock: Bedrock, runtime: Stubber) -> None:
    schema = {"type": "object", "properties": {"label": {"type": "string"}}}
    structure = {"jsonSchema": {"schema": json.dumps(schema), "name": "answer"}}
    expected = {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}
    runtime.add_response("converse", answered({"text": "{}"}), {**EXPECTED, **expected})
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    assert ask(bedrock, response_format=wanted).status == 200


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"n": 2}, "for n"),
        ({"temperature": 1.5}, "at most 1"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "other than text"),
        ({"messages": [{"role": "critic", "content": SECRET}]}, "role"),
    ],
)
def test_what_converse_has_nothing_for_is_refused_by_name(bedrock: Bedrock, change: dict[str, Any], says: str) -> None:
    with pytest.raises(UntranslatableError, match=says):
        request({**ASKED, **change})
    answer = ask(bedrock, **change)
    assert answer.status == 400 and failure(answer).code == "unsupported_request" and SECRET not in answer.body.decode()


# ---------------------------------------------------------------- and back


def test_an_answer_has_the_shape_of_a_chat_completion(bedrock: Bedrock, runtime: Stubber) -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    runtime.add_response("converse", answered(thought, {"text": "card "}, {"text": "lost"}), EXPECTED)
    document = json.loads(ask(bedrock).body)
    message = {"role": "assistant", "content": "card lost"}
    assert document["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert document["usage"] == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


def test_tool_uses_come_back_as_tool_calls(bedrock: Bedrock, runtime: Stubber) -> None:
    use = {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Oslo"}}}
    runtime.add_response("converse", answered(use, stop="tool_use"), EXPECTED)
    (choice,) = json.loads(ask(bedrock).body)["choices"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [CALL]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("stop_sequence", "stop"),
    ],
)
def test_why_it_stopped(bedrock: Bedrock, runtime: Stubber, stop: str, reason: str) -> None:
    runtime.add_response("converse", answered({"text": "x"}, stop=stop), EXPECTED)
    assert json.loads(ask(bedrock).body)["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize(
    ("code", "aws_status", "status", "again"),
    [
        ("ThrottlingException", 429, 429, True),
        ("ServiceUnavailableException", 503, 503, True),
        ("InternalServerException", 500, 500, True),
        ("ModelNotReadyException", 429, 503, True),
        ("ModelTimeoutException", 408, 504, True),
        ("ModelErrorException", 424, 502, True),
        ("ValidationException", 400, 400, False),
        ("ResourceNotFoundException", 404, 404, False),
        ("AccessDeniedException", 403, 403, False),
        ("ExpiredTokenException", 400, 403, False),
    ],
)
def test_errors_are_told_apart(
    bedrock: Bedrock, runtime: Stubber, code: str, aws_status: int, status: int, again: bool
) -> None:
    meta = {"RequestId": "req-1"}
    runtime.add_client_error("converse", code, f"cannot read {SECRET}", aws_status, response_meta=meta)
    answer = ask(bedrock)
    found = failure(answer)
    assert (found.status, found.code, found.request_id, found.transient) == (status, code, "req-1", again)
    assert SECRET not in answer.body.decode() and SECRET not in str(read_error("asking", found))


def test_a_wait_that_aws_asks_for_is_handed_on(bedrock: Bedrock, runtime: Stubber) -> None:
    meta = {"HTTPHeaders": {"retry-after": "30"}}
    runtime.add_client_error("converse", "ThrottlingException", http_status_code=429, response_meta=meta)
    assert failure(ask(bedrock)).retry_after == 30


def test_no_answer_names_why(bedrock: Bedrock, account: Account) -> None:
    def time_out(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1:9")

    account.client("bedrock-runtime").meta.events.register("before-send.bedrock-runtime.Converse", time_out)
    answer = ask(bedrock)
    assert (answer.status, answer.error) == (0, "ReadTimeoutError")


def test_missing_credentials_stop_the_run(settings: ProviderSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert stopping_error("asking", failure(ask(Bedrock(settings, Account(settings))))) is not None


def test_an_answer_of_another_shape_is_no_answer(bedrock: Bedrock, account: Account) -> None:
    events = account.client("bedrock-runtime").meta.events
    events.register("before-call.bedrock-runtime.Converse", lambda **_: (_Answer(), {"output": {}}))
    assert ask(bedrock).status == 502


class _Answer:
    status_code = 200


def test_as_many_ask_at_once_as_may(bedrock: Bedrock, runtime: Stubber) -> None:
    for _ in range(12):
        runtime.add_response("converse", answered({"text": "card"}), EXPECTED)
    transport = bedrock.answer_endpoint().transport
    assert transport is not None

    async def twelve() -> list[RawAnswer]:
        return await asyncio.gather(*(transport.ask(json.dumps(ASKED).encode()) for _ in range(12)))

    assert [answer.status for answer in asyncio.run(twelve())] == [200] * 12
