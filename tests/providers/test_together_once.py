"""One purchase at Together is one job, whatever happens to the answers; judged by the log of the other side."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_contracts.money import JobEvent, Submission, TrainingFile
from data_contracts.use_case import FineTune
from tasks.errors import ConfigurationError, CredentialsError, SubmissionParkedError
from tasks.finetune.submit import Order, intent_key, resolve, submit
from tasks.finetune.wait import WaitPolicy, await_servable, wait
from tasks.ledger import Ledger
from tasks.providers.together_records import mark_of
from tests.fake_clock import FakeClock
from tests.providers.together_account import BASE, Account, Fault
from tests.providers.together_server import together_account
from tests.providers.together_setup import ROWS, together

pytestmark = pytest.mark.slow  # `make test` has the wire's own, and the chaos sample

LOST = {
    "reset": Fault("jobs.create", "reset"),
    "hang": Fault("jobs.create", "hang"),
    "html 200": Fault("jobs.create", "html"),
    "cut JSON": Fault("jobs.create", "cut"),
    "500 after accept": Fault("jobs.create", "status", status=500),
    "503 after accept": Fault("jobs.create", "status", status=503),
    "wrong file": Fault("jobs.create", "fields", fields={"training_file": "file-of-somebody"}),
    "no id": Fault("jobs.create", "fields", fields={"id": None}),
}


class Desk:
    """A ledger, and processes that come and go: each submission has a provider of its own."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account, self.folder, self.clock = account, folder, FakeClock()
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", self.clock)
        (folder / "training.jsonl").write_bytes(ROWS)

    def order(self, **bought: Any) -> Order:
        sha256 = hashlib.sha256(ROWS).hexdigest()
        training = TrainingFile(str(self.folder / "training.jsonl"), sha256, examples=12, tokens=400)
        return Order("support", "run-1", training, None, FineTune(base_model=BASE, settle_s=600, **bought))

    def submit(self, **bought: Any) -> Submission:
        provider = together(self.account, self.clock, timeout_s=0.5)
        return submit(self.order(**bought), provider, self.ledger, self.clock)

    def key(self, **bought: Any) -> str:
        return intent_key(self.order(**bought), together(self.account))

    @property
    def purchases(self) -> int:
        return len(self.account.calls("jobs.create"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with together_account() as account:
        yield Desk(account, tmp_path)


def test_a_purchase_is_one_job_with_its_mark_and_is_attached_to_later(desk: Desk) -> None:
    bought = desk.submit()
    again = desk.submit()
    assert (bought.attached, again.attached) == (False, True)
    assert desk.purchases == 1
    assert desk.account.jobs[bought.job_id]["suffix"] == mark_of(desk.key())


def test_a_purchase_is_trained_and_comes_to_answer(desk: Desk) -> None:
    provider, events = together(desk.account, desk.clock), list[JobEvent]()
    desk.account.metrics = [{"train/global_step": 1, "train/loss": 2.5}]
    job = wait(desk.submit().job_id, provider, WaitPolicy(deadline_s=3600), desk.clock, events.append)
    assert job.model is not None
    assert await_servable(job.model, provider, desk.clock).state == "ready"
    assert [event.metrics for event in events if event.metrics] == [{"step": 1.0, "train_loss": 2.5}]


def test_a_value_that_together_does_not_know_stops_before_anything_is_bought(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="learning_rate_multiplier"):
        desk.submit(learning_rate_multiplier=2.0)
    assert desk.purchases == 0


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
@pytest.mark.parametrize("names_jobs", [True, False], ids=["found by mark", "found by file"])
def test_a_lost_answer_is_looked_for_and_never_asked_for_again(desk: Desk, fault: Fault, names_jobs: bool) -> None:
    desk.account.names_jobs = names_jobs
    desk.account.faults = [fault]
    submission = desk.submit()
    assert desk.purchases == len(desk.account.jobs) == 1
    assert submission.job_id == "ft-1"


def test_a_busy_answer_is_repeated_not_before_together_asked_for_it(desk: Desk) -> None:
    busy = {"Retry-After": "45"}
    desk.account.faults = [Fault("jobs.create", "status", accepted=False, status=429, headers=busy)]
    desk.submit()
    assert (desk.purchases, len(desk.account.jobs)) == (2, 1)
    assert desk.clock.elapsed >= 45


def test_a_lost_request_that_left_no_job_is_parked_until_somebody_says_so(desk: Desk) -> None:
    desk.account.faults = [Fault("jobs.create", "status", accepted=False, status=502)]
    with pytest.raises(SubmissionParkedError):
        desk.submit()
    with pytest.raises(SubmissionParkedError):
        desk.submit()
    assert desk.purchases == 1
    resolve(desk.key(), desk.ledger, together(desk.account, desk.clock), found=None)
    desk.submit()
    assert (desk.purchases, len(desk.account.jobs)) == (2, 1)


def test_missing_money_stops_at_once_and_goes_on_after_it_was_added(desk: Desk) -> None:
    desk.account.faults = [Fault("jobs.create", "status", accepted=False, status=402)]
    with pytest.raises(CredentialsError):
        desk.submit()
    assert desk.purchases == 1
    desk.submit()
    assert (desk.purchases, len(desk.account.jobs)) == (2, 1)


@pytest.mark.parametrize("call", ["files.announce", "files.put", "files.preprocess", "files.list", "jobs.list"])
@pytest.mark.parametrize("kind", ["reset", "html", "status"])
def test_trouble_before_the_purchase_ends_in_one_file_and_one_job(desk: Desk, call: str, kind: str) -> None:
    desk.account.faults = [Fault(call, kind, status=503)]
    submission = desk.submit()
    assert list(desk.account.files) == [submission.training_file_id]
    assert (desk.purchases, len(desk.account.jobs)) == (1, 1)


def test_a_ledger_that_was_lost_does_not_buy_again(desk: Desk, tmp_path: Path) -> None:
    first = desk.submit()
    desk.ledger = Ledger(f"sqlite:///{tmp_path / 'another.db'}", desk.clock)
    assert desk.submit().job_id == first.job_id
    assert desk.purchases == 1


def test_the_same_rows_with_other_values_are_another_purchase_though_together_keeps_one_file(desk: Desk) -> None:
    first, second = desk.submit(n_epochs=1), desk.submit(n_epochs=2)
    assert first.training_file_id == second.training_file_id
    assert first.job_id != second.job_id
    assert desk.purchases == 2
