"""Jobs and answers of the tiny model over the server's socket, with the real SDK."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.embedded import RunningServer, embedded_server
from tests.lora import support, tickets
from tests.lora.conftest import settings

ROWS = tickets.labelled(180)
UNSEEN = tickets.unseen(20, ROWS)


@pytest.fixture(scope="module")
def openai(server: RunningServer) -> OpenAI:
    return support.client(server.url)


@pytest.fixture(scope="module")
def before(openai: OpenAI) -> list[str]:
    """What the base model says while nothing was trained on it yet."""
    return [support.answer(openai, "tiny", text) for text, _ in UNSEEN[:5]]


@pytest.fixture(scope="module")
def tuned(openai: OpenAI, before: list[str]) -> FineTuningJob:
    """A job that has learnt the tickets."""
    job = support.ended(openai, support.start(openai, tickets.training_file(ROWS)).id)
    assert job.status == "succeeded", job.error
    return job


def test_a_job_reports_each_step_and_ends_with_a_model_that_is_right_about_unseen_rows(openai, tuned):
    losses = [step["train_loss"] for step in support.steps(openai, tuned.id)]
    assert len(losses) == 144
    assert losses[-1] < 0.05 < 1 < losses[0]
    assert tuned.fine_tuned_model == f"ft:tiny:embedded:tickets:{tuned.id[-8:]}"
    assert support.share_right(openai, tuned.fine_tuned_model, UNSEEN) == 1


def test_the_base_model_answers_as_before_beside_its_tune(openai, tuned, before):
    assert support.share_right(openai, tuned.fine_tuned_model, UNSEEN[:5]) == 1
    assert [support.answer(openai, "tiny", text) for text, _ in UNSEEN[:5]] == before


def test_answers_to_many_at_once_are_those_to_one_at_a_time(openai, tuned):
    def ask(row: tuple[str, str]) -> str:
        return support.answer(openai, tuned.fine_tuned_model, row[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, UNSEEN)) == [ask(row) for row in UNSEEN]


def test_a_seed_draws_the_same_answer_again_and_temperature_draws_others(openai, tuned):
    drawn = [support.answer(openai, "tiny", "my wifi", temperature=1.5, seed=seed) for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_an_answer_counts_its_tokens_and_says_whether_it_was_cut(openai, tuned):
    asked = {"messages": [{"role": "user", "content": "my wifi is wrong"}], "temperature": 0}
    whole = openai.chat.completions.create(model=tuned.fine_tuned_model, **asked)
    cut = openai.chat.completions.create(model=tuned.fine_tuned_model, max_tokens=1, **asked)
    assert (whole.choices[0].finish_reason, cut.choices[0].finish_reason) == ("stop", "length")
    assert whole.choices[0].message.content.startswith(cut.choices[0].message.content)
    assert whole.usage.completion_tokens >= cut.usage.completion_tokens == 1
    assert whole.usage.prompt_tokens == cut.usage.prompt_tokens > 2


def test_log_probabilities_are_those_of_the_model(openai, tuned):
    asked = {"model": tuned.fine_tuned_model, "messages": [{"role": "user", "content": "my wifi is wrong"}]}
    answer = openai.chat.completions.create(**asked, temperature=0, logprobs=True, top_logprobs=3).choices[0]
    tokens = answer.logprobs.content
    assert "".join(token.token for token in tokens) == answer.message.content == "network"
    assert all(token.logprob == pytest.approx(token.top_logprobs[0].logprob) for token in tokens)
    assert all(-0.5 < token.logprob <= 0 and len(token.top_logprobs) == 3 for token in tokens)


def test_a_stream_is_the_answer_piece_by_piece(openai, tuned):
    asked = {"messages": [{"role": "user", "content": "the refund is wrong"}], "temperature": 0}
    stream = openai.chat.completions.create(model=tuned.fine_tuned_model, stream=True, **asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "billing"


def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused(openai):
    with pytest.raises(BadRequestError) as refused:
        support.answer(openai, "tiny", "wifi " * 300)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")


def test_preferences_move_the_model_towards_the_better_answers(openai):
    job = support.ended(openai, support.start(openai, tickets.preference_file(ROWS[:60]), "dpo", n_epochs=3).id)
    assert job.status == "succeeded", job.error
    steps = support.steps(openai, job.id)
    assert steps[0]["train_loss"] == pytest.approx(0.6931, abs=0.001), "the adapter starts as the base model"
    assert steps[-1]["train_loss"] < steps[0]["train_loss"]
    assert steps[-1]["train_reward_accuracy"] > 0.9
    assert job.method.dpo.hyperparameters.beta == 0.1
    assert isinstance(support.answer(openai, job.fine_tuned_model, "my wifi is wrong"), str)


def test_a_base_model_in_4_bits_is_trained_and_answers_by_the_same_path(tiny, tmp_path):
    pytest.importorskip("bitsandbytes")
    with embedded_server(tmp_path / "state", settings=settings(tiny, quantise="always")) as server:
        openai = support.client(server.url)
        job = support.ended(openai, support.start(openai, tickets.training_file(ROWS), n_epochs=6).id)
        assert job.status == "succeeded", job.error
        assert json.loads((server.state / "jobs" / job.id / "training-1" / "model.json").read_text())["four_bits"]
        assert support.share_right(openai, job.fine_tuned_model, UNSEEN) > 0.9


def test_a_cancelled_job_leaves_no_process_no_model_and_no_checkpoint(tiny, tmp_path):
    with embedded_server(tmp_path / "state", settings=settings(tiny, checkpoint_s=0)) as server:
        openai = support.client(server.url)
        job = support.start(openai, tickets.training_file(ROWS))
        support.until(lambda: support.steps(openai, job.id), lambda steps: len(steps) > 2)
        assert len(support.processes(job.id)) == 1
        assert openai.fine_tuning.jobs.cancel(job.id).status == "cancelled"
        assert support.processes(job.id) == []
        assert [path.name for path in (server.state / "jobs" / job.id).glob("training-*")] == []


def test_a_job_outlives_its_killed_server_and_goes_on_from_its_checkpoint(tiny, tmp_path):
    with embedded_server(tmp_path / "state", settings=settings(tiny, checkpoint_s=0)) as server:
        openai = support.client(server.url)
        job = support.start(openai, tickets.training_file(ROWS))
        support.until(lambda: support.steps(openai, job.id), lambda steps: len(steps) > 20)
        server.kill()
    support.until(lambda: support.processes(job.id), lambda left: not left, seconds=10)
    with embedded_server(tmp_path / "state", settings=settings(tiny, checkpoint_s=0)) as server:
        openai = support.client(server.url)
        done = support.ended(openai, job.id)
        assert done.status == "succeeded", done.error
        assert [step["step"] for step in support.steps(openai, job.id)] == list(range(1, 145))
        first = (server.state / "jobs" / job.id / "training-2" / "metrics.jsonl").read_text().splitlines()[0]
        assert '"step": 1,' not in first, "the second attempt did not begin anew"
        assert support.share_right(openai, done.fine_tuned_model, UNSEEN[:5]) == 1


def test_a_job_that_waits_for_the_device_waits_its_turn_and_a_model_nobody_asks_makes_room(openai, tuned, server):
    support.answer(openai, "tiny", "my wifi")
    assert len(support.children(server.pid, "lora.serving")) == 1
    jobs = [support.start(openai, tickets.training_file(ROWS), n_epochs=1) for _ in range(2)]
    support.until(lambda: support.children(server.pid, "lora.trainer"), bool)
    assert support.children(server.pid, "lora.serving") == []
    at_once: set[int] = set()

    def look() -> set[str]:
        at_once.add(len(support.children(server.pid, "lora.trainer")))
        return {openai.fine_tuning.jobs.retrieve(job.id).status for job in jobs}

    support.until(look, lambda states: states == {"succeeded"})
    assert max(at_once) == 1


def test_a_deleted_model_is_gone_with_its_adapter(openai, tuned, server):
    assert support.answer(openai, tuned.fine_tuned_model, "my wifi is wrong") == "network"
    openai.models.delete(tuned.fine_tuned_model)
    with pytest.raises(NotFoundError):
        support.answer(openai, tuned.fine_tuned_model, "my wifi is wrong")
    assert list((server.state / "jobs" / tuned.id).rglob("*.safetensors")) == []
