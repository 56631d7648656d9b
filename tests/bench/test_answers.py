"""The endpoint does as it is told and counts truly, and a contender is measured from outside."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, perf_counter

import pytest

from tests.bench.answer_targets import judged
from tests.bench.engine import promptfoo
from tests.bench.engine.behaviour import Behaviour
from tests.bench.engine.cases import Case, Said
from tests.bench.engine.contenders import BARE, CONTENDERS, OURS, PROMPTFOO, Contender
from tests.bench.engine.counts import Counts, quantile
from tests.bench.engine.measured import METER, Measured, Run, measure
from tests.bench.engine.rows import Row
from tests.bench.engine.serving import DIRECT, Served, serving

AT_ONCE = Behaviour(latency_s=0)
SHORT = Row("short", "speed", 20, 10, Behaviour(latency_s=0.05))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as endpoint:
        yield endpoint


def ask(served, number):
    """Status, headers and body of one answer; status 0 for a connection that was reset."""
    url = f"{served.origin}/v1/chat/completions"
    request = urllib.request.Request(url, Case(number).body, {"Content-Type": "application/json"})
    try:
        with DIRECT.open(request, timeout=10) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())
    except ConnectionError:
        return 0, {}, {}


def ask_all(served, numbers):
    with ThreadPoolExecutor(8) as pool:
        return [status for status, _, _ in pool.map(lambda number: ask(served, number), numbers)]


def test_an_answer_names_the_right_queue_and_takes_the_latency(served):
    served.reset(Behaviour(latency_s=0.1))
    started = perf_counter()
    status, _, body = ask(served, 3)
    assert (status, body["choices"][0]["message"]["content"]) == (200, Case(3).expected)
    assert perf_counter() - started >= 0.1
    assert served.counts().latencies_ms[0] == pytest.approx(100, abs=50)


def test_lognormal_latencies_have_their_median_and_sigma_and_are_the_same_for_all():
    behaviour = Behaviour(latency_s=0.2, sigma=0.5)
    latencies = behaviour.latencies()
    assert latencies == behaviour.latencies()
    assert quantile(latencies, 0.5) == pytest.approx(0.2, rel=0.03)
    assert quantile(latencies, 0.841) == pytest.approx(0.2 * 2.718**0.5, rel=0.03)  # one sigma above


def test_a_limit_is_cases_times_mean_latency_over_concurrency_or_what_the_permitted_rate_takes():
    assert Behaviour(latency_s=0.2).least_s(1000, 32) == pytest.approx(6.25)
    assert Behaviour(latency_s=0.2, per_minute=1500, burst=25).least_s(300, 32) == pytest.approx(11.2)


def test_the_bucket_lets_a_burst_through_and_then_refuses_as_providers_do(served):
    served.reset(Behaviour(latency_s=0, per_minute=6, burst=5))
    answers = [ask(served, number) for number in range(7)]
    assert [status for status, _, _ in answers] == [200] * 5 + [429] * 2
    _, headers, body = answers[0]
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("6", "4")
    assert headers["x-ratelimit-reset-requests"] == "10.000s"
    _, headers, body = answers[-1]
    assert (body["error"]["code"], headers["retry-after"]) == ("rate_limit_exceeded", "10")
    assert 9000 < int(headers["retry-after-ms"]) <= 10_000
    assert served.counts().wasted == pytest.approx(2 / 7)


def test_the_bucket_fills_at_the_permitted_rate(served):
    served.reset(Behaviour(latency_s=0, per_minute=60_000, burst=1))
    assert ask_all(served, range(3)).count(200) >= 1
    _, headers, _ = ask(served, 0)
    assert headers["x-ratelimit-reset-requests"] == "1ms"


def test_an_outage_lasts_from_its_second_after_the_first_request_on(served):
    behaviour = Behaviour(outage_from_s=2, outage_s=15)
    assert [behaviour.is_out(second) for second in (0, 1.9, 2, 16.9, 17)] == [False, False, True, True, False]
    served.reset(Behaviour(latency_s=0, outage_s=3600))
    assert ask(served, 0)[0] == 503
    served.reset(Behaviour(latency_s=0, outage_from_s=3600, outage_s=3600))
    assert ask(served, 0)[0] == 200


def test_errors_are_500_503_and_resets(served):
    served.reset(Behaviour(latency_s=0, errors=1))
    assert set(ask_all(served, range(24))) == {500, 503, 0}
    assert set(served.counts().by_status) == {"500", "503", "reset"}


def test_a_share_of_the_requests_goes_wrong(served):
    served.reset(Behaviour(latency_s=0, errors=0.2))
    assert 5 <= 100 - ask_all(served, range(100)).count(200) <= 40


def test_an_answer_to_a_case_that_had_one_is_paid_twice(served):
    served.reset(AT_ONCE)
    ask_all(served, [1, 2, 2, 2])
    counts = served.counts()
    assert (counts.requests_by_case, counts.answers_by_case) == ({1: 1, 2: 3}, {1: 1, 2: 3})
    assert counts.paid_twice == 2


def test_a_client_that_leaves_is_not_answered(served):
    served.reset(Behaviour(latency_s=60))
    body = Case(1).body
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await_counts(served, lambda counts: counts.in_flight == 1)
    counts = await_counts(served, lambda counts: counts.in_flight == 0)
    assert (counts.by_status, counts.paid_twice) == ({"abandoned": 1}, 0)


def test_a_call_to_another_host_ends_here_and_is_told(served):
    served.reset(AT_ONCE)
    proxied = urllib.request.build_opener(urllib.request.ProxyHandler({"http": served.origin}))
    with pytest.raises(urllib.error.HTTPError, match="502"):
        proxied.open("http://elsewhere.test/", timeout=10)
    assert served.counts().elsewhere == ["http://elsewhere.test/"]


def test_a_failed_case_of_promptfoo_is_lost(tmp_path):
    right = {"vars": {"number": 0}, "response": {"output": Case(0).expected}, "latencyMs": 210}
    failed = {"vars": {"number": 1}, "response": {"error": "API error: 503"}, "latencyMs": 5}
    tmp_path.joinpath("results.json").write_text(json.dumps({"results": {"results": [right, failed]}}))
    assert promptfoo.said(tmp_path) == [Said(0, Case(0).expected, 210), Said(1, "", 5)]


def test_a_contender_without_results_has_lost_all_cases_and_says_why(served, tmp_path):
    broken = Contender("broken", tmp_path, lambda *_: [sys.executable, "-c", "raise SystemExit('no such model')"])
    run = measure(broken, SHORT, served, tmp_path)
    assert (run.lost, run.complaint) == (SHORT.cases, "exit 1: no such model")


@pytest.mark.parametrize("name", [OURS, BARE])
def test_a_contender_is_measured_as_a_whole_process(name, served, tmp_path):
    run = measure(CONTENDERS[name], SHORT, served, tmp_path)
    assert (run.lost, run.complaint, run.counts.by_status) == (0, "", {"200": 20})
    assert run.counts.most_in_flight <= SHORT.concurrency
    assert run.times_least > run.span_times_least >= 1
    assert run.said_ms(0.5) >= run.true_ms(0.5) >= 50
    assert run.cpu_s > 0.05
    assert run.peak_mb > 15
    assert run.heavy == ()


def test_a_killed_engine_asks_for_the_rest(served, tmp_path):
    row = Row("killed", "kill", 40, 4, Behaviour(latency_s=0.2))
    run = measure(CONTENDERS[OURS], row, served, tmp_path)
    assert run.lost == 0
    assert run.counts.by_status["abandoned"] > 0
    assert run.counts.requests <= row.cases + 3 * row.concurrency


def test_the_meter_counts_the_children_and_stops_what_takes_too_long(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    assert metered(tmp_path, "30", sys.executable, "-c", parent)["cpu_s"] >= 0.3
    endless = metered(tmp_path, "0.2", sys.executable, "-c", "import signal; signal.pause()")
    assert (endless["code"], endless["wall_s"] < 10) == (-9, True)


def test_a_target_is_missed_where_the_engine_is_slower_loses_more_or_drags_heavy_libraries_along():
    good = made(wall_s=20, answered=20)
    found = {OURS: made(wall_s=30, answered=20, heavy=("pandas",)), PROMPTFOO: good, BARE: good}
    missed = {target.what for target in judged({"row": rowful(found)}) if not target.reached}
    assert "row: ahead of promptfoo" in missed
    assert "row: whole process, x limit" in missed
    assert "heavy libraries in the engine's process" in missed


def test_fewer_lost_cases_are_ahead_of_sooner_done():
    found = {OURS: made(wall_s=30, answered=20), PROMPTFOO: made(wall_s=1, answered=3)}
    assert {target.what: target.reached for target in judged({"row": rowful(found)})}["row: ahead of promptfoo"]


def await_counts(served, condition):
    deadline = monotonic() + 10
    while not condition(counts := served.counts()):
        assert monotonic() < deadline
    return counts


def metered(folder: Path, *command: str) -> dict[str, float]:
    result = folder / "metered.json"
    subprocess.run([sys.executable, "-I", "-S", str(METER), str(result), *command], check=True)
    return dict(json.loads(result.read_text()))


def made(wall_s, answered, heavy=()):
    row = Row("row", "speed", 20, 32, Behaviour())
    said = [Said(number, Case(number).expected, 200.0) for number in range(answered)]
    counts = Counts(Counter({"200": answered}), latencies_ms=[200.0] * answered, first=0, last=1)
    return Run(row, wall_s, 0.01, 50, 0, said, counts, 0.0, heavy)


def rowful(runs):
    return {name: Measured(name, run.row, [run]) for name, run in runs.items()}
