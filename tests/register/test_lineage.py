"""From a model version alone, with nothing but mlflow at hand, an auditor reads why it is there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_contracts.lineage import Lineage
from tasks.register.lineage import MAX_DESCRIPTION, described, manifest_sha256, without_secrets
from tasks.register.version_record import HASHES, VersionRecords
from tasks.steps import lineage
from tests.audited import APPROVED_BY, Champion, champion
from tests.stepwise import Finished

AUDITOR = """
import hashlib, json, sys

class OnlyMlflow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tasks", "flows", "data_contracts", "prefect", "great_expectations"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, OnlyMlflow())
import mlflow

client = mlflow.MlflowClient()
version = client.get_model_version_by_alias("tunegate.small", "champion")
folder = mlflow.artifacts.download_artifacts(f"models:/tunegate.small/{version.version}")
content = open(f"{folder}/artifacts/lineage.json", "rb").read()
prompt = client.get_prompt_version("tunegate.small.prompt", version.tags["tunegate.prompt_version"].rpartition("/")[2])
print(json.dumps({
    "version": version.version,
    "tags": version.tags,
    "description": version.description,
    "lineage": json.loads(content),
    "sha256": hashlib.sha256(content).hexdigest(),
    "prompt": hashlib.sha256(prompt.template.encode()).hexdigest(),
    "ours": [name for name in sys.modules if name.partition(".")[0] in {"tasks", "flows", "data_contracts"}],
}))
"""


@pytest.fixture(scope="module")
def made(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Champion]:
    with champion(finished, tmp_path_factory.mktemp("made")) as one:
        yield one


@pytest.fixture(scope="module")
def kept(made: Champion) -> Lineage:
    return made.space.folder.read_json("lineage.json", Lineage)


@pytest.fixture(scope="module")
def read(made: Champion, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What somebody reads who has mlflow and the address of the store."""
    where = {"MLFLOW_TRACKING_URI": f"sqlite:///{made.home / 'mlflow.db'}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    here = {name: value for name, value in os.environ.items() if not name.startswith("TUNEGATE")}
    asked = [sys.executable, "-c", AUDITOR]
    elsewhere = tmp_path_factory.mktemp("auditor")
    shown = subprocess.run(asked, capture_output=True, text=True, env=here | where, cwd=elsewhere, check=False)
    assert shown.returncode == 0, shown.stderr
    plain: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
    return plain


def test_the_reader_has_nothing_of_ours(read: dict[str, Any]) -> None:
    assert read["ours"] == []
    assert read["version"] == 2


def test_it_says_which_data(read: dict[str, Any], made: Champion) -> None:
    data, counts = read["lineage"]["data"], made.record.counts
    ((file, source),) = data["sources"].items()
    assert (source["sha256"], source["records"]) == (counts.sources[file], 400)
    assert source["bytes"] == Path(file).stat().st_size
    assert (data["records_in"], data["curated"]) == (400, 400)
    assert data["partitions"]["train"] == counts.model_dump(include={"train": {"rows", "sha256"}})["train"]
    assert data["contract"] == "small 1"
    assert {(item["type"], item["success"]) for item in data["expectations"]} >= {
        ("expect_column_values_to_be_unique", True)
    }


def test_it_says_which_code_prompt_and_job(read: dict[str, Any], made: Champion) -> None:
    found, about = read["lineage"], read["lineage"]["versions"]["2"]
    assert found["code"]["libraries"]["mlflow"]
    assert len(found["code"]["sources_sha256"]) == 64
    assert about["prompt"]["text_sha256"] == read["prompt"]
    assert about["prompt"]["registered"] == read["tags"]["tunegate.prompt_version"]
    assert found["job"]["job"] == made.version.tags["tunegate.job"]
    assert found["job"]["request"]["hyperparameters"] == {
        "n_epochs": None,
        "batch_size": None,
        "learning_rate_multiplier": None,
    }


def test_it_says_which_comparison_on_which_sealed_test_set(read: dict[str, Any], made: Champion) -> None:
    opening = read["lineage"]["opening"]
    assert opening["test_sha256"] == read["tags"]["tunegate.test_sha256"] == made.record.sealed.sha256
    assert (opening["opening"], opening["test_set"], opening["cases"]) == (1, 1, made.record.sealed.rows)
    assert set(opening["scores"]) == {"best-prompt", "tune-minimal", "tune-full"}


def test_it_says_what_it_cost_who_approved_what_it_replaced_and_why(read: dict[str, Any], made: Champion) -> None:
    found = read["lineage"]
    assert found["cost"]["actual"] == pytest.approx(made.record.cost.actual)
    assert [(yes["kind"], yes["by"]) for yes in found["decision"]["approvals"]] == [
        ("spending", APPROVED_BY),
        ("promotion", APPROVED_BY),
    ]
    assert found["decision"]["reasons"] == made.record.verdict.reasons
    assert found["decision"]["replaced"] is None
    assert read["tags"]["tunegate.replaced"] == "1"


def test_the_tag_names_the_very_document_and_the_document_every_file_of_the_run(
    read: dict[str, Any], made: Champion
) -> None:
    manifest = made.space.folder.manifest()
    assert read["tags"]["tunegate.lineage_sha256"] == read["sha256"] == manifest["lineage.json"]
    assert read["lineage"]["files"] == {name: sha256 for name, sha256 in manifest.items() if name != "lineage.json"}
    assert read["lineage"]["manifest_sha256"] == manifest_sha256(read["lineage"]["files"])


def test_the_version_s_page_shows_the_chain_as_a_table(read: dict[str, Any]) -> None:
    verdict, _, table = read["description"].partition("## Lineage")
    assert "\n# promote" in verdict
    for row in ("| decided | promote: tune-minimal", "| test set |", "| approved | spending by Ada", "| code |"):
        assert row in table


# ---------------------------------------------------------------- keeping it


def test_keeping_it_again_changes_nothing(made: Champion) -> None:
    before = made.registry.client.get_model_version(made.version.name, "2")
    lineage.keep(made.space, made.record, made.registry)
    after = made.registry.client.get_model_version(made.version.name, "2")
    assert (after.tags, after.description) == (before.tags, before.description)
    assert made.audit().problems == []


def test_a_version_that_a_later_trial_tells_of_is_left_alone(made: Champion) -> None:
    client, name = made.registry.client, made.version.name
    client.set_model_version_tag(name, "2", "tunegate.run", "a-later-one")
    client.set_model_version_tag(name, "2", "tunegate.contract", "small 2")
    try:
        lineage.keep(made.space, made.record, made.registry)
        assert client.get_model_version(name, "2").tags["tunegate.contract"] == "small 2"
    finally:
        client.set_model_version_tag(name, "2", "tunegate.run", made.record.run)
        client.set_model_version_tag(name, "2", "tunegate.contract", "small 1")


def test_every_version_of_the_trial_has_it(kept: Lineage, made: Champion) -> None:
    assert {number: version.candidate for number, version in kept.versions.items()} == {
        1: "best-prompt",
        2: "tune-minimal",
    }
    assert made.registry.client.get_model_version(made.version.name, "1").tags["tunegate.lineage_sha256"]


def test_a_version_that_no_trial_tells_of_keeps_the_hashes_of_its_artifacts_in_a_tag(made: Champion) -> None:
    records = VersionRecords(made.registry)
    records.keep_hashes(1)
    found = records.read(1)
    assert json.loads(found.tags[HASHES]) == found.files
    made.registry.client.delete_model_version_tag(found.name, "1", HASHES)


# ---------------------------------------------------------------- the page, and what stays out


def test_however_often_the_table_is_added_it_stands_there_once(kept: Lineage) -> None:
    once = described("# promote\n\nwhy\n", kept, 2)
    assert described(once, kept, 2) == once
    assert once.count("## Lineage") == 1


def test_a_long_verdict_gives_way_to_the_table(kept: Lineage) -> None:
    long = described("x" * 20_000, kept, 2)
    assert len(long) <= MAX_DESCRIPTION
    assert "| code |" in long


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:hunter2@host.example/v1?key=hunter2#x", "https://host.example/v1"),
        ("embedded:abc", "embedded:abc"),
        ("", ""),
    ],
)
def test_an_address_keeps_no_secret(url: str, kept: str) -> None:
    assert without_secrets(url) == kept


def test_no_row_text_stands_in_it(made: Champion) -> None:
    content = made.space.folder.read_bytes("lineage.json").decode()
    assert not [text for text in made.record.inputs.values() if text in content]
