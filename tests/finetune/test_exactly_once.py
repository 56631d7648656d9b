"""Against a real provider on a real socket, judged by the provider's own log: one intent, one job."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pandas as pd
import pytest

from data_contracts.money import JobEvent, Submission
from data_contracts.provider import ProviderSettings
from data_contracts.records import LeakageReport, LeakFreePartitions, Partitions
from data_contracts.use_case import FineTune
from tasks.clock import SystemClock
from tasks.errors import ProviderRefusedError, ProviderUnavailableError, SubmissionParkedError
from tasks.finetune import training_file
from tasks.finetune.submit import Order, assert_single_job, conclude, intent_key, resolve, submit
from tasks.finetune.wait import WaitPolicy, await_servable, wait
from tasks.ledger import Ledger
from tasks.providers.embedded import URL_VARIABLE, Embedded
from tests.embedded import REPOSITORY, RunningServer, embedded_server
from tests.fake_clock import FakeClock

LOST = {"kind": "reset", "accepted": True}
EMPTY_PAGE = '{"object": "list", "data": [], "has_more": false}'
NEVER_LISTED = {"kind": "replace", "body": EMPTY_PAGE, "content_type": "application/json"}
LABELS = ("refund", "card", "transfer")


class Desk:
    """One provider and one ledger, as the processes of one host see them."""

    def __init__(self, folder: Path, server: RunningServer | None, settle_s: float) -> None:
        self.folder, self.server = folder, server
        self.ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        self.fine_tune = FineTune(base_model="local-base-small", settle_s=settle_s)

    @property
    def order(self) -> Order:
        ids = [f"row-{number}" for number in range(30)]
        frames = [pd.DataFrame({"id": rows}) for rows in (ids, [], [], [])]
        report = LeakageReport(train_rows=30, validation_rows=0, test_rows=0, found={}, withheld=0)
        clean = LeakFreePartitions(Partitions(*frames), report, [])
        records = (record(number) for number in range(30))
        training = training_file.build(clean, "train", records, self.folder / "run" / "training.jsonl")
        return Order("support", "run-1", training, None, self.fine_tune)

    @property
    def provider(self) -> Embedded:
        return Embedded(ProviderSettings(), self.folder / "provider")

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.ledger_url)

    @property
    def requests(self) -> int:
        assert self.server is not None
        return len(self.server.log("jobs.create"))

    def submit(self) -> Submission:
        return submit(self.order, self.provider, self.ledger, SystemClock())

    def jobs(self) -> int:
        return len(self.provider.find_jobs(intent_key(self.order, self.provider), ""))

    def wait(self, submission: Submission) -> tuple[str, list[JobEvent]]:
        events: list[JobEvent] = []
        job = wait(submission.job_id, self.provider, WaitPolicy(deadline_s=300), SystemClock(), events.append)
        assert job.model is not None
        await_servable(job.model, self.provider, SystemClock(), deadline_s=120)
        assert conclude(submission, job, self.provider, self.ledger) == 1
        return job.model, events

    def start_submitters(self, count: int) -> list[subprocess.Popen[bytes]]:
        """The same in processes of their own, which begin together once all of them have loaded."""
        program = f"""
from pathlib import Path
from tests.finetune.test_exactly_once import Desk
desk = Desk(Path({str(self.folder)!r}), server=None, settle_s=600)
desk.provider  # loads the client
print("ready", flush=True)
input()
print(desk.submit().model_dump_json())
"""
        command = [sys.executable, "-c", program]
        started = [subprocess.Popen(command, cwd=REPOSITORY, stdin=PIPE, stdout=PIPE) for _ in range(count)]
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        return started


def record(number: int) -> dict[str, Any]:
    label = LABELS[number % 3]
    user = {"role": "user", "content": f"Question {number} about my {label}"}
    return {"messages": [user, {"role": "assistant", "content": label}]}


@contextmanager
def desk(folder: Path, *faults: dict[str, Any], settle_s: float = 600) -> Iterator[Desk]:
    with embedded_server(folder / "provider", faults=list(faults)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(URL_VARIABLE, server.url)
        yield Desk(folder, server, settle_s)


def test_a_job_is_bought_trained_and_served(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        submission = one.submit()
        model, events = one.wait(submission)
        assert model.startswith("ft:local-base-small")
        assert any("train_loss" in event.metrics for event in events)
        assert len({event.id for event in events}) == len(events)
        assert one.submit() == submission.model_copy(update={"attached": True})
        assert one.requests == 1


@pytest.mark.parametrize(
    "fault",
    [
        LOST,
        {"kind": "status", "status": 503, "accepted": True},
        {"kind": "status", "status": 429, "headers": {"retry-after": "1"}},
        {"kind": "truncate", "keep": 0.5},
        {"kind": "replace"},
        {"kind": "replace", "body": "null", "content_type": "application/json"},
        {"kind": "fields", "set": {"training_file": "file-of-somebody-else"}},
    ],
    ids=lambda fault: "-".join(str(fault.get(part, "")) for part in ("kind", "status", "body")),
)
def test_a_fault_of_the_paid_call_ends_in_one_job(tmp_path: Path, fault: dict[str, Any]) -> None:
    with desk(tmp_path, {"call": "jobs.create", "happens": fault}) as one:
        submission = one.submit()
        assert one.jobs() == assert_single_job(submission, one.provider) == 1


def test_a_lost_answer_to_an_upload_leaves_one_file(tmp_path: Path) -> None:
    with desk(tmp_path, {"call": "files.create", "happens": LOST}) as one:
        one.submit()
        assert (len(one.server.log("files.create")), one.requests) == (1, 1)


def test_a_process_killed_between_the_request_and_its_answer_leaves_one_job(tmp_path: Path) -> None:
    with desk(tmp_path, {"call": "jobs.create", "happens": {"kind": "hang", "accepted": True}}) as one:
        (process,) = one.start_submitters(1)
        deadline = time.monotonic() + 60
        while not one.jobs() and process.poll() is None and time.monotonic() < deadline:
            process.poll()
        assert one.jobs() == 1
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert one.ledger.intents()[0].state == "SUBMITTING"
        assert one.submit().attached
        assert (one.jobs(), one.requests) == (1, 1)


def test_two_processes_that_want_the_same_buy_it_once(tmp_path: Path) -> None:
    with desk(tmp_path, {"call": "jobs.create", "happens": {"kind": "delay", "seconds": 0.5}}) as one:
        processes = one.start_submitters(2)
        found = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
        assert sorted(submission["attached"] for submission in found) == [False, True]
        assert len({submission["job_id"] for submission in found}) == 1
        assert (one.jobs(), one.requests) == (1, 1)


def test_a_provider_that_dies_with_the_request_is_asked_after_its_return(tmp_path: Path) -> None:
    exits = {"call": "jobs.create", "happens": {"kind": "exit", "accepted": True}}
    with desk(tmp_path, exits) as one:
        clock = FakeClock()
        away = Embedded(ProviderSettings(), tmp_path / "provider", clock)
        with pytest.raises(ProviderUnavailableError):
            submit(one.order, away, Ledger(one.ledger_url, clock), clock)
    with desk(tmp_path, exits) as one:
        assert one.submit().attached
        assert (one.jobs(), one.requests) == (1, 1)


def test_a_job_that_is_never_listed_parks_the_purchase_until_a_person_names_it(tmp_path: Path) -> None:
    unlisted = {"call": "jobs.list", "times": None, "happens": NEVER_LISTED}
    with desk(tmp_path, {"call": "jobs.create", "happens": LOST}, unlisted, settle_s=1) as one:
        for _ in range(2):
            with pytest.raises(SubmissionParkedError):
                one.submit()
        assert one.requests == 1
        job_id = next((tmp_path / "provider" / "jobs").glob("ftjob-*")).stem
        resolve(intent_key(one.order, one.provider), one.ledger, one.provider, found=job_id)
        submission = one.submit()
        assert (submission.job_id, one.requests) == (job_id, 1)


def test_a_job_that_fails_is_not_bought_again(tmp_path: Path) -> None:
    fails = {"kind": "job", "ends": "failed", "error": {"code": "server_error", "message": "The trainer broke."}}
    with desk(tmp_path, {"call": "jobs.create", "happens": fails}) as one:
        for _ in range(2):
            with pytest.raises(ProviderRefusedError, match="The trainer broke"):
                one.wait(one.submit())
        assert one.requests == 1
