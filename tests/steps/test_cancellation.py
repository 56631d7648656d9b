"""What becomes of a bought job when its run is cancelled."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from data_contracts.money import Job
from tasks.errors import ProviderUnavailableError
from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState
from tasks.steps.cancellation import Ending, cancel
from tasks.workspace import Workspace
from tests.small_use_case import USE_CASE, small_use_case
from tests.stepwise import begin

KEY = "a" * 64
WAY = [IntentState.INTENT, IntentState.UPLOADED, IntentState.SUBMITTING, IntentState.SUBMITTED, IntentState.ENDED]


@dataclass
class Provider:
    """Answers a cancellation in one way, and knows that it was asked."""

    state: str = "cancelled"
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def cancel(self, job_id: str) -> Job:
        self.asked.append(job_id)
        if self.failure:
            raise self.failure
        told: dict[str, Any] = {
            "state": self.state,
            "raw_state": "cancelling" if self.state == "running" else self.state,
        }
        return Job(id=job_id, base_model="base", training_file="file-1", created_at=0.0, **told)


def run_that_bought(tmp_path: Path, on_cancel: str, until: IntentState | None, run: str = "") -> Workspace:
    """A run whose purchase has come so far; `run`: another run began it."""
    space = begin(small_use_case(tmp_path / "case", fine_tune={**USE_CASE["fine_tune"], "on_cancel": on_cancel}))
    ledger = Ledger()
    if until is not None:
        ledger.open_intent(KEY, "small", run or space.folder.run, {})
        for state in WAY[1 : WAY.index(until) + 1]:
            fields: dict[str, Any] = {"job_id": "ftjob-1"} if state is IntentState.SUBMITTED else {}
            ledger.advance(KEY, state, **fields)
    if run:
        told = {
            "intent": KEY,
            "job_id": "ftjob-1",
            "attached": True,
            "training_file_id": "f",
            "validation_file_id": None,
        }
        space.folder.write_json("submission.json", {**told, "validation_file_id": None})
    return space


def cancelled(space: Workspace, provider: Provider) -> Ending:
    return cancel(space, Ledger(), lambda: provider)  # type: ignore[arg-type, return-value]


def intent_state() -> tuple[IntentState, str | None]:
    intent = Ledger().intent(KEY)
    assert intent is not None
    return intent.state, intent.job_state


@pytest.mark.parametrize("until", [None, IntentState.INTENT, IntentState.UPLOADED])
@pytest.mark.parametrize("on_cancel", ["keep", "cancel"])
def test_before_the_purchase_there_is_nothing_to_cancel(
    own_home: Path, tmp_path: Path, on_cancel: str, until: IntentState | None
) -> None:
    space, provider = run_that_bought(tmp_path, on_cancel, until), Provider()
    ending = cancelled(space, provider)
    assert ending.message == f"Cancelled; no job was bought. Go on with: tunegate resume {space.folder.run}"
    assert (ending.exit_code, provider.asked) == (75, [])


def test_amid_the_purchase_nothing_is_cancelled_and_the_job_is_looked_for_later(own_home: Path, tmp_path: Path) -> None:
    provider = Provider()
    ending = cancelled(run_that_bought(tmp_path, "cancel", IntentState.SUBMITTING), provider)
    assert "its job is looked for" in ending.message
    assert (ending.exit_code, provider.asked) == (75, [])


def test_keep_leaves_the_job_and_says_so_without_asking_the_provider(own_home: Path, tmp_path: Path) -> None:
    provider = Provider()
    ending = cancelled(run_that_bought(tmp_path, "keep", IntentState.SUBMITTED), provider)
    assert "job ftjob-1 goes on at the provider, as `fine_tune.on_cancel: keep` says" in ending.message
    assert (ending.exit_code, provider.asked) == (75, [])
    assert intent_state()[0] is IntentState.SUBMITTED


def test_cancel_cancels_the_job_and_says_what_another_one_takes(own_home: Path, tmp_path: Path) -> None:
    provider = Provider()
    ending = cancelled(run_that_bought(tmp_path, "cancel", IntentState.SUBMITTED), provider)
    assert provider.asked == ["ftjob-1"]
    assert "`fine_tune.generation`" in ending.message
    assert ending.exit_code == 5, "to resume it would be refused"
    assert intent_state() == (IntentState.ENDED, "cancelled")


@pytest.mark.parametrize(("state", "told"), [("running", "still cancelling"), ("succeeded", "its model is kept")])
def test_a_job_that_does_not_end_at_once_or_has_succeeded_can_still_be_waited_for(
    own_home: Path, tmp_path: Path, state: str, told: str
) -> None:
    ending = cancelled(run_that_bought(tmp_path, "cancel", IntentState.SUBMITTED), Provider(state))
    assert told in ending.message
    assert ending.exit_code == 75
    assert intent_state()[0] is IntentState.SUBMITTED


def test_a_job_that_had_come_to_nothing_before_offers_no_resumption(own_home: Path, tmp_path: Path) -> None:
    space, provider = run_that_bought(tmp_path, "cancel", IntentState.SUBMITTED), Provider()
    cancelled(space, provider)
    again = cancelled(space, provider)
    assert (again.exit_code, provider.asked) == (5, ["ftjob-1"])
    assert "tunegate resume" not in again.message
    assert "`fine_tune.generation`" in again.message


def test_a_job_that_another_run_bought_goes_on(own_home: Path, tmp_path: Path) -> None:
    provider = Provider()
    ending = cancelled(run_that_bought(tmp_path, "cancel", IntentState.SUBMITTED, run="an-earlier-run"), provider)
    assert "run an-earlier-run bought it" in ending.message
    assert provider.asked == []


def test_a_provider_out_of_reach_leaves_a_run_that_can_be_resumed_and_says_that_the_job_may_go_on(
    own_home: Path, tmp_path: Path
) -> None:
    away = Provider(failure=ProviderUnavailableError("cancelling", "timeout", "Try later."))
    ending = cancelled(run_that_bought(tmp_path, "cancel", IntentState.SUBMITTED), away)
    assert "could not be and may go on at the provider" in ending.message
    assert ending.exit_code == 75
