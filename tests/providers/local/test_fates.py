"""What a fault can have in store for a job, its model and its results, and for an uploaded file."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

HOUR = 3600
FATES: dict[str, dict[str, Any]] = {
    "unlisted": {"model_unlisted_s": HOUR},
    "mute": {"model_mute_s": HOUR},
    "unnamed": {"model_unnamed_s": HOUR},
    "gone": {"model_gone_s": HOUR},
    "late results": {"results_late_s": HOUR},
    "no results": {"no_results": True},
    "empty results": {"empty_results": True},
    "invalid": {"ends": "failed", "during": "validating_files", "error": {"code": "invalid_n_examples"}},
}


@pytest.fixture(scope="module")
def fated(tmp_path_factory: pytest.TempPathFactory):
    """A server, and a job of each fate that has come to its end."""
    rules = [
        {"call": "jobs.create", "after": at, "happens": {"kind": "job", **fate}}
        for at, fate in enumerate(FATES.values())
    ]
    with embedded_server(tmp_path_factory.mktemp("fates") / "state", faults=rules) as server:
        openai = support.client(server.url, strict=False)
        file = support.upload(openai)
        jobs = {name: support.create_job(openai, file).id for name in FATES}
        ended = {name: support.wait_for(openai, job, "succeeded", "failed") for name, job in jobs.items()}
        yield server, openai, ended


def an_hour_later(server: RunningServer):
    server.change_settings(clock_offset_s=HOUR + 60)


@pytest.fixture
def now(fated):
    yield fated
    server, openai, _ = fated
    server.change_settings()
    openai.models.list()


def asks(openai: OpenAI, model: str) -> str:
    answer = openai.chat.completions.create(model=model, messages=[{"role": "user", "content": "where is parcel"}])
    return answer.model


def listed(openai: OpenAI) -> list[str]:
    return [model.id for model in openai.models.list()]


def test_a_model_can_answer_before_it_is_listed(now):
    server, openai, jobs = now
    model = jobs["unlisted"].fine_tuned_model
    assert model not in listed(openai)
    assert asks(openai, model) == model
    an_hour_later(server)
    assert model in listed(openai)


def test_a_model_can_be_listed_before_it_answers(now):
    server, openai, jobs = now
    model = jobs["mute"].fine_tuned_model
    assert model in listed(openai)
    with pytest.raises(NotFoundError) as mute:
        asks(openai, model)
    assert mute.value.code == "model_not_found"
    an_hour_later(server)
    assert asks(openai, model) == model


def test_a_model_can_be_named_after_the_success(now):
    server, openai, jobs = now
    assert jobs["unnamed"].fine_tuned_model is None
    an_hour_later(server)
    assert openai.fine_tuning.jobs.retrieve(jobs["unnamed"].id).fine_tuned_model in listed(openai)


def test_a_model_can_vanish(now):
    server, openai, jobs = now
    model = jobs["gone"].fine_tuned_model
    assert asks(openai, model) == model
    an_hour_later(server)
    assert model not in listed(openai)
    with pytest.raises(NotFoundError):
        openai.models.retrieve(model)


def test_results_can_be_late_or_missing_or_empty(now):
    server, openai, jobs = now
    assert (jobs["late results"].result_files, jobs["no results"].result_files) == ([], [])
    assert openai.files.content(jobs["empty results"].result_files[0]).content == b""
    an_hour_later(server)
    assert len(openai.fine_tuning.jobs.retrieve(jobs["late results"].id).result_files) == 1


def test_validation_can_fail_without_any_training(now):
    server, _, jobs = now
    assert (jobs["invalid"].status, jobs["invalid"].error.code) == ("failed", "invalid_n_examples")
    assert not list((server.state / "jobs" / jobs["invalid"].id).glob("training-*"))


def test_a_file_can_turn_out_unreadable_or_never_be_processed_or_be_listed_late(tmp_path):
    names = ["file_error", "file_stays_uploaded", "file_list_lag"]
    rules = [{"call": "files.create", "after": at, "happens": name} for at, name in enumerate(names)]
    with embedded_server(tmp_path, faults=rules) as server:
        openai = support.client(server.url)
        files = {name: support.upload(openai) for name in names}
        shown = {name: openai.files.retrieve(file) for name, file in files.items()}
        assert [file.status for file in shown.values()] == ["error", "uploaded", "processed"]
        assert shown["file_error"].status_details == "The file could not be read."
        assert files["file_list_lag"] not in [file.id for file in openai.files.list()]
        for name in ("file_error", "file_stays_uploaded"):
            with pytest.raises(BadRequestError, match="process"):
                support.create_job(openai, files[name])
        server.change_settings(clock_offset_s=10)
        assert files["file_list_lag"] in [file.id for file in openai.files.list()]
