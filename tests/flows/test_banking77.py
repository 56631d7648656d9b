"""A published data set as a use case by configuration alone, from a file outside the project's tree."""

import json
from pathlib import Path

import pytest

from tests import banking77
from tests.command import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder with the use case; nothing of it stands in the project."""
    if not banking77.FOLDER.is_dir():
        pytest.skip("the optional public data is not here")
    folder = tmp_path_factory.mktemp("banking77")
    banking77.write(folder)
    return Shell(folder)


@pytest.mark.slow
def test_the_published_split_leaks_and_the_leaks_are_withheld(shell: Shell) -> None:
    found = shell.json("check", "./banking77.yaml")
    assert found["counts"]["records_in"] == 13_083
    assert found["leakage"]["found"]["test"]["same words"] == 25
    assert found["leakage"]["found"]["test"]["near"] > 100
    assert found["counts"]["withheld"] == found["leakage"]["withheld"] > 200


@pytest.mark.slow
def test_the_tune_wins_by_as_much_as_a_linear_model_beats_label_names_and_examples(shell: Shell) -> None:
    verdict = shell.json("run", "./banking77.yaml")
    comparison = json.loads((Path(verdict["run_folder"]) / "comparison.json").read_text())
    metric = {item["candidate"]["name"]: item["metric"]["value"] for item in comparison["candidates"]}
    assert verdict["decision"] == "promote"
    assert 0.87 < metric["tune-minimal"] < 0.94
    assert 0.7 < metric["best-prompt"] < metric["tune-minimal"]
