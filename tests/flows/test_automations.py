"""The automations that are shipped, on a real server: what each answers, and what it leaves alone."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed, Pending, Running

from data_contracts.load import read_yaml
from data_contracts.trial import TrialOptions
from flows.housekeeping import AUTOMATIONS, create_automations
from flows.trial import trial
from tasks.prefect_events import emit

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


def test_a_trial_that_somebody_wants_starts_with_the_options_of_the_event(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    options = TrialOptions(reason='its base "retires"', settings={"prompts.base_models": ["a", "b"], "split.seed": 3})
    payload = {"options": options.model_dump(), "why": "its base retires"}
    emit("trial.wanted", "small", payload, answered_by="trial/nobody_works")
    emit("trial.wanted", "small", payload, answered_by="trial/not_deployed")
    [started] = _await_started(client, deployment)
    assert started.parameters == {"use_case": "small", "options": options.model_dump()}


def test_every_automation_of_ours_minds_our_own_runs_only() -> None:
    for name, plain in SHIPPED.items():
        told = str(plain["trigger"])
        assert "prefect.tag.tunegate" in told or "tunegate.use-case." in told, name


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
