"""A worker and its run die at once: the slot becomes free, and the run goes on with the job that was bought."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.events.schemas.automations import AutomationCore

from data_contracts.load import read_yaml
from flows.housekeeping import AUTOMATIONS, create_automations
from tasks.ledger import Ledger
from tests.embedded import RunningServer, embedded_server
from tests.flows.worker import Prefect, at_prefect, await_that, deployed, kill, worker
from tests.prefect_server import prefect_server

SLOW_JOB = {"latency": {"scale": 0}, "job_seconds": {"validating_files": 0.1, "queued": 0.1, "running": 600}}
WITHIN_S = 40  # instead of 90; a heartbeat comes every 30


@dataclass
class Place:
    """A working folder with the use case `small_one` and a person at Prefect."""

    folder: Path
    api: str
    prefect: Prefect

    @contextmanager
    def provider(self, **settings: Any) -> Iterator[RunningServer]:
        """The provider, whose state outlives it."""
        with (
            embedded_server(self.folder / "server", settings=settings) as server,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
            yield server

    def die(self) -> UUID:
        """A run that dies with its worker while its job trains, after its first heartbeat."""
        with self.provider(**SLOW_JOB) as server, worker(self.folder, self.api) as served:
            flow_run = self.prefect.start("small_one")
            await_that(lambda: server.log("jobs.retrieve"))
            self.await_heartbeat(flow_run)
            kill(served)
        state = self.prefect.run(flow_run).state
        assert state is not None
        assert state.name == "Running"
        return flow_run

    def await_heartbeat(self, flow_run: UUID) -> None:
        run = {"id": [f"prefect.flow-run.{flow_run}"]}
        asked = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": run}}
        await_that(lambda: self.prefect.client.request("POST", "/events/filter", json=asked).json()["events"])

    def the_next_run_finishes_on_the_same_job(self, server: RunningServer) -> None:
        self.prefect.await_state(self.prefect.start("small_one"), "Completed")
        assert len(server.log("jobs.create")) == 1
        [intent] = Ledger().intents("small_one")
        assert intent.model is not None


@pytest.fixture
def place(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    deployed(tmp_path, "small_one")
    with at_prefect(prefect_api) as prefect:
        yield Place(tmp_path, prefect_api, prefect)


@pytest.mark.slow
def test_the_next_worker_ends_what_the_last_one_left_running_and_it_goes_on_with_its_job(place: Place) -> None:
    dead = place.die()
    with place.provider() as server, worker(place.folder, place.api):
        finished = place.prefect.await_end(dead)
        place.the_next_run_finishes_on_the_same_job(server)
    assert finished.run_count == 2
    assert any("Its process is gone" in message for message in place.prefect.messages(dead))


@pytest.mark.slow
def test_where_no_worker_comes_back_its_slot_is_free_and_the_run_waits_to_go_on(place: Place) -> None:
    shipped = next(plain for plain in read_yaml(AUTOMATIONS)["automations"] if "zombies" in plain["name"])
    hurried = {**shipped, "name": "hurried", "trigger": {**shipped["trigger"], "within": WITHIN_S}}
    place.prefect.client.create_automation(AutomationCore.model_validate(hurried))
    create_automations(place.prefect.client)
    dead = place.die()
    await_that(lambda: place.prefect.run(dead).state_name in ("AwaitingRetry", "Late"))  # from Crashed on
    assert any("No heartbeat" in message for message in place.prefect.messages(dead))
    with place.provider() as server, worker(place.folder, place.api):
        place.the_next_run_finishes_on_the_same_job(server)
        assert place.prefect.await_end(dead).run_count == 2


@pytest.mark.slow
def test_of_many_trials_that_start_at_once_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    deployed(tmp_path, "small_one")
    quick = {"PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2"}
    with prefect_server(tmp_path / "prefect", **quick) as api, at_prefect(api) as prefect:
        place = Place(tmp_path, api, prefect)
        with place.provider() as server, worker(tmp_path, api):
            runs = [prefect.start("small_one") for _ in range(3)]
            ended = [prefect.await_end(run) for run in runs]
    assert len(server.log("jobs.create")) == 1, "the same purchase"
    times = sorted((run.start_time, run.end_time) for run in ended if run.start_time and run.end_time)
    assert len(times) == len(runs)
    assert all(end <= start for (_, end), (start, _) in pairwise(times)), "one at a time"
