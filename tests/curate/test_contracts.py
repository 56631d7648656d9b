"""Beside each bundled contract stand rows that pass and rows that each break the one rule that they name."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_contracts
from data_contracts.contract import Contract
from data_contracts.load import load
from data_contracts.records import RawExamples
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.clean import clean
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read
from tasks.curate.validate import validate

FOLDERS = sorted(path.parent for path in Path(data_contracts.__file__).parent.glob("*/contract.yaml"))
REJECTED = [
    pytest.param(folder, json.loads(line), id=f"{folder.name}-{number}-{json.loads(line)['rule']}")
    for folder in FOLDERS
    for number, line in enumerate((folder / "rejected.jsonl").read_text().splitlines(), start=1)
]


@dataclass(frozen=True)
class Outcome:
    """What the use case's own rules make of some lines."""

    case: ResolvedUseCase
    raw: RawExamples
    codes: set[str]
    curated: Path

    def broken(self, ids: set[str]) -> set[str]:
        """Expectations that name one of these rows, whatever their severity."""
        named = validate(self.curated, _warning_only(self.case.contract)).results
        return {result.type for result in named if set(result.unexpected_ids) & ids}


def accepted(folder: Path, scratch: Path, *more: str) -> Outcome:
    """What becomes of the accepted rows and these lines."""
    passing = (folder / "accepted.jsonl").read_text().splitlines()
    path = scratch / "rows.jsonl"
    path.write_text("".join(f"{line}\n" for line in (*passing, *more)))
    return curate(load(folder.name, {"source.files": [{"path": str(path)}]}), scratch)


def curate(case: ResolvedUseCase, scratch: Path) -> Outcome:
    """The use case's rows, read and cleaned."""
    with Quarantine(scratch / "quarantine.jsonl") as quarantine:
        raw = read(case, scratch / "raw.parquet", quarantine)
    fates = clean(raw, case).fates
    codes = {*quarantine.codes, *fates.loc[fates["fate"] == "quarantined", "code"]}
    rows = pq.read_table(raw.path).filter(pa.array(fates["fate"] == "curated"))
    pq.write_table(rows, scratch / "curated.parquet")
    return Outcome(case, raw, codes, scratch / "curated.parquet")


def _warning_only(contract: Contract) -> Contract:
    mild = [item.model_copy(update={"severity": "warning"}) for item in contract.expectations]
    return contract.model_copy(update={"expectations": mild})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_accepted_rows_pass(folder, tmp_path):
    found = accepted(folder, tmp_path)
    rows = pq.read_table(found.curated, columns=["id"])
    assert len(rows) == found.raw.records_in > 0
    assert found.codes == found.broken(set(rows["id"].to_pylist())) == set()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_bundled_rows_that_are_curated_satisfy_every_expectation(folder, tmp_path):
    found = curate(load(folder.name), tmp_path)
    results = validate(found.curated, found.case.contract).results
    assert [result.type for result in results if not result.success] == []
    assert found.raw.private == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rows_are_there_for_reading_cleaning_privacy_and_expectations(folder):
    rules = {json.loads(line)["rule"] for line in (folder / "rejected.jsonl").read_text().splitlines()}
    assert rules >= {"json", "duplicate_key", "future", "secret", "personal_data", "id_clash", "label_conflict"}
    assert any(rule.startswith("expect_") for rule in rules)


@pytest.mark.parametrize(("folder", "case"), REJECTED)
def test_a_rejected_row_breaks_the_rule_that_it_names_and_no_other(folder, case, tmp_path):
    found = accepted(folder, tmp_path, case["raw"] if "raw" in case else json.dumps(case["row"]))
    broken = set(found.codes)
    if case["rule"].startswith("expect_"):
        broken |= found.broken({case["row"][found.case.contract.mapping.id]})
    assert broken == {case["rule"]}
