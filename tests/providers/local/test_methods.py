"""Preferences and rewards: what a job shows of them, and what its model has learnt."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tasks.providers.local import trainer
from tasks.providers.local.learning.learnt import load
from tests.providers.local import support
from tests.providers.local.preferences import EQUAL, GRADED, LISTED, NAMES, PAIRS, graded, lines, pair

PARCEL = support.LABELS["delivery"] + " number 100"
DPO = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 2}}}
REWARDED = {"type": "reinforcement", "reinforcement": {"grader": EQUAL, "hyperparameters": {"eval_interval": 10}}}


def train(folder: Path, content: bytes, *options: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "t.jsonl").write_bytes(content)
    given = ["--training", str(folder / "t.jsonl"), "--validation", "-", "--model", str(folder / "m")]
    assert trainer.main([*given, "--epochs", "3", "--seed", "1", *options]) == 0
    return folder / "m"


def chances(model: Path, question: str = PARCEL) -> dict[str, float]:
    (decision,) = load(model).decisions(question).values()
    return decision


def finished(openai: OpenAI, content: bytes, method: dict[str, Any], **more: Any) -> Any:
    job = support.create_job(openai, support.upload(openai, content), method=method, **more)
    return support.wait_for(openai, job.id, "succeeded")


def answer(openai: OpenAI, model: str) -> str | None:
    asked = [{"role": "user", "content": PARCEL}]
    return openai.chat.completions.create(model=model, messages=asked, temperature=0).choices[0].message.content


def test_a_job_on_preferences_shows_its_method_and_its_model_prefers_so(openai: OpenAI):
    job = finished(openai, PAIRS, DPO, validation_file=support.upload(openai, PAIRS))
    used = job.method.dpo.hyperparameters
    assert (job.method.type, used.beta, used.n_epochs) == ("dpo", 0.2, 2)
    assert (used.batch_size, used.learning_rate_multiplier) == (3, 1.0)
    assert (job.method.supervised, job.trained_tokens > 0) == (None, True)
    assert answer(openai, job.fine_tuned_model) == "delivery"


def test_a_job_on_rewards_shows_its_grader_and_its_model_earns_them(openai: OpenAI):
    job = finished(openai, GRADED, REWARDED, validation_file=support.upload(openai, GRADED))
    assert job.method.reinforcement.grader.to_dict() == EQUAL
    assert job.method.reinforcement.hyperparameters.eval_interval == 10
    assert answer(openai, job.fine_tuned_model) == "delivery"
    table = list(csv.DictReader(io.StringIO(openai.files.content(job.result_files[0]).text)))
    assert float(table[-1]["train_reward_mean"]) > 0.9 > float(table[0]["train_reward_mean"])
    assert [row["step"] for row in table if row["valid_reward_mean"]][:2] == ["10", "20"]


def test_auto_beta_is_a_tenth(openai: OpenAI):
    job = finished(openai, PAIRS, {"type": "dpo"})
    assert job.method.dpo.hyperparameters.beta == 0.1


def test_a_larger_beta_stays_closer_to_the_base_model(tmp_path):
    disliked = [
        chances(train(tmp_path / str(beta), PAIRS, "--method", "dpo", "--beta", str(beta)))["login"]
        for beta in (0.05, 0.5, 2.0)
    ]
    assert disliked[0] < disliked[1] / 2 < disliked[2] / 4


def test_what_is_always_worse_is_pushed_below_what_nobody_has_judged(tmp_path):
    never = [{"role": "assistant", "content": "never"}]
    content = lines([{**pair(number), "non_preferred_output": never} for number in range(45)])
    found = chances(train(tmp_path, content, "--method", "dpo"))
    assert sorted(found, key=lambda name: found[name])[0] == "never"


def test_preferences_are_read_under_their_older_names_too(tmp_path):
    content = PAIRS.replace(b"preferred_output", b"preferred_completion")
    found = chances(train(tmp_path, content, "--method", "dpo"))
    assert max(found, key=lambda name: found[name]) == "delivery"


@pytest.mark.parametrize(("operation", "best"), [("eq", "delivery"), ("ne", "other")])
def test_it_is_the_grader_that_decides_what_is_learnt(tmp_path, operation, best):
    content = lines([{**graded(number), "label": NAMES[number % 3]} for number in range(45)])
    if operation == "ne":  # all but `other` are punished: each in turn
        content = lines([{**graded(number), "label": name} for number in range(15) for name in NAMES])
    grader = json.dumps({**EQUAL, "operation": operation})
    found = chances(train(tmp_path, content, "--method", "reinforcement", "--grader", grader))
    assert max(found, key=lambda name: found[name]) == best


def test_a_reward_for_a_field_teaches_an_object(tmp_path):
    grader = json.dumps({**EQUAL, "input": "{{sample.output_json.intent}}"})
    model = train(tmp_path, GRADED, "--method", "reinforcement", "--grader", grader)
    found = chances(model)
    assert load(model).kind == "object"
    assert max(found, key=lambda name: found[name]) == '"delivery"'


def test_without_any_answer_to_choose_from_there_is_nothing_to_learn(tmp_path, capsys):
    bare = [{"messages": [support.example(number)["messages"][0]], "label": "x"} for number in range(12)]
    (tmp_path / "t.jsonl").write_bytes(lines(bare))
    given = ["--training", str(tmp_path / "t.jsonl"), "--validation", "-", "--model", str(tmp_path / "m")]
    grader = json.dumps({**EQUAL, "operation": "ne"})
    method = ["--method", "reinforcement", "--grader", grader]
    assert trainer.main([*given, *method, "--epochs", "1", "--seed", "1"]) == 2
    assert "nothing to learn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "param"),
    [
        ({"type": "magic"}, "method.type"),
        ({"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}, "method.dpo.hyperparameters.beta"),
        ({"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.1}}}, "method.dpo.hyperparameters.beta"),
        (
            {"type": "supervised", "supervised": {"hyperparameters": {"beta": 1}}},
            "method.supervised.hyperparameters.beta",
        ),
        ({"type": "dpo", "supervised": {}}, "method"),
        ({"type": "reinforcement"}, "method"),
        ({"type": "reinforcement", "reinforcement": {}}, "method.reinforcement.grader"),
        (
            {"type": "reinforcement", "reinforcement": {"grader": {**EQUAL, "type": "python"}}},
            "method.reinforcement.grader",
        ),
    ],
)
def test_a_method_that_is_not_offered_so_is_refused_by_the_parameters_name(openai: OpenAI, method, param):
    with pytest.raises(BadRequestError) as refused:
        support.create_job(openai, method=method)
    assert refused.value.param == param


def test_the_wrong_shape_for_the_method_fails_the_job_with_its_line(openai: OpenAI):
    job = support.create_job(openai, support.upload(openai, PAIRS + support.training_bytes(1)), method=DPO)
    failed = support.wait_for(openai, job.id, "failed")
    assert failed.error.code == "invalid_file_format"
    assert "Line 46:" in failed.error.message


def test_a_question_of_the_file_and_the_prompt_of_the_request_list_the_same(openai: OpenAI):
    job = finished(openai, GRADED, REWARDED)
    asked = [{"role": "system", "content": LISTED}, {"role": "user", "content": PARCEL}]
    said = openai.chat.completions.create(model=job.fine_tuned_model, messages=asked, temperature=0)
    assert said.choices[0].message.content == "delivery"
