"""accepted.jsonl and rejected.jsonl of the bundled use cases: examples of each rule, and proof that it bites."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.load import bundled, load
from data_contracts.records import Curated
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.clean import clean
from tasks.curate.defects import Code
from tasks.curate.read import read
from tasks.curate.validate import examine

BUNDLED = Path(__file__).parents[2] / "data_contracts"


def curated(name: str, lines: list[str], folder: Path) -> Curated:
    """The lines as if they were the use case's source."""
    source = folder / "rows.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    case = load(name, {"source.files": [{"path": str(source)}]})
    return clean(read(case), case.use_case.curation)


def lines(name: str, file: str) -> list[str]:
    return (BUNDLED / name / file).read_text(encoding="utf-8").splitlines()


def rejected() -> Iterator[tuple[str, str, str]]:
    for name in bundled():
        for sample in map(json.loads, lines(name, "rejected.jsonl")):
            yield name, sample["rule"], sample.get("raw") or json.dumps(sample["row"])


REJECTED = list(rejected())
BY_CODE = [sample for sample in REJECTED if sample[1] in set(Code)]
BY_EXPECTATION = [sample for sample in REJECTED if sample[1] not in set(Code)]


@pytest.mark.parametrize("name", bundled())
def test_every_accepted_row_passes(name: str, tmp_path: Path) -> None:
    samples = lines(name, "accepted.jsonl")
    passed = curated(name, samples, tmp_path)
    assert (len(passed.rows), list(passed.quarantined), len(passed.duplicates)) == (len(samples), [], 0)


@pytest.mark.parametrize(("name", "rule", "line"), BY_CODE, ids=lambda value: str(value)[:24])
def test_a_rejected_row_is_quarantined_by_the_rule_that_it_names(
    name: str, rule: str, line: str, tmp_path: Path
) -> None:
    found = curated(name, [*lines(name, "accepted.jsonl"), line], tmp_path)
    assert {rejection.code for rejection in found.quarantined} == {rule}


@pytest.mark.parametrize("name", bundled())
def test_a_rejected_row_breaks_the_expectation_that_it_names_and_the_bundled_rows_break_none(
    name: str, tmp_path: Path
) -> None:
    case = load(name)
    own = clean(read(case), case.use_case.curation).rows
    assert broken(own, case) == set()
    samples = [(rule, line) for use_case, rule, line in BY_EXPECTATION if use_case == name]
    bad = curated(name, [line for _, line in samples], tmp_path).rows
    assert broken(pd.concat([own, bad], ignore_index=True), case) == {rule for rule, _ in samples}


def broken(rows: pd.DataFrame, case: ResolvedUseCase) -> set[str]:
    return {result.type for result in examine(rows, case.contract) if not result.success}
