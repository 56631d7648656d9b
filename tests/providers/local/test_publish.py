"""The server's published schemas are what its models say, and its examples hold against them."""

import json
from pathlib import Path

import jsonschema
import pytest

from tasks.providers.local import publish
from tests.embedded import embedded_server


def test_the_committed_schemas_are_what_the_models_say() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in publish.FOLDER.glob("*.json")}
    assert committed == publish.schemas(), "run `python -m tasks.providers.local.publish`; CHANGELOG.md says so too"


@pytest.mark.parametrize("name", publish.SHAPES)
def test_each_schema_has_an_example_that_holds_against_it(name: str) -> None:
    example = publish.FOLDER / "examples" / f"{name}.json"
    jsonschema.validate(json.loads(example.read_text()), json.loads(publish.schemas()[f"{name}.json"]))


def test_a_server_takes_the_examples_and_logs_lines_of_the_published_shape(tmp_path: Path) -> None:
    examples = publish.FOLDER / "examples"
    faults = json.loads((examples / "faults.json").read_text())
    settings = json.loads((examples / "settings.json").read_text())
    with embedded_server(tmp_path / "provider", faults=faults, settings=settings) as server:
        import urllib.request

        urllib.request.urlopen(f"{server.url}/models").read()
        lines = server.log()
    schema = json.loads(publish.schemas()["request_log.json"])
    assert lines
    for line in lines:
        jsonschema.validate(line, schema)
