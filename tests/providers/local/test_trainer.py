"""Training: a process of its own, a true loss curve, a model without pickle."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.providers.local import trainer
from tests.providers.local.learning.lessons import mails, tune, write

TRAINING, HELD_OUT = mails(120, seed=3), mails(40, seed=4)


def _metrics(folder: Path) -> list[dict[str, float | None]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    validation = str(write(folder / "validation.jsonl", HELD_OUT))
    tune(folder, TRAINING, "--validation", validation)
    return folder / "model"


def test_the_trainer_runs_as_a_process_of_its_own(tmp_path):
    training = write(tmp_path / "training.jsonl", TRAINING)
    command = [sys.executable, "-m", "tasks.providers.local.trainer", "--training", training, "--validation", "-"]
    subprocess.run([*command, "--model", tmp_path / "m", "--epochs", "2", "--seed", "1"], check=True)
    assert (tmp_path / "m" / "model.json").exists()


def test_the_loss_falls_on_what_is_learnt_and_on_what_is_held_out(trained):
    lines = _metrics(trained)
    held_out = [line["valid_loss"] for line in lines if line["valid_loss"] is not None]
    assert lines[-1]["train_loss"] < 0.1 * lines[0]["train_loss"]
    assert held_out[-1] < 0.1 * held_out[0]
    assert lines[-1]["valid_mean_token_accuracy"] == 1


def test_steps_are_counted_up_to_the_total(trained):
    lines = _metrics(trained)
    assert 20 <= len(lines) <= 60
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})
    assert lines[-1]["step"] == lines[-1]["total_steps"]


def test_more_epochs_and_a_higher_rate_learn_more(tmp_path):
    def last_loss(name: str, *options: str) -> float:
        tune(tmp_path / name, TRAINING, *options)
        return float(_metrics(tmp_path / name / "model")[-1]["train_loss"] or 0)

    slow = last_loss("slow", "--epochs", "1", "--learning-rate-multiplier", "0.1")
    assert last_loss("longer", "--epochs", "4", "--learning-rate-multiplier", "0.1") < slow
    assert last_loss("faster", "--epochs", "1") < slow


def test_the_same_file_and_seed_train_the_same_model(tmp_path, trained):
    tune(tmp_path, TRAINING)
    again, before = (np.load(folder / "arrays.npz") for folder in (tmp_path / "model", trained))
    assert all(np.array_equal(again[name], before[name]) for name in before.files)


def test_an_assistant_message_of_weight_0_is_not_learnt(tmp_path):
    ignored = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "ignored", "weight": 0}]
    records = [
        {"messages": [*ignored, {"role": "user", "content": text}, {"role": "assistant", "content": topic}]}
        for text, topic in TRAINING
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, records)))
    given = ["--training", str(tmp_path / "t.jsonl"), "--validation", "-", "--model", str(tmp_path / "m")]
    assert trainer.main([*given, "--epochs", "1", "--seed", "1"]) == 0
    assert "ignored" not in (tmp_path / "m" / "model.json").read_text()


def test_a_file_with_nothing_to_learn_leaves_no_model(tmp_path, capsys):
    (tmp_path / "t.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
    given = ["--training", str(tmp_path / "t.jsonl"), "--validation", "-", "--model", str(tmp_path / "m")]
    assert trainer.main([*given, "--epochs", "1", "--seed", "1"]) == 2
    assert "nothing to learn" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_arrays_load_without_pickle(trained):
    with np.load(trained / "arrays.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == np.float32 for name in arrays.files)
