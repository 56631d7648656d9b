"""Every fault of the catalogue, where it belongs: it can be asked for, it is seen, and the log tells what happened."""

import http.client
import json
import re
import time
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import pytest

from tasks.providers.local.fault_kinds import Exit, FileFate, JobFate
from tasks.providers.local.faults import CALLS, Rule, known_faults
from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

KNOWN = known_faults()
CHAT = json.dumps({"model": support.BASE, "messages": [{"role": "user", "content": "where is parcel"}], "seed": 1})
QUICK = {
    "slow": {"kind": "delay", "seconds": 0.3},
    "trickle": {"kind": "trickle", "seconds": 0.3, "pieces": 3},
    "hang": {"kind": "hang", "seconds": 0.1},
    "hang_after": {"kind": "hang", "seconds": 0.1, "accepted": True},
}
CHANGING = re.compile(rb'"chatcmpl-\w+"|"created":\d+')  # from one plain answer to the next


def suiting(call: str) -> list[str]:
    """Faults that a client sees in the answer of one call."""
    fates = (Exit, JobFate, FileFate)
    fits = [name for name, fault in KNOWN.items() if any(fnmatchcase(call, pattern) for pattern in fault.calls)]
    return [name for name in fits if not isinstance(KNOWN[name].happens, fates)]


def one_each(call: str) -> list[dict[str, object]]:
    """A rule for each of them, in turn."""
    return [{"call": call, "after": at, "happens": QUICK.get(name, name)} for at, name in enumerate(suiting(call))]


def asked(server: RunningServer, method: str, path: str, body: str | None = None) -> tuple[object, ...]:
    """What a client sees: how it ended, or status, telling headers and body."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        connection.request(method, address.path + path, body)
        response = connection.getresponse()
        content = CHANGING.sub(b"", response.read())
    except (OSError, http.client.HTTPException) as problem:
        return (type(problem).__name__,)
    finally:
        connection.close()
    telling = [response.headers[name] for name in ("location", "retry-after", "retry-after-ms", "x-should-retry")]
    return response.status, *telling, content


def unseen(server: RunningServer, call: str, *request: str) -> list[str]:
    """Faults of a call after which a client has a plain answer as quickly as ever."""
    seen = {}
    for name in suiting(call):
        started = time.monotonic()
        seen[name] = (asked(server, *request), time.monotonic() - started >= 0.3 and name in ("slow", "trickle"))
    return [name for name, found in seen.items() if found == (asked(server, *request), False)]


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_fault_can_be_asked_for_by_name_on_each_of_its_calls(name: str):
    calls = [call for call in CALLS if any(fnmatchcase(call, pattern) for pattern in KNOWN[name].calls)]
    assert calls
    assert [Rule(call=call, happens=name).happens for call in calls] == [KNOWN[name].happens] * len(calls)


def test_every_known_fault_of_a_read_is_seen_by_whoever_reads(tmp_path):
    calls = ("jobs.retrieve", "jobs.list", "files.retrieve", "models.list")
    rules = [rule for call in calls for rule in one_each(call)]
    with embedded_server(tmp_path, faults=rules, settings={"job_seconds": {"validating_files": 3600}}) as server:
        openai = support.client(server.url)
        file = support.upload(openai)
        jobs = [support.create_job(openai, file, metadata={"odd": str(n == 3)}).id for n in range(6)]
        paths = {
            "jobs.retrieve": f"/fine_tuning/jobs/{jobs[0]}",
            "jobs.list": f"/fine_tuning/jobs?limit=2&after={jobs[5]}&metadata[odd]=False",
            "files.retrieve": f"/files/{file}",
            "models.list": "/models",
        }
        found = {call: unseen(server, call, "GET", path) for call, path in paths.items()}
        hits = {call: [line["fault"] for line in server.log(call)][: len(suiting(call))] for call in calls}
    assert not any(found.values()), found
    assert all(kind for kinds in hits.values() for kind in kinds)


def test_every_known_fault_of_an_answer_is_seen_by_whoever_asks(tmp_path):
    with embedded_server(tmp_path, faults=one_each("chat.create")) as server:
        assert unseen(server, "chat.create", "POST", "/chat/completions", CHAT) == []


def test_the_log_tells_whether_a_call_took_effect_and_how_long_the_client_was_asked_to_wait(tmp_path):
    names = ["reset", "lost_answer", "overloaded", "overloaded_after", "cut_json", "sign_in_page", "html"]
    waits = {"retry_after_300": 300, "retry_after_ms": 1.5, "bare_429": None}
    rules = [{"call": "jobs.create", "after": at, "happens": name} for at, name in enumerate([*names, *waits])]
    with embedded_server(tmp_path, faults=rules) as server:
        openai = support.client(server.url)
        body = json.dumps({"model": support.BASE, "training_file": support.upload(openai)})
        for _ in [*names, *waits, "plain"]:
            asked(server, "POST", "/fine_tuning/jobs", body)
        lines = server.log("jobs.create")
        jobs = {job.id for job in openai.fine_tuning.jobs.list(limit=100)}
    took_effect = [line["accepted"] for line in lines]
    assert took_effect == [False, True, False, True, True, False, True, False, False, False, True]
    assert {line["job"] for line in lines if line["accepted"]} == jobs
    assert [line["wait_s"] for line in lines[len(names) : -1]] == list(waits.values())


def test_a_date_to_come_again_lies_in_the_future_and_is_logged_as_seconds(tmp_path):
    with embedded_server(tmp_path, faults=[{"call": "models.list", "happens": "retry_after_date"}]) as server:
        status, _, date, *_ = asked(server, "GET", "/models")
        line = server.log("models.list")[0]
    assert (status, str(date).endswith("GMT")) == (429, True)
    assert 2.5 <= line["wait_s"] <= 4
    assert line["at"] <= time.time() and line["monotonic"] <= time.monotonic()


def test_a_share_hits_the_same_calls_for_the_same_seed_and_others_for_another(tmp_path):
    def hits(seed: int) -> list[bool]:
        rule = {"call": "models.list", "times": None, "share": 0.3, "seed": seed, "happens": "overloaded"}
        with embedded_server(tmp_path / f"{seed}-{time.monotonic_ns()}", faults=[rule]) as server:
            return [asked(server, "GET", "/models")[0] == 503 for _ in range(60)]

    first = hits(1)
    assert 8 <= sum(first) <= 28
    assert hits(1) == first != hits(2)


def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(ValueError, match="no fault explosion is known; known are reset, lost_answer"):
        Rule(call="jobs.create", happens="explosion")


def test_a_fate_is_refused_on_a_call_that_creates_nothing():
    with pytest.raises(ValueError, match=r"a job fault goes with jobs\.create"):
        Rule(call="jobs.list", happens="no_model")


def test_an_answer_can_be_spoiled_in_a_stream_only_by_what_needs_no_json(tmp_path):
    rules = [{"call": "chat.create", "happens": "empty_answer"}]
    with embedded_server(tmp_path, faults=rules) as server:
        chunks = support.client(server.url).chat.completions.create(
            model=support.BASE, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        assert list(chunks)[-1].choices[0].finish_reason == "stop"
