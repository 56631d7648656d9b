"""Answers in pieces: the documented chunks, the same tokens, and what breaks a stream half way."""

import json
import math
import time
from typing import Any

import httpx2
import pytest
from openai import BadRequestError, OpenAI

from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

PROMPT = [
    {"role": "system", "content": "Labels:\n- refund: money back\n- delivery: parcel, transport"},
    {"role": "user", "content": "where is my parcel"},
]
ASKED: dict[str, Any] = {"model": support.BASE, "messages": PROMPT, "temperature": 0}


def events(url: str, **more: Any) -> list[str]:
    """The data of each event, as far as they come."""
    found: list[str] = []
    body = {**ASKED, "stream": True, **more}
    try:
        with httpx2.stream("POST", f"{url}/chat/completions", json=body, timeout=10) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            found.extend(line.removeprefix("data: ") for line in answer.iter_lines() if line)
    except httpx2.TransportError:
        found.append("broken off")
    return found


def test_a_stream_opens_with_the_role_and_ends_with_reason_usage_and_done(server: RunningServer):
    *chunks, done = events(server.url, stream_options={"include_usage": True})
    first, *pieces, last, usage = map(json.loads, chunks)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(one["choices"][0]["delta"]["content"] for one in pieces) == "delivery"
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], len(pieces))
    assert {one["object"] for one in (first, *pieces, last, usage)} == {"chat.completion.chunk"}
    assert done == "[DONE]"


def test_with_usage_every_other_chunk_says_that_it_has_none(server: RunningServer):
    *chunks, _, _ = events(server.url, stream_options={"include_usage": True})
    assert {json.loads(one)["usage"] for one in chunks} == {None}
    assert all("usage" not in json.loads(one) for one in events(server.url)[:-1])


def test_the_tokens_of_a_stream_are_as_probable_as_those_of_a_whole_answer(openai: OpenAI):
    whole = openai.chat.completions.create(**ASKED, logprobs=True).choices[0].logprobs
    chunks = openai.chat.completions.create(**ASKED, logprobs=True, stream=True)
    pieces = [one.choices[0].logprobs for one in chunks if one.choices]
    assert [one for piece in pieces if piece for one in piece.content] == whole.content


def test_the_probabilities_of_an_answers_tokens_multiply_to_the_one_among_all_answers(openai: OpenAI):
    def chance(**more: Any) -> tuple[str, float]:
        choice = openai.chat.completions.create(**{**ASKED, **more}, logprobs=True).choices[0]
        return choice.message.content, math.exp(sum(one.logprob for one in choice.logprobs.content))

    vague = [PROMPT[0], {"role": "user", "content": "hello"}]
    drawn = dict(chance(messages=vague, temperature=2.0, seed=seed) for seed in range(12))
    assert set(drawn) == {"refund", "delivery"}
    assert sum(drawn.values()) == pytest.approx(1)


def test_what_is_refused_is_refused_before_the_stream(openai: OpenAI):
    with pytest.raises(BadRequestError):
        openai.chat.completions.create(**{**ASKED, "temperature": 3}, stream=True)


@pytest.mark.parametrize("fault", ["cut_body", "cut_json"])
def test_a_stream_that_breaks_off_begins_well_and_has_no_end(tmp_path, fault: str):
    with embedded_server(tmp_path, faults=[{"call": "chat.create", "happens": fault}]) as server:
        found = events(server.url)
    assert json.loads(found[0])["choices"][0]["delta"]["role"] == "assistant"
    assert "[DONE]" not in found
    assert (found[-1] == "broken off") == (fault == "cut_body")


def test_a_stream_whose_connection_is_reset_took_effect_and_is_lost(tmp_path):
    with embedded_server(tmp_path, faults=[{"call": "chat.create", "happens": "lost_answer"}]) as server:
        assert events(server.url) == ["broken off"]
        (line,) = support.until(lambda: server.log("chat.create"), bool)  # written once the connection is gone
        assert line["completion_tokens"] > 0


def test_the_first_piece_comes_before_the_time_of_the_whole(tmp_path):
    with embedded_server(tmp_path, settings={"latency": {"base_ms": 0, "completion_token_ms": 150}}) as server:
        openai = support.client(server.url)
        moments = [time.monotonic() for _ in openai.chat.completions.create(**ASKED, stream=True)]
    assert moments[-1] - moments[1] >= 0.05, "the tokens after the first take their time"
