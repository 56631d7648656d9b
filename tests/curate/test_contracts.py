"""Beside each bundled contract stand rows that pass and rows that each break the one rule that they name."""

import json
from pathlib import Path

import pytest

import data_contracts
from data_contracts.load import load
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.clean import clean
from tasks.curate.read import read
from tasks.curate.validate import examine

FOLDERS = sorted(path.parent for path in Path(data_contracts.__file__).parent.glob("*/contract.yaml"))
REJECTED = [
    pytest.param(folder, json.loads(line), id=f"{folder.name}-{number}-{json.loads(line)['rule']}")
    for folder in FOLDERS
    for number, line in enumerate((folder / "rejected.jsonl").read_text().splitlines(), start=1)
]


def curated(folder: Path, path: Path, *more: str):
    """The accepted rows and these lines, read and cleaned by the use case's own rules."""
    accepted = (folder / "accepted.jsonl").read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in (*accepted, *more)))
    case: ResolvedUseCase = load(folder.name, {"source.files": [{"path": str(path)}]})
    return case, clean(read(case), case.use_case.curation)


def rules_about(rows, ids, contract):
    """Expectations that name one of these rows."""
    return {result.type for result in examine(rows, contract) if set(result.unexpected_ids) & ids}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_accepted_rows_pass(folder, tmp_path):
    case, result = curated(folder, tmp_path / "rows.jsonl")
    assert len(result.rows) == result.records_in > 0
    assert rules_about(result.rows, set(result.rows["id"]), case.contract) == set()


@pytest.mark.parametrize(("folder", "case"), REJECTED)
def test_a_rejected_row_breaks_the_rule_that_it_names_and_no_other(folder, case, tmp_path):
    line = case["raw"] if "raw" in case else json.dumps(case["row"])
    resolved, result = curated(folder, tmp_path / "rows.jsonl", line)
    broken = {rejection.code for rejection in result.quarantined}
    if case["rule"].startswith("expect_"):
        broken |= rules_about(result.rows, {case["row"][resolved.contract.mapping.id]}, resolved.contract)
    assert broken == {case["rule"]}
