"""`tunegate new`: what it writes is a whole use case that passes, and it never writes over anything."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.load import load, load_prompts
from data_contracts.use_case import ResolvedUseCase
from flows.scaffold import scaffold
from tasks.curate.clean import clean
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read
from tasks.curate.validate import examine
from tests.command import Shell

HEADER = "# yaml-language-server: $schema="


@pytest.fixture
def case(tmp_path: Path) -> ResolvedUseCase:
    scaffold("parcel_desk", tmp_path)
    return load(str(tmp_path / "deployments" / "parcel_desk.yaml"))


def test_a_new_use_case_passes_check_where_it_was_made(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    made = shell("new", "parcel_desk")
    assert made.returncode == 0
    assert "wrote deployments/parcel_desk.yaml" in made.stdout
    counts = shell.json("check", "parcel_desk")["counts"]
    assert (counts["records_in"], counts["curated"]) == (120, 120)
    assert len(counts["test"]["labels"]) == 4


def test_its_name_stands_everywhere_and_its_prompts_load(case: ResolvedUseCase, tmp_path: Path) -> None:
    assert (case.use_case.name, case.contract.name) == ("parcel_desk", "parcel_desk")
    assert list(load_prompts(case)) == ["descriptions", "similar", "minimal"]
    assert "my_use_case" not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_every_yaml_file_leads_an_editor_to_its_schema(case: ResolvedUseCase, tmp_path: Path) -> None:
    files = sorted(tmp_path.rglob("*.yaml"))
    assert len(files) == 5
    for path in files:
        first = path.read_text().splitlines()[0]
        assert (path.parent / first.removeprefix(HEADER)).is_file(), f"{path}: {first}"


def test_every_accepted_row_passes_and_every_rejected_row_breaks_the_rule_that_it_names(
    case: ResolvedUseCase, tmp_path: Path
) -> None:
    folder = tmp_path / "data_contracts" / "parcel_desk"
    accepted = (folder / "accepted.jsonl").read_text().splitlines()
    for sample in map(json.loads, (folder / "rejected.jsonl").read_text().splitlines()):
        line = sample.get("raw") or json.dumps(sample["row"])
        assert broken_rules(case, [*accepted, line]) - broken_rules(case, accepted) == {sample["rule"]}


@pytest.mark.parametrize("name", ["Parcels", "parcel-desk", "p", "1st", "../elsewhere", "schemas", "prefect"])
def test_a_name_that_no_use_case_may_have_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    done = Shell(tmp_path / "work")("new", name)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: ")
    assert list(tmp_path.rglob("*")) == [tmp_path / "work"]


def test_a_file_that_is_there_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "data_contracts" / "parcel_desk" / "contract.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = Shell(tmp_path)("new", "parcel_desk")
    assert done.returncode == 2
    assert "data_contracts/parcel_desk/contract.yaml" in done.stderr
    assert mine.read_text() == "mine"
    assert not (tmp_path / "deployments").exists()


def test_a_second_use_case_shares_the_schemas_of_the_first(case: ResolvedUseCase, tmp_path: Path) -> None:
    written = scaffold("letter_desk", tmp_path)
    assert [path for path in written if path.parent.name == "schemas"] == []
    assert load(str(tmp_path / "deployments" / "letter_desk.yaml")).use_case.name == "letter_desk"


def broken_rules(case: ResolvedUseCase, lines: list[str]) -> set[str]:
    """Codes of quarantined rows and expectations that fail, with the lines as the source."""
    source = case.folder / "tried.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines))
    tried = load(str(case.folder / "parcel_desk.yaml"), {"source.files": [{"path": str(source)}]})
    target = case.folder / "raw.parquet"
    with Quarantine(case.folder / "quarantine.jsonl") as quarantine:
        fates = clean(read(tried, target, quarantine), tried).fates
    kept = pq.read_table(target).filter(pa.array(fates["fate"] == "curated"))
    pq.write_table(kept, target)
    failed = {result.type for result in examine(target, tried.contract) if not result.success}
    codes = {*quarantine.codes, *fates.loc[fates["fate"] == "quarantined", "code"]}
    return codes | failed
