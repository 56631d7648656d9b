"""What an operator may write under `lora`, and what the server makes of it; none of it needs torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError
from pydantic import ValidationError

from tasks.providers.local.lora.recipe import Recipe
from tasks.providers.local.lora.settings import LoraSettings
from tests.embedded import REPOSITORY, embedded_server
from tests.lora import support, tickets
from tests.lora.conftest import settings


@pytest.mark.parametrize("name", ["local-base-small-2026-06-01", "local-base-mine", "ft", "org/model", "a:b", ""])
def test_a_name_that_is_taken_or_would_break_a_tuned_models_name_is_refused(name):
    with pytest.raises(ValidationError, match="is taken"):
        LoraSettings(models={name: {"source": "org/model"}})


@pytest.mark.parametrize("source", ["./models/mine", "../mine", " "])
def test_a_folder_that_depends_on_where_the_server_was_started_is_refused(source):
    with pytest.raises(ValidationError, match="absolute path"):
        LoraSettings(models={"mine": {"source": source}})


def test_a_child_is_told_all_that_is_set_and_nothing_else():
    mine = LoraSettings(models={"mine": {"source": "org/model", "rank": 4}}, python="/usr/bin/python3", threads=3)
    recipe = Recipe.from_json(json.dumps(mine.recipe("mine")))
    assert (recipe.name, recipe.source, recipe.rank, recipe.threads) == ("mine", "org/model", 4, 3)


@pytest.mark.parametrize(("batch", "together"), [(16, 8), (21, 7), (23, 1), (4, 4)])
def test_rows_in_memory_divide_the_batch_so_that_a_step_sees_all_of_it(batch, together):
    mine = LoraSettings(models={"mine": {"source": "org/model"}}, rows_at_once=8)
    assert Recipe.from_json(json.dumps(mine.recipe("mine"))).micro_batch(batch) == together


def test_what_changes_no_training_leaves_a_checkpoint_of_use():
    def shape(**machine):
        mine = LoraSettings(models={"mine": {"source": "org/model"}}, **machine)
        return Recipe.from_json(json.dumps(mine.recipe("mine"))).shape

    assert shape(idle_s=1, threads=2) == shape() != shape(quantise="never")


def test_the_server_loads_without_torch_and_without_its_company():
    code = "import sys, tasks.providers.local.server; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "starlette" in loaded.stdout
    assert {"torch", "transformers", "peft", "trl", "datasets"} & set(loaded.stdout.split()) == set()


def test_models_of_ones_own_are_listed_as_tunable_and_priced_only_where_the_operator_says(tmp_path):
    lora = {"models": {"mine": {"source": "/models/mine"}, "priced": {"source": "/models/priced"}}}
    price = {"input": 0.1, "output": 0.1, "training": 0.5, "tuned_input": 0.1, "tuned_output": 0.1}
    with embedded_server(tmp_path / "state", settings={"lora": lora, "prices": {"priced": price}}) as server:
        openai = support.client(server.url)
        listed = {model.id: model for model in openai.models.list()}
        assert [name for name in listed if not name.startswith("local-base")] == ["mine", "priced"]
        assert listed["mine"].tunable
        prices = {row["model"]: row for row in openai.get("/prices", cast_to=dict)["data"]}
        assert "mine" not in prices
        assert prices["priced"]["training"] == 0.5


def test_what_cannot_be_done_here_is_refused_and_never_ignored(tmp_path):
    with embedded_server(tmp_path / "state", settings=settings("/models/tiny")) as server:
        openai = support.client(server.url)
        schema = {"type": "json_schema", "json_schema": {"name": "queue", "schema": {"type": "object"}}}
        with pytest.raises(BadRequestError, match="holds a model of your own to a schema") as refused:
            support.answer(openai, "tiny", "hello", response_format=schema)
        assert (refused.value.param, refused.value.code) == ("response_format", "unsupported_parameter")
        with pytest.raises(BadRequestError, match="tools"):
            support.answer(openai, "tiny", "hello", tools=[])
        file = openai.files.create(file=("t.jsonl", tickets.training_file(tickets.labelled(12))), purpose="fine-tune")
        grader = {"type": "string_check", "name": "same", "input": "{{sample.output_text}}", "operation": "eq"}
        method = {"type": "reinforcement", "reinforcement": {"grader": {**grader, "reference": "{{item.label}}"}}}
        with pytest.raises(BadRequestError, match="is not available for reinforcement"):
            openai.fine_tuning.jobs.create(model="tiny", training_file=file.id, method=method)


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """An interpreter that has the standard library and nothing else."""
    path = tmp_path / "bare-python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("python", "source", "code", "message"),
    [
        ("bare", "org/model", "trainer_unavailable", 'pip install "tunegate[lora]"'),
        ("/nowhere/python", "org/model", "trainer_unavailable", "lora.python: /nowhere/python cannot be started"),
        ("bare", "/nowhere/model", "model_not_available", "lora.models.tiny.source: /nowhere/model holds no model"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy_to_whoever_trains_or_asks(
    tmp_path, bare_python, python, source, code, message
):
    machine = settings(source, python=str(bare_python) if python == "bare" else python)
    with embedded_server(tmp_path / "state", settings=machine) as server:
        openai = support.client(server.url)
        failed = support.ended(openai, support.start(openai, tickets.training_file(tickets.labelled(12))).id)
        assert (failed.status, failed.error.code) == ("failed", code)
        assert message in failed.error.message
        with pytest.raises(NotFoundError) as refused:
            support.answer(openai, "tiny", "hello")
        assert refused.value.code == code
        assert message in refused.value.message
