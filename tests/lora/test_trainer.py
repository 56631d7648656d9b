"""The child process that trains, by itself: what it writes, and what a kill does to it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.providers.local.lora.settings import LoraSettings
from tests.embedded import REPOSITORY
from tests.lora import support, tickets
from tests.lora.conftest import settings

ROWS = tickets.labelled(96)


@dataclass
class Trained:
    """One attempt's folder."""

    folder: Path

    @property
    def adapter(self) -> bytes:
        return (self.folder / "adapter" / "adapter_model.safetensors").read_bytes()

    @property
    def lines(self) -> list[dict[str, Any]]:
        path = self.folder / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _start(folder: Path, tiny: Path, content: bytes | None = None, **machine: Any) -> subprocess.Popen[bytes]:
    """An attempt in `folder`; its checkpoints lie beside it."""
    folder.mkdir(parents=True)
    files = {"training": content or tickets.training_file(ROWS), "validation": tickets.training_file(ROWS[:8])}
    for name, text in files.items():
        (folder / f"{name}.jsonl").write_bytes(text)
    recipe = LoraSettings.model_validate(settings(tiny, **machine)["lora"]).recipe("tiny")
    pace = {"epochs": 6, "batch-size": 16, "seed": 7, "base": "tiny", "recipe": json.dumps(recipe)}
    paths = {name: folder / f"{name}.jsonl" for name in files}
    options = {**pace, **paths, "model": folder, "checkpoints": folder.parent / "training-checkpoints"}
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tasks.providers.local.lora.trainer", *flags]
    with (folder / "trainer.log").open("wb") as log:
        return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def undisturbed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A training that nobody interrupts."""
    folder = tmp_path_factory.mktemp("undisturbed") / "training-1"
    child = _start(folder, tiny)
    assert child.wait() == 0, (folder / "trainer.log").read_text()
    return Trained(folder)


def test_each_step_says_what_was_lost_and_some_what_the_held_out_rows_lose(undisturbed):
    lines = undisturbed.lines
    assert [line["step"] for line in lines] == list(range(1, 37))
    assert lines[-1]["train_loss"] < lines[0]["train_loss"] / 10
    assert 8 <= sum("valid_loss" in line for line in lines) <= 10
    assert "valid_loss" in lines[-1]


def test_a_finished_training_leaves_safetensors_and_no_pickle(undisturbed):
    left = {path.suffix for path in undisturbed.folder.parent.rglob("*") if path.is_file()}
    assert ".safetensors" in left
    assert left & {".pt", ".pth", ".bin", ".pkl", ".pickle"} == set()
    assert not (undisturbed.folder.parent / "training-checkpoints").exists()


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_very_same_adapter(undisturbed, tiny, tmp_path):
    killed = Trained(tmp_path / "training-1")
    child = _start(killed.folder, tiny, checkpoint_s=0)
    support.until(lambda: len(killed.lines), lambda lines: lines >= 15)
    child.kill()
    child.wait()
    resumed = Trained(tmp_path / "training-2")
    assert _start(resumed.folder, tiny, checkpoint_s=0).wait() == 0, (resumed.folder / "trainer.log").read_text()
    assert 10 < resumed.lines[0]["step"] <= len(killed.lines) + 1
    assert [*killed.lines[: resumed.lines[0]["step"] - 1], *resumed.lines] == undisturbed.lines
    assert resumed.adapter == undisturbed.adapter


def test_a_row_that_the_model_cannot_hold_whole_is_named_and_never_cut(tiny, tmp_path):
    long = tickets.training_file([*ROWS[:10], ("wifi " * 300, "network")])
    assert _start(tmp_path / "training-1", tiny, long).wait() == 2
    failure = json.loads((tmp_path / "training-1" / "failure.json").read_text())
    assert failure["code"] == "invalid_file_format"
    assert "training_file: example 11 has" in failure["message"]
    assert "wifi" not in failure["message"]


def test_it_ends_with_the_server_behind_its_standard_input(tiny, tmp_path):
    child = _start(tmp_path / "training-1", tiny)
    child.stdin.close()
    assert child.wait(timeout=60) == 1
    assert not (tmp_path / "training-1" / "model.json").exists()
