"""What nobody else ends: runs whose process is gone, and forms that nobody answered."""

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.events.schemas.automations import AutomationCore
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Failed, Pending, Running

from data_contracts.load import read_yaml
from flows.housekeeping import AUTOMATIONS, GO_ON, begin_again, create_automations, go_on, sweep
from flows.trial import trial
from tasks.ledger import Ledger
from tasks.workspace import Workspace
from tests.claimed import claimed_elsewhere
from tests.small_use_case import small_use_case
from tests.stepwise import begin

NEVER_RESUMED = "The flow was paused and never resumed."


@dataclass
class Left:
    """A run as an earlier process left it."""

    space: Workspace
    client: SyncPrefectClient

    def behind(self, state: State[Any], ledger_state: str = "started", **detail: Any) -> str:
        """In Prefect and in the ledger; its name."""
        parameters = {"use_case": "small", "options": {}}
        flow_run = self.client.create_flow_run(trial, parameters=parameters, state=state)
        told = {"flow_run_id": str(flow_run.id), **detail}
        Ledger().record_run(self.space.folder.run, "small", ledger_state, told)  # type: ignore[arg-type]
        return self.space.folder.run

    def now(self) -> tuple[str | None, str | None, dict[str, Any]]:
        """Its state and message in Prefect, and what the ledger knows."""
        row = Ledger().run(self.space.folder.run)
        assert row is not None
        state = self.client.read_flow_run(row.detail["flow_run_id"]).state
        assert state is not None
        return state.name, state.message, {"state": row.state, **row.detail}


@pytest.fixture
def left(tmp_path: Path, home: Path, prefect_api: str) -> Iterator[Left]:
    with get_client(sync_client=True) as client:
        yield Left(begin(small_use_case(tmp_path / "case")), client)


def test_a_run_whose_process_is_gone_is_crashed_and_can_be_resumed(left: Left) -> None:
    run = left.behind(Running())
    assert sweep(left.client) == [run]
    name, message, known = left.now()
    assert name == "Crashed"
    assert message == f"Its process is gone. What was paid is kept. Go on with: tunegate resume {run}"
    assert (known["state"], known["exit_code"]) == ("stopped", 75)
    assert sweep(left.client) == [], "once is enough"


def test_a_run_that_was_cancelled_and_whose_worker_died_before_it_heard_of_it_is_cancelled(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = left.behind(Cancelling())
    assert sweep(left.client) == [], "its worker may be at it"
    monkeypatch.setattr("flows.housekeeping.UNHEARD_S", 0.0)
    assert sweep(left.client) == [run]
    name, message, known = left.now()
    assert name == "Cancelled"
    assert message == f"Cancelled; no job was bought. Go on with: tunegate resume {run}"
    assert (known["state"], known["message"]) == ("stopped", message)


def test_a_run_that_does_not_hear_of_its_cancel_is_ended_by_the_process_that_started_it(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.housekeeping.UNHEARD_S", 0.0)
    run = left.behind(Cancelling())
    with claimed_elsewhere(left.space.folder.path) as deaf:
        assert sweep(left.client) == [run]
        assert deaf.wait() == -signal.SIGKILL
    name, message, known = left.now()
    assert (name, known["state"]) == ("Cancelled", "stopped")
    assert message == f"Cancelled; no job was bought. Go on with: tunegate resume {run}"


def test_a_process_that_only_has_the_number_of_the_one_that_claimed_the_run_is_left_alone(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.housekeeping.UNHEARD_S", 0.0)
    left.behind(Cancelling())
    with claimed_elsewhere(left.space.folder.path) as other:
        left.space.folder.file(".holder").write_text(f"{other.pid} 1.0")  # as from another container
        assert sweep(left.client) == []
        assert other.poll() is None


def test_a_run_whose_folder_is_broken_keeps_nobody_from_the_others(
    left: Left, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.housekeeping.UNHEARD_S", 0.0)
    left.behind(Cancelling())
    left.space.folder.file("manifest.json").write_text("{")
    left.space = begin(small_use_case(tmp_path / "other"))
    run = left.behind(Running())
    assert sweep(left.client) == [run]


def test_a_run_that_does_not_hear_of_its_cancel_elsewhere_is_left_to_whoever_started_it(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.housekeeping.UNHEARD_S", 0.0)
    left.behind(Cancelling())
    left.space.folder.claim()
    assert sweep(left.client) == []
    assert left.now()[0] == "Cancelling"
    left.space.folder.release()


def test_a_run_that_somebody_works_on_goes_on(left: Left) -> None:
    left.behind(Running())
    left.space.folder.claim()
    assert sweep(left.client) == []
    assert left.now()[0] == "Running"
    left.space.folder.release()


def test_a_run_of_another_machine_is_left_alone(left: Left) -> None:
    left.behind(Running())
    shutil.rmtree(left.space.folder.path)
    assert sweep(left.client) == []
    assert left.now()[0] == "Running"


def test_a_run_that_another_server_knows_is_left_alone(left: Left) -> None:
    Ledger().record_run(
        left.space.folder.run, "small", "started", {"flow_run_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12}
    )
    assert sweep(left.client) == []


def test_a_form_that_nobody_answered_says_so_and_how_to_go_on(left: Left) -> None:
    run = left.behind(Failed(message=NEVER_RESUMED), "stopped", waits_for="form", exit_code=4)
    assert sweep(left.client) == [run]
    name, message, known = left.now()
    assert name == "Failed"
    assert (
        message
        == f"Nobody approved its cost in time; nothing more was spent. To go on after all: tunegate resume {run} --yes"
    )
    assert (known["message"], known["exit_code"], known["waits_for"]) == (message, 4, "yes")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (Failed(message=NEVER_RESUMED), "Nobody answered to its verdict in time; the champion stays."),
        (Cancelled(), "It was ended in Prefect while it waited for a yes to its verdict; the champion stays."),
    ],
    ids=["unanswered", "withdrawn"],
)
def test_a_verdict_that_nobody_answered_leaves_the_champion(left: Left, state: State[Any], says: str) -> None:
    run = left.behind(state, "stopped", waits_for="form", waits_about="verdict", exit_code=4)
    assert sweep(left.client) == [run]
    known = left.now()[2]
    assert known["message"].startswith(says)
    assert known["message"].endswith(f"tunegate resume {run} --yes")
    assert (known["waits_for"], known["exit_code"]) == ("yes", 4)


def test_a_run_that_somebody_resumes_elsewhere_while_its_form_is_withdrawn_is_left_to_them(left: Left) -> None:
    left.behind(Cancelled(), "stopped", waits_for="form", exit_code=4, message="its own words")
    with claimed_elsewhere(left.space.folder.path):
        assert sweep(left.client) == []
    assert left.now()[2]["message"] == "its own words"


def test_where_only_prefect_may_approve_a_form_that_nobody_answered_says_how_to_approve_there(
    left: Left, tmp_path: Path
) -> None:
    left.space = begin(small_use_case(tmp_path / "strict", budget={"command_line_may_approve": False}))
    run = left.behind(Failed(message=NEVER_RESUMED), "stopped", waits_for="form", exit_code=4)
    sweep(left.client)
    said = left.now()[2]["message"]
    assert "--yes" not in said
    assert f"`Resume a stopped run` set to {run}" in said


def test_a_run_that_was_cancelled_while_it_waited_waits_no_longer(left: Left) -> None:
    left.behind(Cancelled(), "stopped", waits_for="form", exit_code=4)
    sweep(left.client)
    name, _, known = left.now()
    assert name == "Cancelled"
    assert "ended in Prefect" in known["message"]


@pytest.mark.parametrize("waits_for", ["", "yes"])
def test_a_run_that_stopped_by_itself_keeps_its_own_words(left: Left, waits_for: str) -> None:
    left.behind(Failed(), "stopped", waits_for=waits_for, exit_code=4, message="its own words")
    assert sweep(left.client) == []
    assert left.now()[2]["message"] == "its own words"


def test_a_finished_run_stays_finished(left: Left) -> None:
    left.behind(Completed(), "finished")
    assert sweep(left.client) == []


def test_an_automation_is_created_once_and_stays_as_somebody_left_it(prefect_api: str) -> None:
    with get_client(sync_client=True) as client:
        create_automations(client)
        automation = zombies(client)
        client.pause_automation(automation.id)
        assert create_automations(client) == []
        again = zombies(client)
        client.resume_automation(automation.id)
    assert (again.id, again.enabled) == (automation.id, False)


def test_the_automation_is_armed_by_heartbeats_and_disarmed_by_every_end(prefect_api: str) -> None:
    from flows.environment import OTHERS

    with get_client(sync_client=True) as client:
        create_automations(client)
        trigger = zombies(client).trigger
    ends = {"Completed", "Failed", "Cancelled", "Crashed", "Suspended", "Paused", "heartbeat"}
    events = {"tunegate.run.waits", *(f"prefect.flow-run.{end}" for end in ends)}
    assert trigger.after == {"prefect.flow-run.heartbeat"}
    assert trigger.expect == events
    assert trigger.within.total_seconds() >= 3 * int(OTHERS["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])


def zombies(client: SyncPrefectClient) -> Any:
    [found] = [item for item in client.read_automations() if item.name == "tunegate-zombies-become-crashed"]
    return found


def test_a_run_that_was_taken_up_and_never_began_is_planned_again(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = trial.to_deployment(name="taken_up", tags=["tunegate"])
    run = left.client.create_flow_run_from_deployment(
        made.apply(), parameters={"use_case": "small"}, state=Pending(), name="taken-up"
    )
    assert "taken-up" not in begin_again(left.client), "a process takes a while to start"
    monkeypatch.setattr("flows.housekeeping.STUCK_S", 0.0)
    assert "taken-up" in begin_again(left.client)
    state = left.client.read_flow_run(run.id).state
    assert state is not None
    assert state.is_scheduled()


# ------------------------------------------------------------ where a crash is answered late


@pytest.fixture
def held_back(left: Left, monkeypatch: pytest.MonkeyPatch) -> Iterator[UUID]:
    """The automation for crashed trials as it stands after a restart of the server: there, and answering nothing."""
    plain = {item["name"]: item for item in read_yaml(AUTOMATIONS)["automations"]}[GO_ON]
    for known in left.client.read_automations():
        left.client.delete_automation(known.id)
    trigger = {**plain["trigger"], "expect": ["nobody.says.this"]}
    monkeypatch.setattr("flows.housekeeping.LATE_S", 0.0)
    yield left.client.create_automation(AutomationCore.model_validate({**plain, "trigger": trigger}))
    for known in left.client.read_automations():
        left.client.delete_automation(known.id)


def crash(left: Left, times: int = 1) -> UUID:
    made: Any = trial.to_deployment(name="crashing", parameters={"use_case": "small"}, tags=["tunegate"])
    run = left.client.create_flow_run_from_deployment(made.apply(), name=f"crashed {times} times").id
    for _ in range(times):
        for state in (Pending(), Running(), Crashed()):
            left.client.set_flow_run_state(run, state, force=True)
    return run


def test_a_crashed_trial_whose_event_is_held_back_is_started_again(left: Left, held_back: UUID) -> None:
    run = crash(left)
    assert "crashed 1 times" in go_on(left.client)
    state = left.client.read_flow_run(run).state
    assert state is not None
    assert state.name == "AwaitingRetry"
    assert go_on(left.client) == [], "once is enough"


def test_its_fifth_start_is_left_to_a_person(left: Left, held_back: UUID) -> None:
    crash(left, times=5)
    assert go_on(left.client) == []


def test_where_somebody_paused_the_automation_nothing_is_started(left: Left, held_back: UUID) -> None:
    crash(left)
    left.client.pause_automation(held_back)
    assert go_on(left.client) == []


def test_in_the_first_minute_and_after_a_quarter_of_an_hour_the_automation_answers_by_itself(
    left: Left, held_back: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash(left)
    monkeypatch.setattr("flows.housekeeping.LATE_S", 60.0)
    assert go_on(left.client) == []
    monkeypatch.setattr("flows.housekeeping.LATE_S", 0.0)
    monkeypatch.setattr("flows.housekeeping.HELD_BACK_S", 0.0)
    assert go_on(left.client) == []
