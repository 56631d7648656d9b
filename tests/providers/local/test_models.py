import datetime as dt

import pytest
from openai import BadRequestError, NotFoundError, OpenAI, PermissionDeniedError

from tests.embedded import RunningServer
from tests.providers.local import support

SUCCESSOR = "local-base-small-2026-11-20"
HELLO = [{"role": "user", "content": "hello"}]


def test_dated_and_undated_base_models_are_listed_as_what_they_are(openai: OpenAI):
    shown = {model.id: model for model in openai.models.list()}
    assert {"local-base-small", support.DATED, "local-base-large", "local-base-large-2026-06-01"} <= set(shown)
    assert shown[support.DATED].owned_by == "tunegate-embedded"
    assert shown[support.DATED].created == int(dt.datetime(2026, 6, 1, tzinfo=dt.UTC).timestamp())
    assert shown[support.DATED].shutdown_date is None


def test_a_tuned_model_is_listed_and_only_such_a_model_can_be_deleted(openai: OpenAI):
    job = support.wait_for(openai, support.create_job(openai).id, "succeeded")
    assert openai.models.retrieve(job.fine_tuned_model).owned_by == "embedded"
    assert job.fine_tuned_model in [model.id for model in openai.models.list()]
    assert openai.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(NotFoundError):
        openai.chat.completions.create(model=job.fine_tuned_model, messages=HELLO)
    with pytest.raises(PermissionDeniedError):
        openai.models.delete(support.DATED)


def test_the_undated_name_moves_to_a_newer_dated_model_while_the_server_runs(settable: RunningServer):
    openai = support.client(settable.url)
    before = openai.chat.completions.create(model=support.BASE, messages=HELLO)
    settable.change_settings(models={SUCCESSOR: {}})
    after = openai.chat.completions.create(model=support.BASE, messages=HELLO)
    assert (before.model, after.model) == (support.DATED, SUCCESSOR)
    assert before.system_fingerprint != after.system_fingerprint
    assert support.create_job(openai).model == SUCCESSOR


def test_a_base_model_is_gone_with_its_tunes_from_its_shutdown_date_on(settable: RunningServer):
    openai = support.client(settable.url)
    tune = support.wait_for(openai, support.create_job(openai).id, "succeeded").fine_tuned_model
    today = dt.datetime.now(dt.UTC).date()
    later = (today + dt.timedelta(days=90)).isoformat()
    settable.change_settings(models={support.DATED: {"shutdown_date": later}})
    assert openai.models.retrieve(tune).shutdown_date == openai.models.retrieve(support.DATED).shutdown_date
    assert str(openai.models.retrieve(tune).shutdown_date) == later
    settable.change_settings(models={support.DATED: {"shutdown_date": today.isoformat()}})
    for model in (support.DATED, support.BASE, tune):
        with pytest.raises(NotFoundError) as gone:
            openai.chat.completions.create(model=model, messages=HELLO)
        assert gone.value.code == "model_not_found"
    assert [model.id for model in openai.models.list()] == ["local-base-large", "local-base-large-2026-06-01"]


def test_prices_are_served_and_settable(settable: RunningServer):
    dear = {"input": 1, "output": 2, "training": 3, "tuned_input": 4, "tuned_output": 5}
    settable.change_settings(prices={"local-base-small": dear})
    table = support.client(settable.url).get("/prices", cast_to=object)
    by_model = {row["model"]: row for row in table["data"]}
    assert (table["currency"], table["unit"]) == ("USD", "per_million_tokens")
    assert by_model[support.DATED] == {"model": support.DATED, **dear}
    assert by_model["local-base-large"]["training"] > 0


def test_a_job_on_a_tuned_model_is_refused(openai: OpenAI, tuned):
    with pytest.raises(BadRequestError, match="not available for fine-tuning"):
        support.create_job(openai, model=tuned.model)


def test_fine_tuning_can_be_closed_to_new_jobs_while_models_keep_answering(settable: RunningServer):
    openai = support.client(settable.url)
    settable.change_settings(training_closed=True)
    with pytest.raises(PermissionDeniedError) as closed:
        support.create_job(openai)
    assert closed.value.code == "fine_tuning_unavailable"
    assert openai.chat.completions.create(model=support.BASE, messages=HELLO).choices


def test_one_base_model_can_stop_taking_jobs_on_a_day_that_is_known_before(settable: RunningServer):
    openai = support.client(settable.url)
    today = dt.datetime.now(dt.UTC).date()
    until = {"training_until": (today + dt.timedelta(days=1)).isoformat()}
    settable.change_settings(models={support.DATED: until})
    shown = openai.get(f"/models/{support.DATED}", cast_to=object)
    assert (shown["training_until"], shown["tunable"]) == (until["training_until"], True)
    assert support.create_job(openai).id
    settable.change_settings(models={support.DATED: until}, clock_offset_s=24 * 3600)
    with pytest.raises(PermissionDeniedError) as closed:
        support.create_job(openai)
    assert closed.value.code == "fine_tuning_unavailable"
    assert support.create_job(openai, model="local-base-large").id
    assert openai.chat.completions.create(model=support.BASE, messages=HELLO).choices


def test_a_base_model_can_lack_a_method(settable: RunningServer):
    settable.change_settings(models={support.DATED: {"methods": ["supervised"]}})
    with pytest.raises(BadRequestError, match="not available for dpo"):
        support.create_job(support.client(settable.url), method={"type": "dpo"})


def test_deleting_a_model_deletes_what_it_has_learnt(openai: OpenAI, server: RunningServer):
    job = support.wait_for(openai, support.create_job(openai).id, "succeeded")
    assert list((server.state / "jobs" / job.id).glob("training-*/model.json"))
    openai.models.delete(job.fine_tuned_model)
    assert not list((server.state / "jobs" / job.id).glob("training-*"))
    with pytest.raises(NotFoundError):
        openai.models.retrieve(job.fine_tuned_model)


def test_a_cancelled_job_leaves_nothing_that_it_has_learnt(settable: RunningServer):
    settable.change_settings(job_seconds={"validating_files": 0.05, "queued": 0.05, "running": 3600})
    openai = support.client(settable.url)
    job = support.wait_for(openai, support.create_job(openai).id, "running")
    support.until(lambda: list((settable.state / "jobs" / job.id).glob("training-*/model.json")), bool)
    openai.fine_tuning.jobs.cancel(job.id)
    assert not list((settable.state / "jobs" / job.id).glob("training-*"))
