"""What the ledger learns when a run stops, for every way in which it can."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelling, Crashed, Failed

from flows import hooks
from flows.approval import ApprovalDeniedError
from flows.commands import status
from tasks import errors, workspace
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState
from tasks.steps import opening
from tasks.steps.cancellation import BILLED
from tasks.steps.opening import StoppedBesideError
from tasks.steps.promoting import VerdictApprovalRequiredError
from tests.claimed import claimed_elsewhere
from tests.small_use_case import small_use_case
from tests.stepwise import begin

ENDINGS = {
    errors.ConfigurationError("use_case.yaml", "is wrong", "Mend it."): 2,
    errors.DataError("rows.jsonl", "is empty", "Add rows."): 3,
    errors.LeakageError("test", 2, "leakage.json"): 3,
    errors.BudgetError("This run", 9.0, 5.0, "Raise it."): 4,
    errors.ApprovalRequiredError("a-run", 9.0, 5.0, "0" * 64): 4,
    VerdictApprovalRequiredError("a-run", "tune-minimal (ft:1)", "tunegate resume a-run --yes"): 4,
    ApprovalDeniedError("a-run", "Ada", "too dear", "tunegate resume a-run --yes"): 4,
    errors.ProviderRefusedError("jobs.create", "closed", "no new jobs", "Move."): 5,
    errors.CredentialsError("connecting", "no key", "Set it."): 75,
    errors.ProviderUnavailableError("jobs.retrieve", "timeout", "Wait."): 75,
    errors.SubmissionParkedError("Purchase", "its answer was lost", "Look."): 75,
    ZeroDivisionError("a bug"): 1,
}

ENDING = errors.BudgetError("This run", 9.0, 5.0, "Raise it.")


@dataclass
class Stopped:
    """A run that a flow run works on."""

    run: str
    flow_run: UUID

    def at(self, state: object, hook: object = hooks.note_stop, deployment: UUID | None = None) -> dict[str, object]:
        """What the ledger knows once Prefect has called the hook, by keywords as it does."""
        flow_run = SimpleNamespace(id=self.flow_run, name="small", deployment_id=deployment)
        hook(flow=None, flow_run=flow_run, state=state)  # type: ignore[operator]
        found = Ledger().run(self.run)
        assert found is not None
        assert found.state == "stopped"
        return found.detail


def deploy(run: str) -> None:
    """As far as the run's folder tells."""
    workspace.reopen(run).folder.write_json("hosting.json", {"since": 0.0})


@pytest.fixture
def stopped(tmp_path: Path, own_home: Path) -> Stopped:
    space, flow_run = begin(small_use_case(tmp_path / "case")), uuid4()
    Ledger().record_run(space.folder.run, "small", "started", {"flow_run_id": str(flow_run)})
    return Stopped(space.folder.run, flow_run)


@pytest.mark.parametrize(("error", "code"), ENDINGS.items(), ids=lambda item: type(item).__name__)
def test_every_kind_of_error_leaves_its_text_and_its_exit_code(stopped: Stopped, error: Exception, code: int) -> None:
    told = stopped.at(Failed(data=error, message="Flow run encountered an exception"))
    assert told["exit_code"] == code
    assert told["message"] == (
        str(error) if isinstance(error, errors.TunegateError) else "Flow run encountered an exception"
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.ApprovalRequiredError("a-run", 9.0, 5.0, "0" * 64),
        VerdictApprovalRequiredError("a-run", "tune-minimal (ft:1)", "tunegate resume a-run --yes"),
    ],
    ids=["cost", "verdict"],
)
def test_a_missing_approval_is_remembered_as_what_the_run_waits_for(stopped: Stopped, error: Exception) -> None:
    assert stopped.at(Failed(data=error))["waits_for"] == "yes"


def test_a_crash_whose_reason_only_another_process_knew_can_be_resumed(stopped: Stopped) -> None:
    told = stopped.at(Crashed(message="Flow run process exited with status code -9"))
    assert told["exit_code"] == 75
    assert "status code -9" in str(told["message"])


@pytest.mark.parametrize(("signal", "code"), [(TerminationSignal(15), 75), (KeyboardInterrupt(), 130)], ids=repr)
def test_a_signal_to_the_command_line_cancels_the_run(stopped: Stopped, signal: BaseException, code: int) -> None:
    told = stopped.at(Crashed(data=signal))
    assert told["exit_code"] == code
    assert told["message"] == f"Cancelled; no job was bought. Go on with: tunegate resume {stopped.run}"


def test_ctrl_c_that_cancelled_the_job_leaves_nothing_to_resume(stopped: Stopped) -> None:
    ledger = Ledger()
    ledger.open_intent("a" * 64, "small", stopped.run, {})
    for state in (IntentState.UPLOADED, IntentState.SUBMITTING, IntentState.SUBMITTED):
        ledger.advance("a" * 64, state, job_id="ftjob-1")
    ledger.advance("a" * 64, IntentState.ENDED, job_state="cancelled")
    told = stopped.at(Crashed(data=KeyboardInterrupt()))
    assert told["exit_code"] == 5
    [item] = status()["runs"]
    assert item["go_on"] == []
    assert "resume" not in item["outcome"]


@pytest.mark.parametrize("state", [Crashed(message="exited"), Failed(data=ENDING), Crashed(data=KeyboardInterrupt())])
def test_a_run_that_stops_while_its_tune_is_deployed_says_that_it_is_billed(
    stopped: Stopped, state: State[object]
) -> None:
    deploy(stopped.run)
    assert str(stopped.at(state)["message"]).endswith(BILLED.format(run=stopped.run))


def test_a_signal_to_a_worker_cancels_nothing(stopped: Stopped) -> None:
    told = stopped.at(
        Crashed(data=TerminationSignal(15), message="aborted by a termination signal"), deployment=uuid4()
    )
    assert told["exit_code"] == 75
    assert told["message"] == "aborted by a termination signal"


def test_a_cancellation_counts_even_where_the_dying_process_called_it_a_crash(stopped: Stopped) -> None:
    stopped.at(Crashed(message="aborted by a termination signal"), deployment=uuid4())
    told = stopped.at(Cancelling(), hooks.note_cancellation)
    assert "Cancelled; no job was bought" in str(told["message"])


def test_a_key_in_an_error_does_not_reach_the_ledger(stopped: Stopped, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-" + "0123456789abcdef"
    told = stopped.at(Failed(data=errors.CredentialsError("connecting", f"{key} was refused", "Set another.")))
    assert key not in str(told["message"])


# ------------------------------------------------------------ a flow run that was started beside itself


@pytest.mark.parametrize("hook", [hooks.note_stop, hooks.note_cancellation])
def test_what_becomes_of_a_second_process_says_nothing_of_the_first(
    stopped: Stopped, hook: Callable[..., None]
) -> None:
    with claimed_elsewhere(run_path(stopped.run)):
        flow_run = SimpleNamespace(id=stopped.flow_run, name="small", deployment_id=uuid4())
        hook(flow=None, flow_run=flow_run, state=Failed(data=ENDING))
    row = Ledger().run(stopped.run)
    assert row is not None
    assert row.state == "started"


def test_what_stopped_the_first_process_stops_the_second_in_the_same_words(stopped: Stopped) -> None:
    known = stopped.at(Failed(data=ENDING))
    space = workspace.reopen(stopped.run)
    with claimed_elsewhere(space.folder.path) as first:
        threading.Timer(1.0, first.kill).start()
        with pytest.raises(StoppedBesideError) as second:
            opening.take(space, str(stopped.flow_run), Ledger())
    assert (str(second.value), second.value.exit_code) == (known["message"], known["exit_code"])
    assert stopped.at(Failed(data=second.value)) == known, "once is enough"


def test_where_the_first_process_died_the_second_goes_on(stopped: Stopped) -> None:
    space = workspace.reopen(stopped.run)
    with claimed_elsewhere(space.folder.path) as first:
        threading.Timer(1.0, first.kill).start()
        opening.take(space, str(stopped.flow_run), Ledger())
    space.folder.release()
