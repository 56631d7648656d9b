"""The wire client against a real server that misbehaves on request: what each failure means, and what is never sent."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from data_contracts.money import Job
from data_contracts.provider import ProviderSettings
from tasks.errors import (
    AmbiguousAnswerError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers.openai_wire import OpenAIWire
from tasks.providers.protocol import JobRequest
from tests.embedded import RunningServer, embedded_server
from tests.fake_clock import FakeClock

KEY = "sk-test-0123456789abcdef"
MODEL = "local-base-small"
ROWS = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"row {n}"}, {"role": "assistant", "content": "yes"}]}) + "\n"
    for n in range(12)
).encode()

Rule = dict[str, Any]


def rules(call: str, *happens: dict[str, Any]) -> list[Rule]:
    """One fault for each of the first calls, in order."""
    return [{"call": call, "after": number, "happens": fault} for number, fault in enumerate(happens)]


def status(code: int, error: str | None = None, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": code, "code": error, **more}


def wire(url: str, clock: FakeClock | None = None, timeout_s: float = 30) -> OpenAIWire:
    return OpenAIWire(ProviderSettings(name="openai", request_timeout_s=timeout_s), url, KEY, clock or FakeClock())


@contextmanager
def serving(state: Path, faults: list[Rule], **settings: Any) -> Iterator[tuple[RunningServer, OpenAIWire]]:
    with embedded_server(state, faults, settings or None) as server:
        yield server, wire(server.url)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("healthy")) as server:
        yield server


def order(training_file: str, **more: Any) -> JobRequest:
    asked = {"validation_file": None, "method": "supervised", "n_epochs": None, "batch_size": None, "seed": 7}
    asked |= {"learning_rate_multiplier": None, "suffix": None, "metadata": {"intent": "abc"}, **more}
    return JobRequest(base_model=MODEL, training_file=training_file, **asked)


def failing(provider: OpenAIWire, training_file: str) -> TunegateError:
    with pytest.raises(TunegateError) as error:
        provider.create_job(order(training_file))
    return error.value


def finished(provider: OpenAIWire, job_id: str) -> Job:
    deadline = time.monotonic() + 120
    while (job := provider.job(job_id)).state != "succeeded":
        assert time.monotonic() < deadline, job
    return job


# ------------------------------------------------------------ what works


def test_a_file_goes_up_once_and_is_found_by_name_and_size(healthy):
    provider = wire(healthy.url)
    file_id = provider.upload("abc.jsonl", ROWS)
    assert provider.find_file("abc.jsonl", ROWS) == file_id
    assert provider.find_file("abc.jsonl", ROWS + b"\n") is None
    assert provider.find_file("other.jsonl", ROWS) is None


def test_a_job_carries_what_was_ordered_and_leaves_the_rest_to_the_provider(healthy):
    provider = wire(healthy.url)
    file_id = provider.upload("job.jsonl", ROWS)
    job = provider.create_job(order(file_id, n_epochs=2, suffix="mine", metadata={"intent": "ordered", "run": "r1"}))
    assert (job.training_file, job.metadata) == (file_id, {"intent": "ordered", "run": "r1"})
    assert job.base_model.startswith(MODEL)
    raw = provider._client.fine_tuning.jobs.retrieve(job.id)
    assert (raw.hyperparameters.n_epochs, raw.hyperparameters.batch_size, raw.seed) == (2, "auto", 7)


def test_jobs_are_found_by_intent_or_by_file_and_no_other(healthy):
    provider = wire(healthy.url)
    mine, others = provider.upload("mine.jsonl", ROWS), provider.upload("others.jsonl", ROWS)
    by_intent = provider.create_job(order(others, metadata={"intent": "find-me"}))
    by_file = provider.create_job(order(mine, metadata={}))
    provider.create_job(order(others, metadata={"intent": "another"}))
    assert [job.id for job in provider.find_jobs("find-me", mine)] == [by_intent.id, by_file.id]
    assert provider.find_jobs("nobody", "") == []


def test_a_finished_job_names_its_model_and_tells_its_history_once_and_in_order(healthy):
    provider = wire(healthy.url)
    job = provider.create_job(order(provider.upload("finished.jsonl", ROWS)))
    done, events = finished(provider, job.id), provider.events(job.id)
    assert (done.model or "").startswith("ft:local-base-small")
    assert events[0].message.startswith("Created")
    assert [event.created_at for event in events] == sorted(event.created_at for event in events)
    steps = [event.metrics["step"] for event in events if event.metrics]
    assert steps and steps == sorted(steps)
    assert len({event.id for event in events}) == len(events)


def test_cancelling_a_job_that_has_ended_leaves_it_as_it_is(healthy):
    provider = wire(healthy.url)
    job = provider.create_job(order(provider.upload("ended.jsonl", ROWS)))
    finished(provider, job.id)
    assert provider.cancel(job.id).state == "succeeded"


def test_deleting_twice_is_fine(healthy):
    provider = wire(healthy.url)
    file_id = provider.upload("gone.jsonl", ROWS)
    provider.delete_file(file_id)
    provider.delete_file(file_id)
    provider.delete_model("ft:local-base-small-2026-06-01:embedded::nobody")
    assert provider.find_file("gone.jsonl", ROWS) is None


def test_models_say_when_they_shut_down(tmp_path):
    models = {"local-base-small-2026-06-01": {"shutdown_date": "2099-01-14"}}
    with serving(tmp_path, [], models=models) as (_, provider):
        dates = {model.id: model.shutdown_date for model in provider.models()}
    assert dates["local-base-small-2026-06-01"] == "2099-01-14"
    assert dates["local-base-large-2026-06-01"] is None


def test_answers_are_asked_for_at_the_same_address_with_the_same_key(healthy):
    endpoint = wire(healthy.url).answer_endpoint()
    assert endpoint.url == f"{healthy.url}/chat/completions"
    assert endpoint.headers["Authorization"] == f"Bearer {KEY}"


def test_the_environment_cannot_send_the_data_elsewhere(healthy, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert wire(healthy.url).models()


def test_the_account_is_the_project_and_goes_with_every_answer(healthy):
    provider = OpenAIWire(ProviderSettings(name="openai", project="proj_1"), healthy.url, KEY)
    assert provider.account == "proj_1"
    assert provider.answer_endpoint().headers["OpenAI-Project"] == "proj_1"


# ------------------------------------------------------------ what was paid, or maybe was

AMBIGUOUS = [
    {"kind": "reset"},
    {"kind": "reset", "accepted": True},
    {"kind": "hang", "seconds": 60, "accepted": True},
    {"kind": "truncate"},
    status(500),
    status(503, accepted=True),
    status(503),
    status(408),
    status(409),
    status(307, headers={"location": "http://127.0.0.1:9/elsewhere"}),
    {"kind": "replace"},
    {"kind": "replace", "body": '{"id": "ftjob-1', "content_type": "application/json"},
    {"kind": "replace", "body": "null", "content_type": "application/json"},
    {"kind": "fields", "set": {"id": None}},
    {"kind": "fields", "set": {"training_file": "file-of-somebody-else"}},
]


def test_an_answer_that_got_lost_is_ambiguous_and_the_job_is_asked_for_once(tmp_path):
    with serving(tmp_path, rules("jobs.create", *AMBIGUOUS)) as (server, _):
        provider = wire(server.url, timeout_s=2)
        file_id = provider.upload("a.jsonl", ROWS)
        found = {json.dumps(fault): type(failing(provider, file_id)) for fault in AMBIGUOUS}
        sent = len(server.log("jobs.create"))
    assert found == {json.dumps(fault): AmbiguousAnswerError for fault in AMBIGUOUS}
    assert sent == len(AMBIGUOUS)


def test_an_upload_that_got_lost_is_ambiguous_and_sent_once(tmp_path):
    faults = ({"kind": "reset", "accepted": True}, status(500), {"kind": "replace"})
    with serving(tmp_path, rules("files.create", *faults)) as (server, provider):
        for _ in faults:
            with pytest.raises(AmbiguousAnswerError):
                provider.upload("a.jsonl", ROWS)
        assert len(server.log("files.create")) == len(faults)


DEFINITE = [
    (status(400, "invalid_hyperparameter"), ProviderRefusedError),
    (status(404, "model_not_found"), ProviderRefusedError),
    (status(422, "unprocessable"), ProviderRefusedError),
    (status(401, "invalid_api_key"), CredentialsError),
    (status(403, "missing_scope"), CredentialsError),
    (status(429, "insufficient_quota"), CredentialsError),
    (status(429, "project_spend_limit_exceeded"), CredentialsError),
    (status(429, "rate_limit_exceeded", headers={"retry-after": "300"}), ProviderUnavailableError),
]


def test_a_definite_no_is_never_ambiguous(tmp_path):
    faults = [fault for fault, _ in DEFINITE]
    with serving(tmp_path, rules("jobs.create", *faults)) as (_, provider):
        file_id = provider.upload("a.jsonl", ROWS)
        found = [(fault, failing(provider, file_id)) for fault in faults]
    assert [(fault, type(error)) for fault, error in found] == DEFINITE
    last = found[-1][1]
    assert isinstance(last, ProviderUnavailableError)
    assert last.retry_after == 300


def test_a_connection_that_never_came_about_sent_nothing():
    assert isinstance(failing(wire("http://127.0.0.1:9/v1"), "file-1"), ProviderUnavailableError)


def test_training_closed_to_new_jobs_names_where_the_data_can_go(tmp_path):
    with serving(tmp_path, [], training_closed=True) as (_, provider):
        error = failing(provider, provider.upload("a.jsonl", ROWS))
    assert isinstance(error, ProviderRefusedError)
    assert "Foundry" in str(error)
    assert "--no-train" in str(error)


def test_no_error_carries_the_key_or_a_body(tmp_path):
    echoed = f"Incorrect key {KEY}, see \x1b[31m row 7"
    faults = [status(400, "bad", message=echoed), status(401, "bad", message=echoed), {"kind": "replace"}]
    with serving(tmp_path, rules("jobs.create", *faults)) as (_, provider):
        errors = [failing(provider, "file-1") for _ in faults]
    for error in errors:
        shown = f"{error!s} {error.args!r} {error.__context__!r} {error.__cause__!r}"
        assert not re.search(r"sk-test|html|\x1b", shown)


# ------------------------------------------------------------ what may be asked again


def test_a_read_is_repeated_through_passing_faults(tmp_path):
    faults = [status(500), {"kind": "reset"}, {"kind": "replace"}, {"kind": "fields", "set": {"id": "ftjob-other"}}]
    with serving(tmp_path, rules("jobs.retrieve", *faults)) as (server, provider):
        job = provider.create_job(order(provider.upload("a.jsonl", ROWS)))
        assert provider.job(job.id).id == job.id
        assert len(server.log("jobs.retrieve")) == 5


def test_a_read_waits_as_long_as_it_is_told_to(tmp_path):
    busy = status(429, "rate_limit_exceeded", headers={"retry-after": "90"})
    clock = FakeClock()
    with embedded_server(tmp_path, rules("models.list", busy)) as server:
        wire(server.url, clock).models()
    assert 90 <= sum(clock.slept) <= 91


def test_a_read_told_to_wait_for_long_hands_the_wait_on(tmp_path):
    busy = status(503, "overloaded", headers={"retry-after": "300"})
    with serving(tmp_path, rules("models.list", busy)) as (_, provider), pytest.raises(TunegateError) as error:
        provider.models()
    assert isinstance(error.value, ProviderUnavailableError)
    assert error.value.retry_after == 300


def test_a_read_gives_up_in_the_end(tmp_path):
    down = [{"call": "models.list", "times": None, "happens": status(503)}]
    with serving(tmp_path, down) as (server, provider):
        with pytest.raises(ProviderUnavailableError):
            provider.models()
        assert len(server.log("models.list")) == 6


def test_a_wrong_key_is_asked_with_once(tmp_path):
    with embedded_server(tmp_path, api_key="another-key") as server:
        with pytest.raises(CredentialsError):
            wire(server.url).models()
        assert len(server.log("models.list")) == 1


def test_a_state_that_nobody_knows_is_no_end(tmp_path):
    states = {"paused": "paused", "pausing": "running", "resharding": "unknown", None: "unknown"}
    faults = rules("jobs.retrieve", *({"kind": "fields", "set": {"status": shown}} for shown in states))
    with serving(tmp_path, faults) as (_, provider):
        job = provider.create_job(order(provider.upload("a.jsonl", ROWS)))
        assert [provider.job(job.id).state for _ in states] == list(states.values())


def test_an_error_full_of_nulls_is_no_error(tmp_path):
    nulls = {"code": None, "message": None, "param": None}
    with serving(tmp_path, rules("jobs.retrieve", {"kind": "fields", "set": {"error": nulls}})) as (_, provider):
        job = provider.job(provider.create_job(order(provider.upload("a.jsonl", ROWS))).id)
    assert (job.error_code, job.error_message) == (None, None)


# ------------------------------------------------------------ listings that lie


def test_a_metadata_filter_that_is_ignored_finds_nothing_foreign(tmp_path):
    ignoring = [{"call": "jobs.list", "times": None, "happens": {"kind": "paging", "ignores": ["metadata"]}}]
    with serving(tmp_path, ignoring) as (_, provider):
        job = provider.create_job(order(provider.upload("a.jsonl", ROWS), metadata={"intent": "foreign"}))
        assert provider.find_jobs("mine", "") == []
        assert [found.id for found in provider.find_jobs("foreign", "")] == [job.id]


def test_a_job_listing_that_stands_still_does_not_prove_that_there_is_no_job(tmp_path):
    lying = {"kind": "paging", "ignores": ["after", "metadata"], "has_more": True}
    with serving(tmp_path, [{"call": "jobs.list", "times": None, "happens": lying}]) as (server, provider):
        provider.create_job(order(provider.upload("a.jsonl", ROWS)))
        with pytest.raises(ProviderUnavailableError, match="does not come to its end"):
            provider.find_jobs("mine", "")
        assert len(server.log("jobs.list")) == 4, "the whole listing and that of the intent, two pages each"


def test_event_pages_that_repeat_or_turn_round_show_each_event_once(tmp_path):
    lying = {"kind": "paging", "ignores": ["after"], "has_more": True, "reverse": True}
    with serving(tmp_path, [{"call": "jobs.events", "times": None, "happens": lying}]) as (_, provider):
        job = provider.create_job(order(provider.upload("a.jsonl", ROWS)))
        events = provider.events(job.id)
    assert events
    assert len({event.id for event in events}) == len(events)
    assert [event.created_at for event in events] == sorted(event.created_at for event in events)
