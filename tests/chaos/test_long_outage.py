"""Prefect's server is away for longer than a living run may be silent: the run ends once, and still hears a Cancel."""

import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect.states import Crashed

from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.run_folder import in_progress
from tests.chaos.house import HURRIED_S, House, house
from tests.chaos.weeks import SLOW_JOB, USE_CASE
from tests.flows.worker import await_that, deployed

pytestmark = pytest.mark.kills
AWAY_S = HURRIED_S + 20
RENEWED_S = 250  # a run that holds a slot of its deployment says so every 225 s


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("long_outage")
    gates = {"minimum_effect": 0.1, "max_latency_ratio": None}
    deployed(folder, USE_CASE, approvals={"promotion": "deployed"}, gates=gates)
    with pytest.MonkeyPatch.context() as patch, house(folder, USE_CASE, HURRIED_S) as place:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        yield place


@pytest.fixture
def left_alone(place: House, request: pytest.FixtureRequest) -> UUID:
    """A trial whose job trains while the server is away, and goes on to."""
    place.provider.change_settings(job_seconds=SLOW_JOB)
    before = len(place.provider.log("jobs.create"))
    settings = {"fine_tune.generation": request.param}
    flow_run = place.prefect.start(USE_CASE, settings=settings)
    await_that(lambda: len(place.provider.log("jobs.create")) > before)
    place.kill("server", meanwhile=lambda: time.sleep(AWAY_S))
    return flow_run


def test_a_run_keeps_its_slot_through_a_restart_of_the_server(place: House) -> None:
    place.provider.change_settings(job_seconds=SLOW_JOB)
    settings = {"fine_tune.generation": 3, "fine_tune.deadline_hours": 1}
    flow_run = place.prefect.start(USE_CASE, settings=settings)
    await_that(lambda: place.provider.log("jobs.create"))
    place.kill("server")
    time.sleep(RENEWED_S)
    assert place.prefect.run(flow_run).state_name == "Running"
    assert place.prefect.run(flow_run).run_count == 1
    place.prefect.cancel(flow_run)
    await_that(lambda: Ledger().runs()[-1].state == "stopped")


@pytest.mark.parametrize("left_alone", [1], indirect=True)
def test_a_run_that_is_taken_for_dead_asks_once_and_ends_once(place: House, left_alone: UUID) -> None:
    taken_for_dead = Crashed(message="As the automation says where it missed the heartbeats.")
    place.prefect.client.set_flow_run_state(left_alone, taken_for_dead)
    await_that(lambda: place.prefect.run(left_alone).state_name in ("AwaitingRetry", "Late"))
    place.provider.change_settings()
    await_that(lambda: place.in_state("trial", "Suspended"))
    await_that(lambda: not place.in_state("trial", "Running"))
    assert place.prefect.answer(left_alone, promote="yes", your_name="Ada")["status"] == "ACCEPT"
    place.prefect.await_end(left_alone)
    row = Ledger().runs()[-1]
    assert row.state == "finished"
    assert [move.action for move in Ledger().moves(USE_CASE)] == ["first", "promote"]
    bought = {intent.job_id for intent in Ledger().intents(USE_CASE)}
    assert len(place.provider.log("jobs.create")) == len(bought)


@pytest.mark.parametrize("left_alone", [2], indirect=True)
def test_a_run_hears_a_cancel_also_after_that(place: House, left_alone: UUID) -> None:
    await_that(lambda: place.prefect.run(left_alone).state_name == "Running")
    place.prefect.cancel(left_alone)
    ended = await_that(lambda: run if (run := place.prefect.run(left_alone)).state.is_final() else None)
    assert ended.state_name == "Cancelled"
    row = await_that(lambda: last if (last := Ledger().runs()[-1]).state == "stopped" else None)
    assert row.detail["message"].startswith("Cancelled")
    assert not in_progress(run_path(row.run))
