"""Answers that come in pieces, on a real socket, cut wherever a network may cut them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from data_contracts.answers import StoredAnswer
from tasks.evaluate.answer import Answer, answer_all
from tests.evaluate.scripted_endpoint import Arrival, Script, Scripted, completion, refusal, scripted_endpoint
from tests.evaluate.test_answer import Shelf, always, first, question

USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
CUT = b"cut"


def piece(delta: dict[str, Any], finish_reason: str | None = None, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, **choice}], "usage": None}


def lines(pieces: Iterable[dict[str, Any]], end: str = "data: [DONE]\n\n") -> bytes:
    told = (json.dumps(one, ensure_ascii=False) for one in pieces)
    return ("".join(f"data: {one}\n\n" for one in told) + end).encode()


def chunked(chunks: Sequence[bytes], pause_s: float = 0.0) -> Script:
    """A script that sends these bytes, each in a write of its own; CUT closes the connection."""

    async def body(arrival: Arrival) -> AsyncIterator[bytes]:
        for chunk in chunks:
            if chunk == CUT:
                arrival.transport.abort()
                return
            yield chunk
            await asyncio.sleep(pause_s)

    async def script(arrival: Arrival) -> web.Response:
        return web.Response(body=body(arrival), content_type="text/event-stream")

    return script


def stream(*pieces: dict[str, Any]) -> Script:
    return chunked([lines([*pieces, USAGE])])


def ask(server: Scripted, shelf: Shelf | None = None) -> Answer:
    endpoint = replace(server.endpoint(), stream=True)
    [answer] = answer_all([question("one")], {"": endpoint}, shelf or Shelf(), lambda done, of: None)
    return answer


SAID = [piece({"role": "assistant", "content": ""}), piece({"content": "naïve "}), piece({"content": "漢🙂"}, "stop")]


def test_the_pieces_are_put_together_and_counted():
    with scripted_endpoint(stream(*SAID)) as server:
        answer = ask(server)
    assert (answer.output, answer.outcome, answer.finish_reason) == ("naïve 漢🙂", "answered", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 3)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_it_does_not_matter_where_the_network_cuts_lines_and_letters(size: int) -> None:
    content = lines([*SAID, USAGE])
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    with scripted_endpoint(chunked(chunks)) as server:
        assert ask(server).output == "naïve 漢🙂"


def test_comments_other_fields_and_both_line_ends_are_read_as_the_standard_says():
    events = lines([*SAID, USAGE]).replace(b"\n", b"\r\n").replace(b"data: ", b": alive\r\nevent: x\r\nid: 1\r\ndata:")
    with scripted_endpoint(chunked([events])) as server:
        assert ask(server).output == "naïve 漢🙂"


def test_the_first_token_is_timed_at_the_socket_and_the_role_is_none():
    role, said, end = (lines([one], "") for one in SAID)
    with scripted_endpoint(chunked([role, said, end + lines([USAGE])], pause_s=0.15)) as server:
        answer = ask(server)
    assert answer.ttft_ms is not None
    assert 150 <= answer.ttft_ms < answer.latency_ms - 100


def test_what_is_sent_asks_for_a_stream_and_is_known_by_the_request_without():
    shelf, asked = Shelf(), question("one")
    with scripted_endpoint(stream(*SAID)) as server:
        ask(server, shelf)
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    assert server.arrivals[0].body == json.loads(asked.body) | streamed
    assert set(shelf.answers) == {asked.request}


def test_tool_calls_come_in_pieces_too():
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "id": f"call_{index}", "type": "function", "function": function}

    pieces = [
        piece({"role": "assistant", "content": None, "tool_calls": [call(0, name="find", arguments="")]}),
        piece({"tool_calls": [call(0, arguments='{"city": "Os')]}),
        piece({"tool_calls": [call(1, name="end", arguments="{}")]}),
        piece({"tool_calls": [call(0, arguments='lo"}')]}),
        piece({}, "tool_calls"),
    ]
    with scripted_endpoint(stream(*pieces)) as server:
        answer = ask(server)
    calls = [{"arguments": {"city": "Oslo"}, "name": "find"}, {"arguments": {}, "name": "end"}]
    assert json.loads(answer.output) == {"tool_calls": calls}
    assert (answer.finish_reason, answer.ttft_ms is not None) == ("tool_calls", True)


@pytest.mark.parametrize(
    ("pieces", "outcome", "output"),
    [
        ([piece({"refusal": "I will "}), piece({"refusal": "not"}, "stop")], "refused", "I will not"),
        ([piece({"content": "half"}, "length")], "truncated", "half"),
        ([piece({}, "content_filter")], "filtered", ""),
        ([piece({}, "stop")], "answered", ""),
    ],
    ids=["refusal", "length", "filter", "empty"],
)
def test_every_way_to_answer_is_told_from_the_others(pieces: list[Any], outcome: str, output: str) -> None:
    with scripted_endpoint(stream(*pieces)) as server:
        answer = ask(server)
    assert (answer.outcome, answer.output, len(server.arrivals)) == (outcome, output, 1)


def test_probabilities_are_multiplied_over_all_pieces():
    def sure(logprob: float) -> dict[str, Any]:
        return {"content": [{"token": "x", "logprob": logprob}]}

    pieces = [piece({"content": "a"}, logprobs=sure(-0.5)), piece({"content": "b"}, "stop", logprobs=sure(-0.25))]
    with scripted_endpoint(stream(*pieces)) as server:
        assert ask(server).confidence == pytest.approx(2.718281828**-0.75)


@pytest.mark.parametrize(
    "broken",
    [
        [lines(SAID[:2])],
        [lines(SAID[:2], "")],
        [lines(SAID[:2], ""), CUT],
        [lines([*SAID[:2], {"error": {"message": "overloaded", "type": "server_error", "code": "x"}}])],
        [b"data: {never ends\n\n"],
        [b'data: {"choices": ["no choice"]}\n\n'],
        [b""],
    ],
    ids=["no finish reason", "nor an end", "connection cut", "error inside", "no JSON", "another shape", "nothing"],
)
def test_a_stream_that_breaks_off_is_asked_for_again(broken: list[bytes]) -> None:
    shelf: Shelf = Shelf()
    with scripted_endpoint(first(1, chunked(broken), stream(*SAID))) as server:
        answer = ask(server, shelf)
    assert (answer.output, len(server.arrivals)) == ("naïve 漢🙂", 2)
    assert [type(kept) for kept in shelf.answers.values()] == [StoredAnswer]


def test_a_connection_is_used_again_after_a_stream():
    with scripted_endpoint(stream(*SAID)) as server:
        endpoint = replace(server.endpoint(max_concurrency=1), stream=True)
        answer_all([question(f"case {n}") for n in range(5)], {"": endpoint}, Shelf(), lambda done, of: None)
    assert len({id(arrival.transport) for arrival in server.arrivals}) == 1


@pytest.mark.parametrize("reply", [lambda: completion("whole"), lambda: refusal(400, "context_length_exceeded")])
def test_a_server_that_knows_no_streams_is_understood(reply: Any) -> None:
    with scripted_endpoint(always(reply)) as server:
        answer = ask(server)
    assert (answer.outcome in ("answered", "rejected"), answer.ttft_ms) == (True, None)
