"""The process: state that outlives it, one server a folder, the log, leaving when nobody needs it."""

import json
import subprocess
import sys
import urllib.request

import pytest
from openai import OpenAI

from tasks.providers.local.settings import SettingsFile
from tests.embedded import REPOSITORY, RunningServer, embedded_server
from tests.providers.local import support

SLOW = {"job_seconds": {"validating_files": 0.05, "queued": 0.05, "running": 1.5}}
QUESTION = [{"role": "user", "content": "where is parcel"}]


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tasks.providers.local.server", *map(str, arguments)]
    return subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)


def answer(openai: OpenAI, model: str) -> str | None:
    return openai.chat.completions.create(model=model, messages=QUESTION, temperature=0).choices[0].message.content


def test_a_killed_server_comes_back_with_files_models_and_history(tmp_path):
    with embedded_server(tmp_path) as server:
        openai = support.client(server.url)
        job = support.wait_for(openai, support.create_job(openai).id, "succeeded")
        events = openai.fine_tuning.jobs.list_events(job.id, limit=100).data
        said = answer(openai, job.fine_tuned_model)
        server.kill()
    with embedded_server(tmp_path) as again:
        openai = support.client(again.url)
        assert openai.fine_tuning.jobs.retrieve(job.id) == job
        assert openai.fine_tuning.jobs.list_events(job.id, limit=100).data == events
        assert openai.files.content(job.training_file).content == support.training_bytes()
        assert answer(openai, job.fine_tuned_model) == said


@pytest.mark.parametrize("status", ["validating_files", "queued", "running"])
def test_a_job_goes_on_where_a_kill_left_it(tmp_path, status):
    held = {"job_seconds": {"validating_files": 0, "queued": 0, "running": 0, status: 3600}}
    with embedded_server(tmp_path, settings=held) as server:
        openai = support.client(server.url)
        job = support.wait_for(openai, support.create_job(openai).id, status)
        server.kill()
    with embedded_server(tmp_path) as again:
        openai = support.client(again.url)
        done = support.wait_for(openai, job.id, "succeeded", "failed")
        told = [event.message for event in openai.fine_tuning.jobs.list_events(job.id, limit=100)]
        assert done.status == "succeeded"
        assert answer(openai, done.fine_tuned_model)
        assert len(told) == len(set(told)), "no step is told twice"


def test_a_second_server_on_the_same_state_is_turned_away(tmp_path):
    with embedded_server(tmp_path) as server:
        second = start("--state", tmp_path)
        assert second.returncode == 3
        assert "server.json" in second.stderr
        assert json.loads((tmp_path / "server.json").read_text()) == {"url": server.url, "pid": server.pid}
    assert not (tmp_path / "server.json").exists()


def test_health_says_who_answers(server):
    with urllib.request.urlopen(server.url.removesuffix("/v1") + "/health") as response:
        body = json.load(response)
    assert body == {"status": "ok", "pid": server.pid, "provider": "tunegate-embedded"}


def test_it_listens_on_loopback_only(server):
    assert server.url.startswith("http://127.0.0.1:")


def test_it_leaves_when_idle_but_not_while_a_job_runs(tmp_path):
    with embedded_server(tmp_path, settings=SLOW, idle_exit=1) as server:
        openai = support.client(server.url)
        job = support.create_job(openai).id
        server.process.wait(30)
    with embedded_server(tmp_path) as again:
        assert support.client(again.url).fine_tuning.jobs.retrieve(job).status == "succeeded"


def test_a_server_with_wrong_settings_or_a_file_that_is_not_there_does_not_start(tmp_path):
    (tmp_path / "settings.yaml").write_text("latency: {base: 1}")
    wrong, missing = start("--state", tmp_path), start("--state", tmp_path, "--settings", tmp_path / "none.yaml")
    assert (wrong.returncode, missing.returncode) == (2, 2)
    assert "settings.yaml: latency.base: Extra inputs" in wrong.stderr
    assert "none.yaml" in missing.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("models: {gpt-5: {}}", "models.gpt-5: a base model is named local-base-NAME-YYYY-MM-DD"),
        ("models: {local-base-new-2026-11-01: {}}", "set prices.local-base-new for it"),
        ("prices: {local-base-new: {input: -1}}", "prices.local-base-new.input: Input should be greater than"),
        ("latency: [", "settings.yaml"),
    ],
)
def test_wrong_settings_are_named(tmp_path, settings, named):
    path = tmp_path / "settings.yaml"
    path.write_text(settings)
    with pytest.raises(ValueError, match=r"settings\.yaml") as refused:
        SettingsFile(path)
    assert named in str(refused.value)


def test_settings_that_become_wrong_leave_the_last_good_ones(settable: RunningServer):
    settable.change_settings(training_closed="perhaps")
    assert support.create_job(support.client(settable.url)).id
    assert "training_closed" in (settable.state / "server.stderr").read_text()


def test_the_log_holds_ids_and_tokens_and_no_text(tmp_path):
    canary = "canary-4711"
    content = support.training_bytes().replace(b"parcel", canary.encode())
    with embedded_server(tmp_path) as server:
        openai = support.client(server.url)
        job = support.create_job(openai, support.upload(openai, content), metadata={"intent": "abc"})
        openai.chat.completions.create(model=support.BASE, messages=[{"role": "user", "content": canary}])
        created, chat = server.log("jobs.create")[0], server.log("chat.create")[0]
        assert (created["job"], created["file"], created["intent"]) == (job.id, job.training_file, "abc")
        assert created["status"] == 200 and created["ms"] > 0
        assert chat["prompt_tokens"] > 0 and chat["completion_tokens"] > 0
        assert [line["call"] for line in server.log()] == ["files.create", "jobs.create", "chat.create"]
    assert canary not in (tmp_path / "requests.jsonl").read_text()
    assert canary not in (tmp_path / "server.stderr").read_text()


def test_a_job_that_was_kept_before_there_were_methods_is_still_known(tmp_path):
    with embedded_server(tmp_path) as server:
        job = support.wait_for(*_client_and_job(server), "succeeded")
    path = tmp_path / "jobs" / f"{job.id}.json"
    kept = json.loads(path.read_text())
    kept["hyperparameters"] = kept.pop("method")["supervised"]["hyperparameters"]
    path.write_text(json.dumps(kept))
    with embedded_server(tmp_path) as again:
        assert support.client(again.url).fine_tuning.jobs.retrieve(job.id) == job


def _client_and_job(server: RunningServer) -> tuple[OpenAI, str]:
    openai = support.client(server.url)
    return openai, support.create_job(openai).id
