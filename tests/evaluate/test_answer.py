"""The answering engine against real sockets: nothing lost, nothing paid twice, nobody hurried."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from data_contracts.answers import StoredAnswer
from tasks.errors import (
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    ResumableError,
    TunegateError,
)
from tasks.evaluate.answer import Answer, Question, answer_all, request_hash
from tasks.ledger import Ledger
from tests.evaluate.scripted_endpoint import (
    KEY,
    Arrival,
    Script,
    Scripted,
    echo,
    refusal,
    scripted_endpoint,
)

REPOSITORY = Path(__file__).parents[2]


class Shelf:
    """An answer store in memory."""

    def __init__(self) -> None:
        self.answers: dict[str, StoredAnswer] = {}

    def stored_answers(self, requests: Sequence[str]) -> dict[str, StoredAnswer]:
        return {request: self.answers[request] for request in requests if request in self.answers}

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        self.answers |= {answer.request: answer for answer in answers}


def question(text: str, candidate: str = "best-prompt", case: str = "") -> Question:
    body = json.dumps({"model": candidate, "messages": [{"role": "user", "content": text}]}).encode()
    return Question(candidate, "some-model", case or text, body, request_hash("provider", body))


def questions(count: int, candidate: str = "best-prompt") -> list[Question]:
    return [question(f"case {number}", candidate) for number in range(count)]


def ask(
    asked: Sequence[Question], server: Scripted, shelf: Shelf | Ledger | None = None, max_concurrency: int = 8
) -> list[Answer]:
    return answer_all(asked, {"": server.endpoint(max_concurrency)}, shelf or Shelf(), lambda done, of: None)


def first(count: int, fault: Script, then: Script = echo) -> Script:
    """A script whose first requests meet a fault."""

    async def script(arrival: Arrival) -> web.Response:
        return await (fault if arrival.number < count else then)(arrival)

    return script


def always(make: Any) -> Script:
    async def script(arrival: Arrival) -> web.Response:
        return make()

    return script


def test_each_question_gets_its_own_answer_in_the_order_asked():
    with scripted_endpoint() as server:
        answers = ask(questions(40), server)
    assert [(answer.case, answer.output) for answer in answers] == [(f"case {n}", f"case {n}") for n in range(40)]
    assert {(answer.outcome, answer.prompt_tokens, answer.completion_tokens) for answer in answers} == {
        ("answered", 7, 2)
    }


def test_the_key_travels_in_the_header_and_the_body_arrives_byte_for_byte():
    asked = question("ünïcode  and   spaces")
    with scripted_endpoint() as server:
        ask([asked], server)
    assert server.arrivals[0].body == json.loads(asked.body)


def test_equal_requests_are_asked_once_and_answer_every_candidate():
    body = question("same").body
    request = request_hash("provider", body)
    asked = [Question(name, "m", "case", body, request) for name in ("champion", "best-prompt")]
    with scripted_endpoint() as server:
        answers = ask(asked, server)
    assert len(server.arrivals) == 1
    assert [answer.candidate for answer in answers] == ["champion", "best-prompt"]


def test_the_same_body_to_another_provider_is_another_request():
    assert request_hash("embedded:1", b"{}") != request_hash("embedded:2", b"{}")


def test_a_stored_answer_is_not_asked_again():
    shelf, asked = Shelf(), questions(10)
    with scripted_endpoint() as server:
        ask(asked[:6], server, shelf)
        answers = ask(asked, server, shelf)
    assert len(server.arrivals) == 10
    assert [answer.stored for answer in answers] == [True] * 6 + [False] * 4


def test_an_answer_counts_only_once_it_is_stored():
    shelf, counted = Shelf(), []

    def progress(done: int, of: int) -> None:
        counted.append((done, len(shelf.answers), of))

    with scripted_endpoint() as server:
        answer_all(questions(30), {"": server.endpoint()}, shelf, progress)
    assert all(done == stored for done, stored, _ in counted)
    assert counted[-1] == (30, 30, 30)


def test_candidates_share_every_minute_of_a_run():
    asked = questions(60, "champion") + questions(60, "challenger")
    with scripted_endpoint() as server:
        ask(asked, server)
    early = [arrival.body["model"] for arrival in server.arrivals[:60]]
    assert 15 <= early.count("champion") <= 45


def test_a_request_that_is_wrong_for_good_fails_alone_and_is_asked_again_by_the_next_run():
    async def script(arrival: Arrival) -> web.Response:
        wrong = arrival.body["messages"][-1]["content"] == "case 3"
        return refusal(400, "invalid_value") if wrong else await echo(arrival)

    shelf, asked = Shelf(), questions(6)
    with scripted_endpoint(script) as server:
        answers = ask(asked, server, shelf)
    assert [answer.outcome for answer in answers] == ["answered"] * 3 + ["failed"] + ["answered"] * 2
    assert (len(server.arrivals), len(shelf.answers)) == (6, 5)


async def _reset(arrival: Arrival) -> web.Response:
    arrival.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    "fault",
    [
        always(lambda: refusal(500, "server_error")),
        always(lambda: refusal(503, "server_is_overloaded")),
        always(lambda: refusal(429, "rate_limit_exceeded")),
        always(lambda: web.Response(text="<html>please sign in</html>", content_type="text/html")),
        always(lambda: web.Response(text='{"choices": [')),
        always(lambda: web.Response(text="null")),
        always(lambda: refusal(404, "model_not_found")),
        _reset,
    ],
    ids=["500", "503", "429", "html", "cut json", "null", "model not there yet", "reset"],
)
def test_a_passing_fault_costs_no_case(fault):
    with scripted_endpoint(first(3, fault)) as server:
        answers = ask(questions(20), server)
    assert {answer.outcome for answer in answers} == {"answered"}
    assert len(server.arrivals) == 23


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda: refusal(401, "invalid_api_key"), CredentialsError),
        (lambda: refusal(403, "missing_scope"), CredentialsError),
        (lambda: refusal(429, "insufficient_quota"), CredentialsError),
        (lambda: refusal(429, "rate_limit_exceeded", {"retry-after": "3600"}), ProviderUnavailableError),
        (lambda: web.Response(status=307, headers={"location": "http://127.0.0.1:9/"}), ProviderRefusedError),
    ],
    ids=["key", "permission", "money", "back in an hour", "redirect"],
)
def test_what_only_a_person_can_mend_stops_the_run_and_keeps_what_was_answered(reply, error):
    shelf = Shelf()
    with scripted_endpoint(first(20, echo, always(reply))) as server, pytest.raises(error):
        ask(questions(200), server, shelf)
    assert len(shelf.answers) == 20
    assert len(server.arrivals) <= 20 + 8


def test_no_error_shows_the_key_or_the_question():
    unauthorised = always(lambda: refusal(401, "invalid_api_key"))
    with scripted_endpoint(unauthorised) as server, pytest.raises(TunegateError) as stopped:
        ask([question("my secret row")], server)
    shown = f"{stopped.value} {stopped.value.args} {stopped.value.__context__} {stopped.value.__cause__}"
    assert KEY not in shown
    assert "secret" not in shown


def test_nobody_asks_before_the_time_that_one_answer_named():
    limited = always(lambda: refusal(429, "rate_limit_exceeded", {"retry-after-ms": "700"}))
    with scripted_endpoint(first(1, limited)) as server:
        ask(questions(60), server, max_concurrency=4)
    named = server.arrivals[0].at
    waited = [arrival.at - named for arrival in server.arrivals]
    in_flight_then = 4
    assert all(seconds >= 0.7 for seconds in waited[in_flight_then:])


def test_a_published_limit_is_kept_without_a_single_429():
    per_second, level, refused = 100.0, [10.0, time.monotonic()], []

    async def script(arrival: Arrival) -> web.Response:
        level[0] = min(10.0, level[0] + (arrival.at - level[1]) * per_second)
        level[1] = arrival.at
        if level[0] < 1:
            refused.append(arrival)
            return refusal(429, "rate_limit_exceeded", {"retry-after-ms": "100"})
        level[0] -= 1
        await asyncio.sleep(0.02)
        response = await echo(arrival)
        response.headers["x-ratelimit-limit-requests"] = str(per_second * 60)
        response.headers["x-ratelimit-remaining-requests"] = str(int(level[0]))
        return response

    with scripted_endpoint(script) as server:
        answers = ask(questions(150), server, max_concurrency=8)
    assert {answer.outcome for answer in answers} == {"answered"}
    assert refused == []


def test_errors_and_resets_now_and_then_cost_no_case():
    async def script(arrival: Arrival) -> web.Response:
        if arrival.number % 25 == 7:
            return await _reset(arrival)
        return refusal(500, "server_error") if arrival.number % 25 == 19 else await echo(arrival)

    shelf = Shelf()
    with scripted_endpoint(script) as server:
        answers = ask(questions(400), server, shelf, max_concurrency=32)
    assert {answer.outcome for answer in answers} == {"answered"}
    assert len(shelf.answers) == 400 < len(server.arrivals)


class Broken(Shelf):
    """A store that takes no more after a while."""

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        if len(self.answers) >= 10:
            raise ResumableError("The store", "its disk is full", "Make room.")
        super().store_answers(answers)


def test_a_store_that_fails_ends_the_run_at_once_rather_than_paying_for_what_is_lost():
    with scripted_endpoint() as server, pytest.raises(ResumableError, match="disk is full"):
        ask(questions(5000), server, Broken())
    in_flight_or_waiting = 16
    assert len(server.arrivals) < 5000 - in_flight_or_waiting


def test_an_outage_costs_no_case_and_is_probed_rather_than_stormed():
    began = time.monotonic()

    async def script(arrival: Arrival) -> web.Response:
        down = 0.1 < arrival.at - began < 2.1
        return refusal(503, "server_is_overloaded") if down else await echo(arrival)

    async def slowly(arrival: Arrival) -> web.Response:
        await asyncio.sleep(0.03)
        return await script(arrival)

    with scripted_endpoint(slowly) as server:
        answers = ask(questions(150), server, max_concurrency=16)
    during = [arrival for arrival in server.arrivals if 0.1 < arrival.at - began < 2.1]
    assert {answer.outcome for answer in answers} == {"answered"}
    assert 0 < len(during) <= 16 + 10


def test_latency_is_the_answers_own_time_not_that_of_the_queue():
    async def script(arrival: Arrival) -> web.Response:
        await asyncio.sleep(0.05)
        return await echo(arrival)

    with scripted_endpoint(script) as server:
        answers = ask(questions(20), server, max_concurrency=1)
    latencies = sorted(answer.latency_ms for answer in answers)
    assert latencies[0] >= 50
    assert latencies[10] < 200


def test_a_killed_run_asks_only_for_the_rest_when_it_comes_back(tmp_path):
    async def script(arrival: Arrival) -> web.Response:
        await asyncio.sleep(0.1)
        return await echo(arrival)

    run = [sys.executable, "-c", _RUN, f"sqlite:///{tmp_path}/ledger.db"]
    with scripted_endpoint(script) as server:
        process = subprocess.Popen([*run, server.url], cwd=REPOSITORY, env=os.environ)
        while len(server.arrivals) < 60:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        ask(questions(120), server, Ledger(f"sqlite:///{tmp_path}/ledger.db"))
    in_flight, just_answered = 8, 16
    assert 120 <= len(server.arrivals) <= 120 + in_flight + just_answered


_RUN = """
import sys
from tasks.ledger import Ledger
from tests.evaluate.scripted_endpoint import Scripted
from tests.evaluate.test_answer import ask, questions
ask(questions(120), Scripted(sys.argv[2]), Ledger(sys.argv[1]))
"""
