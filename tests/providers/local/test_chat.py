import json

import pytest
from jsonschema import validate
from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI, RateLimitError
from pydantic import BaseModel

from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

PROMPT = [
    {"role": "developer", "content": "Answer with one label: refund (money back) or delivery (parcel, transport)."},
    {"role": "user", "content": [{"type": "text", "text": "where is my "}, {"type": "text", "text": "parcel"}]},
]
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string"}},
    "required": ["label"],
    "additionalProperties": False,
}


def ask(openai: OpenAI, **parameters):
    """One completion; temperature 0 unless said otherwise."""
    chosen = {"model": support.BASE, "messages": PROMPT, "temperature": 0, **parameters}
    return openai.chat.completions.create(**chosen)


def as_schema(schema: dict, strict: bool = True) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}}


def test_an_answer_names_the_dated_model_its_fingerprint_and_its_tokens(openai: OpenAI):
    answer = ask(openai)
    assert answer.model == support.DATED
    assert answer.system_fingerprint.startswith("fp_")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens > 10 > usage.completion_tokens > 0


def test_a_tuned_model_answers_with_what_its_file_taught(openai: OpenAI, tuned):
    question = [{"role": "user", "content": "cannot sign in with password"}]
    assert ask(openai, model=tuned.model, messages=question).choices[0].message.content == "login"


def test_answers_repeat_at_temperature_0_and_with_a_seed(openai: OpenAI):
    assert ask(openai).choices[0].message == ask(openai).choices[0].message
    seeded = [ask(openai, temperature=1.5, seed=3).choices[0].message for _ in range(2)]
    assert seeded[0] == seeded[1]


def test_a_strict_schema_is_kept(openai: OpenAI):
    answer = ask(openai, response_format=as_schema(SCHEMA)).choices[0].message
    validate(json.loads(answer.content), SCHEMA)
    assert answer.refusal is None


def test_the_sdk_parses_into_a_pydantic_model(openai: OpenAI):
    class Answer(BaseModel):
        label: str

    parsed = openai.chat.completions.parse(model=support.BASE, messages=PROMPT, response_format=Answer, temperature=0)
    assert isinstance(parsed.choices[0].message.parsed, Answer)


def test_json_object_answers_with_json_and_asks_for_the_word(openai: OpenAI):
    with_word = [{"role": "system", "content": "Answer in JSON."}, PROMPT[1]]
    answer = ask(openai, messages=with_word, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
    with pytest.raises(BadRequestError, match="must contain the word 'json'"):
        ask(openai, response_format={"type": "json_object"})


def test_the_token_limit_cuts_the_answer(openai: OpenAI):
    whole = ask(openai, response_format=as_schema(SCHEMA))
    cut = ask(openai, response_format=as_schema(SCHEMA), max_completion_tokens=1)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 1
    content = cut.choices[0].message.content
    assert whole.choices[0].message.content.startswith(content) and content != whole.choices[0].message.content


def test_a_stop_text_ends_the_answer_before_it(openai: OpenAI):
    answer = ask(openai, response_format=as_schema(SCHEMA), stop=["bel", "never"])
    assert answer.choices[0].message.content.endswith("la")
    assert answer.choices[0].finish_reason == "stop"


def test_logprobs_cover_the_answer_token_by_token(openai: OpenAI):
    choice = ask(openai, logprobs=True, top_logprobs=2).choices[0]
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    assert all(token.logprob <= 0 for token in choice.logprobs.content)
    assert all(len(token.top_logprobs) <= 2 for token in choice.logprobs.content)
    assert ask(openai).choices[0].logprobs is None


def test_a_stream_carries_the_same_answer_and_its_usage(openai: OpenAI):
    whole = ask(openai)
    chunks = list(ask(openai, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
        ({"temperature": 2.1}, "temperature"),
        ({"n": 2}, "n"),
        ({"top_p": 0.5}, "top_p"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"tools": []}, "tools"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": as_schema({"type": "nonsense"})}, "response_format.json_schema.schema"),
        ({"response_format": as_schema({"type": "object", "properties": {}})}, "response_format.json_schema.schema"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_the_parameters_name(openai: OpenAI, parameters, param):
    with pytest.raises(BadRequestError) as refused:
        ask(openai, **parameters)
    assert refused.value.param == param


def test_an_unknown_model_is_not_found(openai: OpenAI):
    with pytest.raises(NotFoundError) as unknown:
        ask(openai, model="gpt-4o")
    assert unknown.value.code == "model_not_found"


def test_a_prompt_longer_than_the_context_is_refused(settable: RunningServer):
    settable.change_settings(context_tokens=20)
    openai = support.client(settable.url)
    with pytest.raises(BadRequestError) as refused:
        ask(openai, messages=[{"role": "user", "content": "word " * 50}])
    assert refused.value.code == "context_length_exceeded"


def test_a_configured_key_is_asked_for_and_stands_in_no_log(tmp_path):
    with embedded_server(tmp_path, api_key="sk-right-4711") as server:
        assert ask(support.client(server.url, "sk-right-4711")).choices
        with pytest.raises(AuthenticationError) as wrong:
            ask(support.client(server.url, "sk-wrong-4712"))
        assert wrong.value.code == "invalid_api_key"
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"sk-right" not in written and b"sk-wrong" not in written


def test_the_request_limit_is_reported_and_kept_to(settable: RunningServer):
    limits = {"requests_per_minute": 2, "tokens_per_minute": 1_000_000}
    settable.change_settings(limits=limits)
    openai = support.client(settable.url)
    seen = [
        openai.chat.completions.with_raw_response.create(model=support.BASE, messages=PROMPT).headers for _ in range(2)
    ]
    assert [headers["x-ratelimit-remaining-requests"] for headers in seen] == ["1", "0"]
    assert seen[0]["x-ratelimit-limit-requests"] == "2"
    assert seen[0]["x-request-id"] != seen[1]["x-request-id"]
    assert int(seen[0]["openai-processing-ms"]) >= 0
    with pytest.raises(RateLimitError) as limited:
        ask(openai)
    assert limited.value.code == "rate_limit_exceeded"
    assert 25 <= int(limited.value.response.headers["retry-after"]) <= 30
    assert ask(openai, model="local-base-large").choices, "each model has a limit of its own"


def test_the_token_limit_a_minute_is_kept_to(settable: RunningServer):
    settable.change_settings(limits={"tokens_per_minute": 30})
    openai = support.client(settable.url)
    ask(openai, max_tokens=5)
    with pytest.raises(RateLimitError, match="on tokens per min"):
        ask(openai, max_tokens=5)


def test_latency_follows_the_tokens(settable: RunningServer):
    latency = {"base_ms": 50, "prompt_token_ms": 1, "completion_token_ms": 10, "scale": 2}
    settable.change_settings(latency=latency)
    openai = support.client(settable.url)
    ask(openai)  # loads the model
    used = ask(openai, messages=[{"role": "user", "content": "word " * 100}]).usage
    expected = 2 * (50 + used.prompt_tokens + 10 * used.completion_tokens)
    assert expected <= settable.log("chat.create")[-1]["ms"] <= expected + 1000
