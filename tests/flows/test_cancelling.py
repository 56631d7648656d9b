"""A run is cancelled, in Prefect or by a signal: its job goes on or not, as the use case says, and it is said which."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState, RunRecord
from tests.embedded import RunningServer, embedded_server
from tests.flows.worker import Prefect, at_prefect, await_that, deployed, worker
from tests.small_use_case import USE_CASE

SLOW_JOB = {"latency": {"scale": 0}, "job_seconds": {"validating_files": 0.1, "queued": 0.1, "running": 600}}
POLICY_MET_S = 30


@dataclass
class Place:
    """A working folder with two use cases, `keeps` and `cancels`, their deployments served, and a slow provider."""

    folder: Path
    provider: RunningServer
    prefect: Prefect

    def run_of(self, use_case: str) -> RunRecord:
        return next(row for row in reversed(Ledger().runs()) if row.use_case == use_case)

    def start_and_cancel(self, use_case: str) -> tuple[str, dict[str, Any]]:
        """Cancel a run while it waits for its job: the job, and what the ledger is told within the time promised."""
        flow_run = self.prefect.start(use_case)
        job = self.await_job(use_case)
        asked = time.monotonic()
        self.prefect.cancel(flow_run)
        told = await_that(lambda: _stopped(self.run_of(use_case)))
        assert time.monotonic() - asked < POLICY_MET_S
        self.prefect.await_state(flow_run, "Cancelled")
        return job, told

    def await_job(self, use_case: str) -> str:
        """The id of the use case's job, once somebody waits for it."""
        job = await_that(lambda: next((item.job_id for item in Ledger().intents(use_case) if item.job_id), None))
        await_that(lambda: any(job in line["path"] for line in self.provider.log("jobs.retrieve")))
        return job


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cancelling")
    with embedded_server(folder / "server", settings=SLOW_JOB) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        for name, policy in {"keeps": "keep", "cancels": "cancel"}.items():
            deployed(folder, name, fine_tune={**USE_CASE["fine_tune"], "on_cancel": policy})
        with at_prefect(prefect_api) as prefect:
            yield Place(folder, server, prefect)


@pytest.mark.slow
def test_cancelled_in_prefect_the_job_goes_on_or_is_cancelled_as_the_use_case_says(
    place: Place, prefect_api: str
) -> None:
    with worker(place.folder, prefect_api):
        kept, told = place.start_and_cancel("keeps")
        assert f"job {kept} goes on at the provider" in told["message"]
        assert f"tunegate resume {place.run_of('keeps').run}" in told["message"]
        assert told["exit_code"] == 75
        assert place.provider.log("jobs.cancel") == []
        cancelled, told = place.start_and_cancel("cancels")
        assert f"Cancelled, and job {cancelled} with it" in told["message"]
        assert told["exit_code"] == 5
    assert [cancelled in line["path"] for line in place.provider.log("jobs.cancel")] == [True]
    [intent] = Ledger().intents("cancels")
    assert (intent.state, intent.job_state) == (IntentState.ENDED, "cancelled")


def _stopped(row: RunRecord) -> dict[str, Any] | None:
    return row.detail if row.state == "stopped" else None
