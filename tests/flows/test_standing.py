"""`tunegate status`: how each run stands, and the very command with which it goes on."""

from pathlib import Path
from typing import Any

import pytest

from flows.commands import status
from tasks.ledger import Ledger
from tasks.ledger.rows import Deletion, IntentState, RunState
from tasks.steps.cancellation import BILLED
from tests.small_use_case import small_use_case
from tests.stepwise import begin

KEY = "b" * 64


def the_run(said: dict[str, Any]) -> dict[str, Any]:
    [item] = said["runs"]
    assert isinstance(item, dict)
    return item


def bought(run: str, *states: IntentState) -> None:
    Ledger().open_intent(KEY, "small", run, {})
    for state in states:
        fields: dict[str, Any] = {"job_id": "ftjob-1", "job_state": "running"} if state is IntentState.SUBMITTED else {}
        Ledger().advance(KEY, state, **fields)


def test_a_run_shows_what_it_spent_and_which_job_it_bought_in_which_state(home: Path) -> None:
    Ledger().record_run("r1", "small", "stopped", {"exit_code": 75, "message": "the provider is away"})
    Ledger().record_spend("key", "small", "r1", "training", 1.25)
    bought("r1", IntentState.UPLOADED, IntentState.SUBMITTING, IntentState.SUBMITTED)
    item = the_run(status())
    assert (item["spent"], item["job"], item["job_state"]) == (1.25, "ftjob-1", "running")
    assert item["go_on"] == ["tunegate resume r1"]


def test_a_run_that_attached_shows_the_job_of_the_run_that_bought_it(home: Path, tmp_path: Path) -> None:
    space = begin(small_use_case(tmp_path / "case"))
    bought("an-earlier-run", IntentState.UPLOADED, IntentState.SUBMITTING, IntentState.SUBMITTED)
    told = {"intent": KEY, "job_id": "ftjob-1", "attached": True, "training_file_id": "f", "validation_file_id": None}
    space.folder.write_json("submission.json", told)
    Ledger().record_run(space.folder.run, "small", "stopped", {"exit_code": 75})
    assert the_run(status())["job"] == "ftjob-1"


def test_a_parked_run_offers_both_answers_to_its_question(home: Path) -> None:
    Ledger().record_run("r1", "small", "stopped", {"exit_code": 75, "message": "its answer was lost"})
    bought("r1", IntentState.UPLOADED, IntentState.SUBMITTING)
    item = the_run(status())
    assert item["state"] == "parked"
    assert item["go_on"] == [
        "tunegate resume r1",
        "tunegate resume r1 --found JOB",
        "tunegate resume r1 --absent",
    ]


@pytest.mark.parametrize(
    ("waits_for", "state"), [("yes", "waits for an approval"), ("form", "waits for an approval in Prefect")]
)
def test_a_run_that_waits_for_an_approval_offers_to_give_it(home: Path, waits_for: str, state: str) -> None:
    Ledger().record_run("r1", "small", "stopped", {"exit_code": 4, "waits_for": waits_for, "message": "9 USD"})
    item = the_run(status())
    assert (item["state"], item["go_on"]) == (state, ["tunegate resume r1 --yes"])


def test_where_the_command_line_may_not_approve_it_is_not_offered(home: Path, tmp_path: Path) -> None:
    space = begin(small_use_case(tmp_path / "case", budget={"command_line_may_approve": False}))
    Ledger().record_run(space.folder.run, "small", "stopped", {"exit_code": 4, "waits_for": "yes"})
    assert the_run(status())["go_on"] == []


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_a_run_that_only_a_new_one_can_better_offers_nothing(home: Path, code: int) -> None:
    Ledger().record_run("r1", "small", "stopped", {"exit_code": code, "message": "so it is"})
    item = the_run(status())
    assert (item["resumable"], item["go_on"], item["outcome"]) == (False, [], "so it is")


@pytest.mark.parametrize("code", [75, 130])
def test_a_run_that_was_interrupted_can_be_resumed(home: Path, code: int) -> None:
    Ledger().record_run("r1", "small", "stopped", {"exit_code": code})
    assert the_run(status())["go_on"] == ["tunegate resume r1"]


@pytest.mark.parametrize("state", ["started", "stopped"])
def test_a_tune_that_is_still_deployed_is_billed_until_the_run_ends_or_is_purged(
    home: Path, tmp_path: Path, state: RunState
) -> None:
    folder, ledger = begin(small_use_case(tmp_path / "case")).folder, Ledger()
    billed = BILLED.format(run=folder.run)
    ledger.record_run(folder.run, "small", state, {"exit_code": 75, "message": f"The provider is away. {billed}"})
    ledger.open_intent(KEY, "small", folder.run, {})
    assert billed not in the_run(status())["outcome"], "nothing was deployed"
    folder.write_json("hosting.json", {"since": 0.0})
    said = the_run(status())["outcome"]
    assert said == (billed if state == "started" else f"The provider is away. {billed}")
    ledger.record_deletion(Deletion(KEY, "deployment", "ft-1", 1.0, proven=False))
    assert billed not in the_run(status())["outcome"]


def test_once_it_is_registered_the_registry_says_what_is_deployed(home: Path, tmp_path: Path) -> None:
    folder = begin(small_use_case(tmp_path / "case")).folder
    Ledger().record_run(folder.run, "small", "stopped", {"exit_code": 75, "message": "MLflow is away"})
    for name in ("hosting.json", "registration.json"):
        folder.write_json(name, {})
    assert the_run(status())["outcome"] == "MLflow is away"


def test_a_run_that_somebody_works_on_is_running_and_offers_nothing(home: Path, tmp_path: Path) -> None:
    space = begin(small_use_case(tmp_path / "case"))
    Ledger().record_run(space.folder.run, "small", "started", {})
    space.folder.claim()
    item = the_run(status())
    assert (item["state"], item["go_on"]) == ("running", [])
    space.folder.release()
