"""`tunegate audit`: the chain on the terminal or as JSON, and an exit code that a script can rely on."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from data_contracts import publish
from flows.cli import cli
from tests.audited import Champion, champion, flipped
from tests.small_use_case import small_use_case
from tests.stepwise import Finished


@pytest.fixture(scope="module")
def made(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Champion]:
    with champion(finished, tmp_path_factory.mktemp("made")) as one:
        yield one


def audited(made: Champion, *options: str) -> Result:
    path = made.home / "case" / "small.yaml"
    use_case = path if path.exists() else small_use_case(path.parent)
    return CliRunner(env={"COLUMNS": "100"}).invoke(cli, ["audit", str(use_case), *options])


def test_it_prints_the_chain_and_ends_with_0_where_all_of_it_holds(made: Champion) -> None:
    shown = audited(made)
    assert shown.exit_code == 0, shown.output
    assert "DOES NOT HOLD" not in shown.output
    for link in ("alias", "approval", "test set", "training.jsonl", "contract", "prompt", "files"):
        assert link in shown.output
    assert "0 broken" in shown.output
    assert "not signed: set TUNEGATE_SIGNING_KEY" in shown.output


def test_it_begins_with_what_does_not_hold_and_ends_with_1(made: Champion) -> None:
    with flipped(made.space.folder.file("verdict.json")):
        shown = audited(made)
    assert shown.exit_code == 1
    first = shown.output.splitlines()[0]
    assert "DOES NOT HOLD" in first
    assert "verdict.json" in shown.output.partition("Champion: version")[0]


def test_json_is_what_is_published(made: Champion) -> None:
    shown = audited(made, "--json")
    schema = json.loads((publish.FOLDER / "audit.json").read_text(encoding="utf-8"))
    report = json.loads(shown.stdout)
    jsonschema.validate(report, schema)
    assert [move["action"] for move in report["moves"]] == ["first", "promote"]


def test_verify_checks_the_lineage_of_the_run_too(made: Champion) -> None:
    run = made.space.folder
    kept = {name: run.file(name).read_bytes() for name in ("report.html", "manifest.json")}
    run.write_bytes("report.html", b"another, and its line in the manifest with it")
    try:
        shown = CliRunner().invoke(cli, ["verify", run.run, "--json"])
    finally:
        for name, content in kept.items():
            Path(run.file(name)).write_bytes(content)
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["problems"] == ["manifest.json and lineage.json name other bytes of report.html."]
