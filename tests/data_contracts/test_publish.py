"""The published schemas are what the models say."""

import json
from pathlib import Path

import jsonschema
import pytest

from data_contracts import publish
from data_contracts.load import DEPLOYMENTS, read_yaml

CASE = publish.FOLDER.parent / "support_intents"
BUNDLED = {
    "use_case": DEPLOYMENTS / "support_intents.yaml",
    "contract": CASE / "contract.yaml",
    "prompt": CASE / "prompts" / "similar.yaml",
}


def test_the_committed_schemas_are_what_the_models_say() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in publish.FOLDER.glob("*.json")}
    assert committed == publish.schemas(), "run `python -m data_contracts.publish`; a change belongs into CHANGELOG.md"


@pytest.mark.parametrize("name", publish.SHAPES)
def test_a_published_schema_is_valid_and_allows_no_unknown_key(name: str) -> None:
    schema = json.loads(publish.schemas()[f"{name}.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", publish.SHAPES)
def test_each_schema_has_an_example_that_holds_against_it(name: str) -> None:
    examples = publish.FOLDER / "examples"
    example = read_yaml(BUNDLED[name]) if name in BUNDLED else json.loads((examples / f"{name}.json").read_text())
    jsonschema.validate(example, json.loads(publish.schemas()[f"{name}.json"]))


def test_publishing_removes_what_is_published_no_more(tmp_path: Path) -> None:
    (tmp_path / "gone.json").write_text("{}")
    publish.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(publish.schemas())
