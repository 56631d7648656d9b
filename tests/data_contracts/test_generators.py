"""The bundled rows come out of a seed, and carry the defects that they say they carry."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_contracts.generate import GENERATORS
from data_contracts.generators.defects import ADDED, SPOILED, Export
from data_contracts.load import load
from tasks.ledger import Ledger
from tasks.steps import curation, data
from tasks.workspace import Workspace
from tests.stepwise import begin

COMMITTED = Path(__file__).parents[2] / "data_contracts"
USE_CASES = sorted(GENERATORS)
# planted defect -> the rule that finds it; a conflict takes the row that was there with it
FOUND_AS = {"type": "type", "missing_field": "missing_field", "timestamp": "timestamp", "json": "json"}
BAD_ANSWER = {"support_intents": "unknown_label", "order_mails": "schema"}


@pytest.fixture(scope="module", params=USE_CASES)
def use_case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(use_case: str) -> Export:
    return GENERATORS[use_case](7)


@pytest.fixture(scope="module")
def curated(use_case: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(tmp_path_factory.mktemp("home")))
        space = begin(use_case)
        curation.curate(space, Ledger())
        yield space


def rows(export: Export) -> list[dict]:
    cut_off = set(export.planted["json"])
    return [json.loads(line) for line in export.lines if not any(identity in line for identity in cut_off)]


def test_the_command_with_the_committed_seed_writes_the_committed_bytes(use_case: str) -> None:
    command = [sys.executable, "-m", "data_contracts.generate", use_case, "--seed", "7"]
    written = subprocess.run(command, cwd=COMMITTED.parent, capture_output=True, check=True).stdout
    assert written == (COMMITTED / use_case / "rows.jsonl").read_bytes()


def test_another_seed_gives_other_rows(use_case: str, made: Export) -> None:
    assert not set(GENERATORS[use_case](8).lines) & set(made.lines)


def test_every_defect_is_planted_in_the_stated_number(made: Export) -> None:
    planted = {defect: len(set(ids)) for defect, ids in made.planted.items()}
    assert planted == {**ADDED, **SPOILED}


def test_curation_turns_away_the_spoiled_rows_and_no_other(use_case: str, made: Export, curated: Workspace) -> None:
    expected = {FOUND_AS[defect]: count for defect, count in SPOILED.items() if defect in FOUND_AS}
    expected |= {BAD_ANSWER[use_case]: SPOILED["bad_answer"], "label_conflict": 2 * ADDED["label_conflict"]}
    assert data.counts(curated).quarantine_codes == expected


def test_curation_drops_the_planted_copies_and_no_other(made: Export, curated: Workspace) -> None:
    assert set(curated.folder.read_frame("duplicates.parquet")["id"]) == set(made.planted["copy"])


def test_the_quarantined_share_stays_under_the_limit_of_the_use_case(use_case: str, curated: Workspace) -> None:
    counts = data.counts(curated)
    assert counts.quarantined / counts.records_in < load(use_case).use_case.curation.max_quarantined


def test_a_follow_up_holds_the_whole_text_of_an_earlier_row(made: Export) -> None:
    texts = [row["text"] for row in rows(made) if isinstance(row["text"], str)]
    follow_ups = [row["text"] for row in rows(made) if row["id"] in made.planted["follow_up"]]
    assert all(any(text != other and text.endswith(other) for other in texts) for text in follow_ups)


def test_one_customer_keeps_writing(made: Export) -> None:
    (_, most), (_, next_most), *_ = Counter(row["customer"] for row in rows(made)).most_common(2)
    assert most >= 10
    assert most > next_most


def test_there_are_enough_rows_answers_and_customers(use_case: str, curated: Workspace) -> None:
    outputs = curated.keys["output"]
    kinds = outputs if use_case == "support_intents" else outputs.map(lambda output: json.loads(output)["topic"])
    assert len(outputs) >= 800
    assert kinds.nunique() >= 12
    assert kinds.value_counts().min() >= 20
    assert curated.keys["group"].nunique() >= 300


def test_no_phrase_is_left_unsaid(made: Export) -> None:
    unsaid = re.compile(r"\{\w*\}|<[^<>]*\|[^<>]*>")
    assert [row["text"] for row in rows(made) if unsaid.search(str(row["text"]))] == []
