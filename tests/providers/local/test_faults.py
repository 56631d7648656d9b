"""Each effect of the fault list as a client sees it on the socket."""

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest
from openai import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    NotFoundError,
    OpenAI,
    PermissionDeniedError,
    RateLimitError,
)

from tasks.providers.local.faults import Faults
from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

LASTING = {
    "files.list": {"kind": "status", "status": 429, "code": "slow_down", "headers": {"retry-after": "300"}},
    "models.list": {"kind": "replace"},
    "models.retrieve": {"kind": "replace", "body": '{"id": "x", ', "content_type": "application/json"},
    "prices.list": {"kind": "truncate", "keep": 0.3},
    "files.retrieve": {"kind": "hang", "seconds": 60},
    "files.delete": {"kind": "status", "status": 503, "accepted": True},
    "files.content": {"kind": "delay", "seconds": 0.3},
    "chat.create": {"kind": "trickle", "seconds": 0.3, "pieces": 3},
    "jobs.retrieve": {"kind": "fields", "set": {"status": None, "fine_tuned_model": "ft:of:somebody:else:x"}},
    "health": {"kind": "status", "status": 307, "headers": {"location": "http://127.0.0.1:9/"}},
    "jobs.events": {"kind": "paging", "reverse": True},
    "jobs.list": {"kind": "paging", "ignores": ["after", "metadata"], "has_more": True},
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    rules = [{"call": call, "times": None, "happens": fault} for call, fault in LASTING.items()]
    with embedded_server(tmp_path_factory.mktemp("faulty") / "state", faults=rules) as server:
        yield server


@pytest.fixture(scope="module")
def openai(faulty: RunningServer) -> OpenAI:
    return support.client(faulty.url)


def test_a_status_comes_with_its_headers_and_the_error_body(openai: OpenAI):
    with pytest.raises(RateLimitError) as limited:
        openai.files.list()
    assert limited.value.code == "slow_down"
    assert limited.value.response.headers["retry-after"] == "300"


def test_html_comes_with_status_200(openai: OpenAI):
    with pytest.raises(APIResponseValidationError):
        openai.models.list()


def test_broken_json_comes_as_json(openai: OpenAI):
    with pytest.raises(json.JSONDecodeError):
        openai.models.retrieve(support.BASE)


def test_a_truncated_answer_breaks_off(openai: OpenAI):
    with pytest.raises(APIConnectionError):
        openai.get("/prices", cast_to=object)


def test_a_hanging_call_never_answers(openai: OpenAI, faulty: RunningServer):
    with pytest.raises(APITimeoutError):
        openai.files.retrieve("file-x", timeout=0.3)
    line = support.until(lambda: faulty.log("files.retrieve"), bool)[-1]
    assert (line["status"], line["fault"]) == (None, "hang")


def test_an_accepted_call_takes_effect_although_its_answer_is_an_error(openai: OpenAI):
    file = support.upload(openai)
    with pytest.raises(Exception, match="503"):
        openai.files.delete(file)
    with pytest.raises(NotFoundError):
        openai.files.content(file)


def test_a_delayed_answer_comes_late_and_whole(openai: OpenAI):
    file, started = support.upload(openai), time.monotonic()
    assert openai.files.content(file).content == support.training_bytes()
    assert time.monotonic() - started > 0.3


def test_a_trickling_answer_comes_in_pieces_and_whole(openai: OpenAI):
    started = time.monotonic()
    answer = openai.chat.completions.create(model=support.BASE, messages=[{"role": "user", "content": "hi"}])
    assert answer.choices
    assert time.monotonic() - started > 0.3


def test_fields_of_an_answer_can_be_overridden(openai: OpenAI):
    seen = openai.get(f"/fine_tuning/jobs/{support.create_job(openai).id}", cast_to=object)
    assert (seen["status"], seen["fine_tuned_model"]) == (None, "ft:of:somebody:else:x")


def test_a_redirect_points_elsewhere(faulty: RunningServer):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as redirected:
        urllib.request.build_opener(Stay).open(faulty.url.removesuffix("/v1") + "/health")
    assert (redirected.value.code, redirected.value.headers["location"]) == (307, "http://127.0.0.1:9/")


def test_events_can_come_in_the_wrong_order(openai: OpenAI):
    events = openai.fine_tuning.jobs.list_events(support.create_job(openai).id).data
    assert events[0].message.startswith("Created")


def test_a_list_can_ignore_cursor_and_filter_and_never_end(openai: OpenAI):
    made = support.create_job(openai, metadata={"intent": "a"}).id
    page = openai.fine_tuning.jobs.list(limit=1, metadata={"intent": "b"})
    assert [job.id for job in page.data] == [made]
    assert page.has_more
    assert [job.id for job in page.get_next_page().data] == [made]


def test_a_reset_before_acceptance_leaves_no_job_and_one_after_it_leaves_one(tmp_path):
    rules = [
        {"call": "jobs.create", "happens": {"kind": "reset"}},
        {"call": "jobs.create", "after": 1, "happens": {"kind": "reset", "accepted": True}},
    ]
    with embedded_server(tmp_path, faults=rules) as server:
        openai = support.client(server.url)
        file = support.upload(openai)
        for expected in (0, 1, 2):
            if expected < 2:
                with pytest.raises(APIConnectionError):
                    support.create_job(openai, file)
            else:
                support.create_job(openai, file)
            assert len(openai.fine_tuning.jobs.list().data) == expected
        lines = server.log("jobs.create")
        assert [line["status"] for line in lines] == [None, None, 200]
        assert [bool(line["job"]) for line in lines] == [False, True, True]


@pytest.mark.parametrize("accepted", [False, True])
def test_a_server_killed_by_a_rule_does_not_die_of_it_again(tmp_path, accepted):
    rules = [{"call": "jobs.create", "happens": {"kind": "exit", "accepted": accepted}}]
    with embedded_server(tmp_path, faults=rules) as server:
        openai = support.client(server.url)
        file = support.upload(openai)
        with pytest.raises(APIConnectionError):
            support.create_job(openai, file)
        assert server.process.wait(5) == 137
    with embedded_server(tmp_path, faults=rules) as again:
        openai = support.client(again.url)
        assert len(openai.fine_tuning.jobs.list().data) == accepted
        assert support.create_job(openai, file).id
        assert [line["fault"] for line in again.log("jobs.create")] == ["exit", None]


def test_what_becomes_of_a_job_can_be_decided_at_its_creation(tmp_path):
    fates = {
        "stuck": {"stays": "queued"},
        "paused": {"stays": "paused"},
        "failed": {"ends": "failed", "error": {"code": "exceeded_quota", "message": "No more."}},
        "cancelled": {"ends": "cancelled"},
        "no model": {"no_model": True},
        "late model": {"model_late_s": 3600},
        "hidden": {"hidden_s": 3600},
    }
    rules = [
        {"call": "jobs.create", "after": number, "happens": {"kind": "job", **fate}}
        for number, fate in enumerate(fates.values())
    ]
    with embedded_server(tmp_path, faults=rules) as server:
        openai = support.client(server.url, strict=False)
        file = support.upload(openai)
        jobs = {name: support.create_job(openai, file).id for name in fates}
        listed = [job.id for job in openai.fine_tuning.jobs.list()]
        assert set(jobs.values()) - set(listed) == {jobs["hidden"]}
        assert openai.fine_tuning.jobs.retrieve(jobs["hidden"]).id == jobs["hidden"]
        assert support.wait_for(openai, jobs["failed"], "failed").error.code == "exceeded_quota"
        support.wait_for(openai, jobs["cancelled"], "cancelled")
        assert support.wait_for(openai, jobs["no model"], "succeeded").fine_tuned_model is None
        late = support.wait_for(openai, jobs["late model"], "succeeded").fine_tuned_model
        with pytest.raises(NotFoundError):
            openai.models.retrieve(late)
        assert openai.fine_tuning.jobs.retrieve(jobs["stuck"]).status == "queued"
        assert support.wait_for(openai, jobs["paused"], "paused")
        server.change_settings(clock_offset_s=3601)
        assert openai.models.retrieve(late).id == late
        assert jobs["hidden"] in [job.id for job in openai.fine_tuning.jobs.list()]


def test_a_rule_lets_calls_pass_first_and_patterns_cover_several_calls(tmp_path):
    closed = {"kind": "status", "status": 403, "code": "fine_tuning_unavailable"}
    with embedded_server(tmp_path, faults=[{"call": "models.*", "after": 1, "times": 2, "happens": closed}]) as server:
        openai = support.client(server.url)
        assert openai.models.list().data
        with pytest.raises(PermissionDeniedError):
            openai.models.retrieve(support.BASE)
        with pytest.raises(PermissionDeniedError):
            openai.models.list()
        assert openai.models.list().data


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"call": "jobs.crate", "happens": {"kind": "reset"}}, "0.call: Value error, no call matches"),
        ({"call": "jobs.create", "happens": {"kind": "explode"}}, "0.happens: Input tag 'explode'"),
        ({"call": "jobs.create", "happens": {"kind": "reset", "wait": 1}}, "0.happens.reset.wait: Extra inputs"),
    ],
)
def test_a_wrong_rule_is_named_by_file_place_and_field(tmp_path, rule, named):
    path = tmp_path / "faults.yaml"
    path.write_text(json.dumps([rule]))
    with pytest.raises(ValueError) as refused:
        Faults.from_file(path, tmp_path / "counts.json")
    assert str(refused.value).startswith(f"{path}: {named}")
