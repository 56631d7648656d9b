"""What nobody else ends: runs whose process is gone, forms that nobody answered in time, trials that nobody started."""

import contextlib
import datetime as dt
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil

from data_contracts.load import read_yaml
from flows import hooks
from flows.approval import ABOUT
from flows.trial import trial
from tasks import wanted_trials
from tasks.errors import ResumableError, TunegateError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import RunRecord
from tasks.prefect_events import say_it_waits
from tasks.run_folder import RunFolder, in_progress
from tasks.steps.cancellation import still_billed
from tasks.steps.opening import FORM, how_to_approve

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State

AUTOMATIONS = Path(__file__).parents[1] / "deployments" / "automations.yaml"
SWEEP_S = 60.0
SAID_S = 600.0  # so long it is said again that a run waits: longer than a heartbeat that came last is remembered
UNHEARD_S = 120.0  # from somebody's Cancel until its own worker has ended the run, at the most
GO_ON = "tunegate-crashed-trials-go-on"
STARTS = 5  # the last one is left to a person, as that automation says
LATE_S, HELD_BACK_S = 60.0, 840.0  # when it should have answered; by when it does after a restart of the server
STUCK_S = 180.0  # from the moment when a process is started for a run until it begins, at the most
GONE = "Its process is gone. What was paid is kept. Go on with: tunegate resume {run}"
UNANSWERED = {
    "cost": "Nobody approved its cost in time; nothing more was spent. To go on after all: {how}",
    "verdict": "Nobody answered to its verdict in time; the champion stays. To promote after all: {how}",
}
WITHDRAWN = {
    "cost": "It was ended in Prefect while it waited for a yes to its cost. To go on: {how}",
    "verdict": "It was ended in Prefect while it waited for a yes to its verdict; the champion stays. To go on: {how}",
}
log = logging.getLogger("tunegate.housekeeping")


def create_automations(client: "SyncPrefectClient") -> list[str]:
    """Create what deployments/automations.yaml describes; the names of those that were missing.

    One that is there stays as it is: somebody may have changed or paused it on purpose.
    """
    from prefect.events.schemas.automations import AutomationCore

    described = [AutomationCore.model_validate(plain) for plain in read_yaml(AUTOMATIONS)["automations"]]
    known = {item.name for item in client.read_automations()}
    missing = [item for item in described if item.name not in known]
    for item in missing:
        client.create_automation(item)
    return [item.name for item in missing]


def sweep(client: "SyncPrefectClient") -> list[str]:
    """End what has ended in truth, or was cancelled and goes on, in Prefect and in the ledger; the runs concerned.

    Only runs whose folder is on this machine are judged: whether their process lives is told by the folder's lock.
    """
    ledger = Ledger()
    open_runs = [row for row in ledger.runs() if row.state == "started" or row.detail.get("waits_for") == FORM]
    here = [row for row in open_runs if row.detail.get("flow_run_id") and run_path(row.run).is_dir()]
    return [row.run for row in here if _is_ended(row, client, ledger)]


def _is_ended(row: RunRecord, client: "SyncPrefectClient", ledger: Ledger) -> bool:
    """A run whose folder or use case is broken keeps nobody from the others."""
    try:
        return _end(row, client, ledger)
    except (TunegateError, ValueError) as error:
        log.warning("run %s could not be looked after: %s", row.run, type(error).__name__)
        return False


def begin_again(client: "SyncPrefectClient") -> list[str]:
    """Plan anew what a served process took up and never began: it is gone, and nobody else would. Their names.

    In a work pool a run may wait for its machine for as long as that takes: those are left alone.
    """
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.states import Scheduled

    pending = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING])))
    stuck = [run for run in client.read_flow_runs(flow_run_filter=pending) if _is_stuck(run, client)]
    for run in stuck:
        client.set_flow_run_state(run.id, Scheduled(message="Its process ended before it began."), force=True)
    return [run.name for run in stuck]


def go_on(client: "SyncPrefectClient") -> list[str]:
    """Start crashed trials again where their automation has not yet; their names.

    A server that was started again holds an event back for a quarter of an hour where it did not see the one before it.
    """
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import AwaitingRetry

    if not any(item.name == GO_ON and item.enabled for item in client.read_automations()):
        return []  # somebody wants it so
    crashed = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])))
    trials = FlowFilter(name=FlowFilterName(any_=[trial.name]))
    runs = client.read_flow_runs(flow_run_filter=crashed, flow_filter=trials)
    left = [run for run in runs if run.deployment_id and "tunegate" in run.tags and _is_left(run)]
    for run in left:
        client.set_flow_run_state(run.id, AwaitingRetry(message="It crashed and goes on where it stopped."))
    return [run.name for run in left]


def _is_left(run: "FlowRun") -> bool:
    """Long enough for an automation in time, and not for one that comes after all; a fifth start is a person's."""
    return run.state is not None and 0 < run.run_count < STARTS and LATE_S < _age_s(run.state) < HELD_BACK_S


def _is_stuck(run: "FlowRun", client: "SyncPrefectClient") -> bool:
    if not run.deployment_id or "tunegate" not in run.tags or run.state is None:
        return False
    return _age_s(run.state) > STUCK_S and client.read_deployment(run.deployment_id).work_pool_name is None


def _age_s(state: "State[Any]") -> float:
    return (dt.datetime.now(dt.UTC) - state.timestamp).total_seconds()


def keep_house() -> threading.Thread:
    """Sweep now and every minute, beside whatever else this process does."""
    thread = threading.Thread(target=_sweep_on, name="housekeeping", daemon=True)
    thread.start()
    return thread


def _sweep_on() -> None:
    from prefect.client.orchestration import get_client

    while True:
        try:
            with get_client(sync_client=True) as client:
                for run in sweep(client):
                    log.warning("run %s was ended: nobody works on it", run)
                for name in go_on(client):
                    log.warning("run %s crashed and is started again", name)
                for name in begin_again(client):
                    log.warning("run %s was planned again: it was taken up and never began", name)
                for use_case in wanted_trials.ask_again(client, Ledger()):
                    log.warning("a trial of %s was asked for again: Prefect has none yet", use_case)
        except Exception as error:  # a server that restarts must not end the housekeeping
            log.warning("sweeping failed: %s", type(error).__name__)
        time.sleep(SWEEP_S)


def _end(row: RunRecord, client: "SyncPrefectClient", ledger: Ledger) -> bool:
    flow_run = _flow_run(row, client)
    state = flow_run.state if flow_run else None
    lives, now = in_progress(run_path(row.run)), ledger.run(row.run)
    if flow_run is None or state is None or now is None or _is_other(row, now):
        return False
    if row.state == "started":
        return _end_started(row, state, client, ledger, lives)
    if state.is_paused() and time.time() - row.updated_at < SAID_S:
        say_it_waits(flow_run, trial.name)
    return state.is_final() and not lives and _end_waiting(row, state, client, ledger)


def _is_other(row: RunRecord, now: RunRecord) -> bool:
    """Whether it ended, or another flow run took it up, since the ledger was asked for all of them."""
    return (now.state, now.detail.get("flow_run_id")) != (row.state, row.detail["flow_run_id"])


def _end_started(row: RunRecord, state: "State[Any]", client: "SyncPrefectClient", ledger: Ledger, lives: bool) -> bool:
    if state.is_cancelling() or state.is_cancelled():
        process = _own_process(row) if lives else None
        if _age_s(state) < UNHEARD_S or (lives and process is None):
            return False
        _tell_prefect(row, client, "Cancelled", "Its worker did not hear of it.")  # before it dies: else it has crashed
        with contextlib.suppress(psutil.NoSuchProcess):
            if process:
                process.kill()
        _tell_prefect(row, client, "Cancelled", hooks.cancelled(row))
        return True
    if lives or not (state.is_running() or state.is_crashed()):
        return False
    told = f"{GONE.format(run=row.run)} {still_billed(row.run)}".rstrip()
    _tell_prefect(row, client, "Crashed", told)
    return _note(row, ledger, told, exit_code=ResumableError.exit_code, waits_for="")


def _own_process(row: RunRecord) -> psutil.Process | None:
    """The process that works on the run, where it is a child of this one."""
    holder = RunFolder(run_path(row.run)).holder()
    return holder if holder in psutil.Process().children(recursive=True) else None


def _end_waiting(row: RunRecord, state: "State[Any]", client: "SyncPrefectClient", ledger: Ledger) -> bool:
    about = row.detail.get(ABOUT, "cost")
    told = (UNANSWERED if state.is_failed() else WITHDRAWN)[about].format(how=how_to_approve(row.run))
    told = f"{told} {still_billed(row.run)}".rstrip()
    if state.is_failed():
        _tell_prefect(row, client, "Failed", told)
    return _note(row, ledger, told, waits_for="yes")


def _flow_run(row: RunRecord, client: "SyncPrefectClient") -> "FlowRun | None":
    """None: the run belongs to another server, or its record was deleted."""
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_flow_run(UUID(row.detail["flow_run_id"]))
    except ObjectNotFound:
        return None


def _tell_prefect(row: RunRecord, client: "SyncPrefectClient", name: str, message: str) -> None:
    from prefect import states

    state = getattr(states, name)(message=message)
    client.set_flow_run_state(UUID(row.detail["flow_run_id"]), state, force=True)


def _note(row: RunRecord, ledger: Ledger, message: str, **detail: Any) -> bool:  # noqa: ANN401 - JSON
    ledger.record_run(row.run, row.use_case, "stopped", {"message": message, **detail})
    return True
