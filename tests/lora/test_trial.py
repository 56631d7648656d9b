"""A whole trial whose base model is one of one's own: the tune against the best prompt on the same small model."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Shell
from tests.lora import tiny_model
from tests.small_use_case import WORDS, small_rows, small_use_case

PRICE = {"input": 0.1, "output": 0.1, "training": 1.0, "tuned_input": 0.1, "tuned_output": 0.1}
ROWS = small_rows(400, seed=1)


@pytest.fixture
def shell(tmp_path: Path, tiny: Path) -> Iterator[Shell]:
    """A home whose provider has a small model that knows which answers there are, but not when."""
    draw = random.Random(0)
    guesses = [(row["text"], draw.choice(sorted(WORDS))) for row in small_rows(1600, seed=2)]
    base = tiny_model.make_tiny_model(tmp_path / "base", [row["text"] + row["label"] for row in ROWS], guesses)
    shell = Shell(tmp_path / "work")
    (shell.home / "provider").mkdir(parents=True)
    model = {"source": str(base), **tiny_model.LEARNS_FROM_NOTHING, "context_tokens": 512}
    settings = {"lora": {"models": {"tiny": model}, "rows_at_once": 16, "answers_at_once": 16}}
    (shell.home / "provider" / "settings.yaml").write_text(json.dumps({**settings, "prices": {"tiny": PRICE}}))
    yield shell
    os.kill(json.loads((shell.home / "provider" / "server.json").read_text())["pid"], signal.SIGTERM)


def test_a_trial_on_a_model_of_ones_own_reaches_a_verdict(shell, tmp_path):
    case = small_use_case(
        tmp_path / "case",
        prompts={"folder": "prompts", "base_models": ["tiny"], "variants": ["described"], "search_rows": 40},
        fine_tune={"base_model": "tiny", "n_epochs": 6, "batch_size": 16, "settle_s": 0, "deadline_hours": 0.2},
        provider={"name": "embedded", "request_timeout_s": 120},
    )
    done = shell("run", case, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["decision"] == "promote", said["reasons"]
    assert said["winner_model"].startswith("ft:tiny:")
