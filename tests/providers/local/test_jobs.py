import csv
import io
from itertools import islice

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.embedded import RunningServer
from tests.providers.local import support

ENDED = ("succeeded", "failed", "cancelled")


def test_a_job_answers_with_the_dated_model_and_what_was_asked_for(openai: OpenAI, tuned):
    job = tuned.job
    assert (job.status, job.model, job.seed, job.error) == ("succeeded", support.DATED, 7, None)
    assert job.metadata == {"intent": "abc", "run": "1"}
    assert job.fine_tuned_model == f"ft:{support.DATED}:embedded:intents:{job.id[-8:]}"
    assert job.finished_at is not None and job.finished_at >= job.created_at


def test_auto_hyperparameters_are_resolved_and_given_ones_kept(tuned):
    used = tuned.job.method.supervised.hyperparameters
    assert used.n_epochs == 2
    assert isinstance(used.batch_size, int)
    assert used.learning_rate_multiplier == 1.0


def test_trained_tokens_are_those_of_the_file_once_an_epoch(openai: OpenAI, tuned):
    once = support.wait_for(openai, support.create_job(openai, hyperparameters={"n_epochs": 1}).id, *ENDED)
    assert tuned.job.trained_tokens == 2 * once.trained_tokens > 0


def test_events_tell_the_story_newest_first_in_pages(openai: OpenAI, tuned):
    events = list(openai.fine_tuning.jobs.list_events(tuned.job.id, limit=3))
    assert len({event.id for event in events}) == len(events) > 6
    told = [event.message for event in reversed(events)]
    assert told[0] == f"Created fine-tuning job: {tuned.job.id}"
    assert told[-1] == "The job has successfully completed"
    assert told.index("Files validated, moving job to queued state") < told.index("Fine-tuning job started")


def test_metrics_events_the_result_file_and_the_checkpoint_agree(openai: OpenAI, tuned):
    events = list(openai.fine_tuning.jobs.list_events(tuned.job.id, limit=100))
    metrics = [event.data for event in reversed(events) if event.type == "metrics"]
    table = list(csv.DictReader(io.StringIO(openai.files.content(tuned.job.result_files[0]).text)))
    checkpoint = openai.fine_tuning.jobs.checkpoints.list(tuned.job.id).data[0]
    assert [int(row["step"]) for row in table] == [step["step"] for step in metrics] == list(range(1, len(table) + 1))
    assert [float(row["train_loss"]) for row in table] == [step["train_loss"] for step in metrics]
    assert checkpoint.step_number == metrics[-1]["step"]
    assert checkpoint.metrics.train_mean_token_accuracy == metrics[-1]["train_mean_token_accuracy"]
    assert metrics[-1]["valid_loss"] > 0


def test_a_checkpoint_answers(openai: OpenAI, tuned):
    checkpoint = openai.fine_tuning.jobs.checkpoints.list(tuned.job.id).data[0].fine_tuned_model_checkpoint
    question = [{"role": "user", "content": "money back"}]
    answers = {
        openai.chat.completions.create(model=model, messages=question, temperature=0).choices[0].message.content
        for model in (checkpoint, tuned.model)
    }
    assert len(answers) == 1


def test_jobs_are_listed_newest_first_in_pages_and_by_metadata(settable: RunningServer):
    settable.change_settings(job_seconds={"validating_files": 3600})
    openai = support.client(settable.url)
    file = support.upload(openai)
    made = [support.create_job(openai, file, metadata={"intent": str(n % 2), "n": str(n)}).id for n in range(5)]
    bare = support.create_job(openai, file).id
    assert [job.id for job in islice(openai.fine_tuning.jobs.list(limit=2), 6)] == [bare, *made[::-1]]
    assert [job.id for job in openai.fine_tuning.jobs.list(metadata={"intent": "1"})] == [made[3], made[1]]
    assert [job.id for job in openai.fine_tuning.jobs.list(metadata={"intent": "1", "n": "1"})] == [made[1]]
    assert openai.fine_tuning.jobs.list(extra_query={"metadata": "null"}).data[0].id == bare


def test_a_running_job_says_when_it_will_be_done_and_can_be_paused_resumed_and_cancelled(settable: RunningServer):
    settable.change_settings(job_seconds={"validating_files": 0.05, "queued": 0.05, "running": 3600})
    openai = support.client(settable.url)
    job = support.wait_for(openai, support.create_job(openai).id, "running")
    assert job.estimated_finish == pytest.approx(job.created_at + 3600, abs=5)
    lax = support.client(settable.url, strict=False)  # the SDK knows the call, but not this status
    assert lax.fine_tuning.jobs.pause(job.id).status == "paused"
    with pytest.raises(BadRequestError, match="is paused and cannot be paused"):
        openai.fine_tuning.jobs.pause(job.id)
    assert openai.fine_tuning.jobs.resume(job.id).status == "queued"
    support.wait_for(openai, job.id, "running")
    cancelled = openai.fine_tuning.jobs.cancel(job.id)
    assert (cancelled.status, cancelled.fine_tuned_model) == ("cancelled", None)
    with pytest.raises(BadRequestError, match="is cancelled and cannot be cancelled"):
        openai.fine_tuning.jobs.cancel(job.id)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (support.training_bytes(5), "invalid_n_examples", "has 5 example(s), but must have at least 10 examples"),
        (support.training_bytes() + b"{oops\n", "invalid_file_format", "Line 31: it is not valid JSON"),
    ],
)
def test_a_bad_training_file_fails_the_job_with_the_providers_words(openai: OpenAI, content, code, message):
    job = support.create_job(openai, support.upload(openai, content))
    failed = support.wait_for(openai, job.id, *ENDED)
    assert failed.status == "failed"
    assert (failed.error.code, failed.error.param) == (code, "training_file")
    assert message in failed.error.message
    event = next(e for e in openai.fine_tuning.jobs.list_events(job.id) if e.data and "error_code" in e.data)
    assert (event.level, event.data["error_code"]) == ("error", code)


def test_a_file_deleted_before_validation_fails_the_job(settable: RunningServer):
    settable.change_settings(job_seconds={"validating_files": 0.5, "queued": 0.05, "running": 0.05})
    openai = support.client(settable.url)
    job = support.create_job(openai)
    openai.files.delete(job.training_file)
    assert support.wait_for(openai, job.id, *ENDED).error.code == "file_not_found"


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"training_file": "file-unknown"}, "training_file"),
        ({"validation_file": "file-unknown"}, "validation_file"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs"),
        ({"extra_body": {"surprise": 1}}, "surprise"),
    ],
)
def test_a_job_that_asks_for_what_is_not_allowed_is_refused_by_the_parameters_name(openai: OpenAI, parameters, param):
    with pytest.raises(BadRequestError) as refused:
        support.create_job(openai, **{"training_file": support.upload(openai), **parameters})
    assert refused.value.param == param


def test_an_unknown_job_is_not_found(openai: OpenAI):
    with pytest.raises(NotFoundError, match="ftjob-unknown"):
        openai.fine_tuning.jobs.retrieve("ftjob-unknown")


def test_a_job_whose_training_breaks_fails_instead_of_hanging(settable: RunningServer):
    settable.change_settings(job_seconds={"validating_files": 0.05, "queued": 0.5, "running": 0.05})
    openai = support.client(settable.url)
    job = support.wait_for(openai, support.create_job(openai).id, "queued")
    (settable.state / "jobs" / job.id / "training-1").touch()  # where the training wants its folder
    failed = support.wait_for(openai, job.id, *ENDED)
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert "FileExistsError" in (settable.state / "server.stderr").read_text()
