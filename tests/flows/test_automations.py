"""The automations that are shipped, on a real server: what each answers, and what it leaves alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.events.schemas.automations import AutomationCore
from prefect.states import Crashed, Pending, Running, Suspended

from data_contracts.load import read_yaml
from data_contracts.trial import TrialOptions
from flows.housekeeping import AUTOMATIONS, create_automations, sweep
from flows.trial import trial
from tasks.ledger import Ledger
from tasks.prefect_events import deliver
from tests.small_use_case import small_use_case
from tests.stepwise import begin

DEADLINE_S = 60
SHIPPED = {plain["name"]: plain for plain in read_yaml(AUTOMATIONS)["automations"]}


@pytest.fixture(scope="module")
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        create_automations(client)
        yield client


@pytest.fixture(scope="module")
def deployment(client: SyncPrefectClient) -> UUID:
    """A trial's deployment that nobody works for."""
    made: Any = trial.to_deployment(name="nobody_works", parameters={"use_case": "small"}, tags=["tunegate"])
    found: UUID = made.apply()
    return found


def test_a_crashed_trial_is_started_again_four_times_and_then_left_to_a_person(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    run = client.create_flow_run_from_deployment(deployment).id
    for start in range(1, 5):
        _set(client, run, Pending(), Running(), Crashed())
        again = _await(client, run, lambda now: now.state is not None and now.state.name == "AwaitingRetry")
        assert again.run_count == start
    _set(client, run, Pending(), Running(), Crashed())
    other = client.create_flow_run_from_deployment(deployment).id
    _set(client, other, Pending(), Running(), Crashed())
    _await(client, other, lambda now: now.state is not None and now.state.name == "AwaitingRetry")
    left = client.read_flow_run(run)
    assert left.state is not None
    assert (left.run_count, left.state.name) == (5, "Crashed"), (
        "its event came before the other's, and nothing followed"
    )


def test_a_run_that_crashed_before_it_began_is_not_started_again(client: SyncPrefectClient, deployment: UUID) -> None:
    run = client.create_flow_run_from_deployment(deployment).id
    _set(client, run, Pending(), Crashed())
    other = client.create_flow_run_from_deployment(deployment).id
    _set(client, other, Pending(), Running(), Crashed())
    _await(client, other, lambda now: now.state is not None and now.state.name == "AwaitingRetry")
    left = client.read_flow_run(run)
    assert left.state is not None
    assert left.state.name == "Crashed"


@pytest.mark.slow
def test_a_run_whose_last_heartbeat_came_after_it_was_suspended_is_not_taken_for_dead(
    client: SyncPrefectClient, deployment: UUID, tmp_path: Path, home: Path
) -> None:
    space = begin(small_use_case(tmp_path / "case"))
    waits, unheard = (client.create_flow_run_from_deployment(deployment) for _ in range(2))
    for run in (waits, unheard):
        _set(client, run.id, Pending(), Running(), Suspended(timeout_seconds=600))
    Ledger().record_run(space.folder.run, "small", "stopped", {"flow_run_id": str(waits.id), "waits_for": "form"})
    with _dead_within(client, seconds=10):
        for run in (waits, unheard):
            _heartbeat(run)
        sweep(client)
        _await(client, unheard.id, lambda now: "No heartbeat" in str(now.state and now.state.message) or now.run_count)
    state = client.read_flow_run(waits.id).state
    assert state is not None
    assert state.name == "Suspended"


def test_a_trial_that_somebody_wants_starts_with_the_options_of_the_event(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    options = TrialOptions(reason='its base "retires"', settings={"prompts.base_models": ["a", "b"], "split.seed": 3})
    payload = {"options": options.model_dump(), "why": "its base retires"}
    deliver("trial.wanted", "small", payload, answered_by="trial/nobody_works")
    deliver("trial.wanted", "small", payload, answered_by="trial/not_deployed")
    [started] = _await_started(client, deployment)
    assert started.parameters == {"use_case": "small", "options": options.model_dump()}


def test_every_automation_of_ours_minds_our_own_runs_only() -> None:
    for name, plain in SHIPPED.items():
        told = str(plain["trigger"])
        assert "prefect.tag.tunegate" in told or "tunegate.use-case." in told, name


@contextmanager
def _dead_within(client: SyncPrefectClient, seconds: int) -> Iterator[None]:
    """The shipped automation for dead runs, which waits as long as this after a heartbeat."""
    plain = SHIPPED["tunegate-zombies-become-crashed"]
    [shipped] = [item for item in client.read_automations() if item.name == plain["name"]]
    client.pause_automation(shipped.id)
    hurried = {**plain, "name": "hurried", "trigger": {**plain["trigger"], "within": seconds}}
    made = client.create_automation(AutomationCore.model_validate(hurried))
    yield
    client.delete_automation(made)
    client.resume_automation(shipped.id)


def _heartbeat(run: FlowRun) -> None:
    emit_event(
        event="prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run.id}"},
        related=[
            {
                "prefect.resource.id": f"prefect.flow.{run.flow_id}",
                "prefect.resource.role": "flow",
                "prefect.resource.name": "trial",
            },
            {"prefect.resource.id": "prefect.tag.tunegate", "prefect.resource.role": "tag"},
        ],
    )


def _await_started(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    """Runs of the deployment that an automation started."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
        )
        if found := [run for run in runs if run.created_by and run.created_by.type == "AUTOMATION"]:
            return found
        time.sleep(0.1)
    raise AssertionError("no automation started a run")


def _set(client: SyncPrefectClient, run: UUID, *states: State[Any]) -> None:
    for state in states:
        client.set_flow_run_state(run, state)


def _await(client: SyncPrefectClient, run: UUID, condition: Callable[[FlowRun], bool]) -> FlowRun:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if condition(now := client.read_flow_run(run)):
            return now
        time.sleep(0.1)
    raise AssertionError(f"it is {now.state} after {now.run_count} starts")
