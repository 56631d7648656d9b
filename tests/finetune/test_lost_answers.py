"""Whoever dies and whatever answer is lost: one intent buys one job, or asks a person."""

from dataclasses import replace

import pytest

from tasks.errors import (
    AmbiguousAnswerError,
    ConfigurationError,
    ProviderUnavailableError,
    SubmissionParkedError,
)
from tasks.finetune.submit import Order, SeveralJobsError, assert_single_job, intent_key, resolve, submit
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import LOST, ProcessKilled, ScriptedProvider

AWAY = ProviderUnavailableError("creating a job", "connection refused", "Wait.")


def only_intent(ledger: Ledger) -> Intent:
    (intent,) = ledger.intents()
    return intent


def park(order: Order, provider: ScriptedProvider, ledger: Ledger, clock: FakeClock) -> str:
    """A request that never arrived, and whose answer nobody saw."""
    provider.refuse["create_job"] = [LOST]
    with pytest.raises(SubmissionParkedError):
        submit(order, provider, ledger, clock)
    return intent_key(order, provider)


# ---------------------------------------------------------------- written before it is done


def test_the_intent_is_on_disk_before_anything_is_sent(order, provider, ledger, clock, url) -> None:
    provider.refuse["find_file"] = [lambda: states.append(only_intent(Ledger(url)).state)]
    states: list[str] = []
    submit(order, provider, ledger, clock)
    assert states == ["INTENT"]


def test_submitting_is_on_disk_before_the_request_leaves(order, provider, ledger, clock, url) -> None:
    provider.refuse["create_job"] = [lambda: states.append(only_intent(Ledger(url)).state)]
    states: list[str] = []
    submit(order, provider, ledger, clock)
    assert states == ["SUBMITTING"]


@pytest.mark.parametrize("call", ["find_file", "upload", "find_jobs", "create_job"])
def test_a_death_during_any_call_ends_in_one_job(order, provider, ledger, clock, url, call: str) -> None:
    def die() -> None:
        raise ProcessKilled

    provider.refuse[call] = [die]
    with pytest.raises(ProcessKilled):
        submit(order, provider, ledger, clock)
    again = Ledger(url, clock)
    if call == "create_job":  # it may have arrived, so a person is asked
        with pytest.raises(SubmissionParkedError):
            submit(order, provider, again, clock)
        resolve(intent_key(order, provider), again, provider, found=None)
    submit(order, provider, again, clock)
    assert len(provider.requests) == 1 and len(provider.files) == 2


@pytest.mark.parametrize("call", ["upload", "create_job"])
def test_a_death_right_after_a_call_ends_in_one_job(order, provider, ledger, clock, url, call: str) -> None:
    provider.accept_then[call] = [ProcessKilled()]
    with pytest.raises(ProcessKilled):
        submit(order, provider, ledger, clock)
    submit(order, provider, Ledger(url, clock), clock)
    assert len(provider.requests) == 1 and len(provider.files) == 2


# ---------------------------------------------------------------- lost answers


def test_a_job_whose_answer_was_lost_is_found_and_counts_as_bought_now(order, provider, ledger, clock) -> None:
    provider.accept_then["create_job"] = [LOST]
    submission = submit(order, provider, ledger, clock)
    assert (submission.job_id, submission.attached) == ("job-1", False)
    assert len(provider.requests) == 1
    assert submit(order, provider, ledger, clock).attached


def test_an_answer_that_names_a_job_which_is_not_there_counts_as_lost(order, provider, ledger, clock) -> None:
    provider.misnamed = "job-of-somebody-else"
    submission = submit(order, provider, ledger, clock)
    assert (submission.job_id, submission.attached) == ("job-1", False)
    assert only_intent(ledger).job_id == "job-1" and len(provider.requests) == 1


def test_a_job_that_is_listed_late_is_found_within_the_settling_time(order, provider, ledger, clock) -> None:
    provider.list_lag_s = 500
    provider.accept_then["create_job"] = [LOST]
    assert submit(order, provider, ledger, clock).job_id == "job-1"
    assert len(provider.requests) == 1


def test_no_job_within_the_settling_time_parks_the_purchase(order, provider, ledger, clock) -> None:
    provider.list_lag_s = 5000
    provider.accept_then["create_job"] = [LOST]
    with pytest.raises(SubmissionParkedError) as parked:
        submit(order, provider, ledger, clock)
    assert 590 <= clock.elapsed <= 610
    key = intent_key(order, provider)
    for part in (key, "file-1", "tunegate resume run-1 --found JOB", "--absent"):
        assert part in str(parked.value)


def test_a_parked_purchase_is_never_repeated_by_itself(order, provider, ledger, clock) -> None:
    park(order, provider, ledger, clock)
    with pytest.raises(SubmissionParkedError):
        submit(order, provider, ledger, clock)
    assert provider.calls["create_job"] == 1


def test_the_settling_time_counts_from_the_request(order, provider, ledger, clock) -> None:
    park(order, provider, ledger, clock)
    waited = clock.elapsed
    with pytest.raises(SubmissionParkedError):
        submit(order, provider, ledger, clock)
    assert clock.elapsed == waited, "a purchase that was parked long ago is looked up once"


def test_a_parked_job_that_shows_up_later_is_found_by_the_next_run(order, provider, ledger, clock) -> None:
    provider.list_lag_s = 5000
    provider.accept_then["create_job"] = [LOST]
    with pytest.raises(SubmissionParkedError):
        submit(order, provider, ledger, clock)
    clock.advance(5000)
    assert submit(order, provider, ledger, clock).job_id == "job-1"
    assert len(provider.requests) == 1


def test_a_provider_that_cannot_be_searched_leaves_the_purchase_open(order, provider, ledger, clock) -> None:
    provider.accept_then["create_job"] = [LOST]
    provider.refuse["find_jobs"] = [lambda: None, *[AWAY] * 500]
    with pytest.raises(ProviderUnavailableError):
        submit(order, provider, ledger, clock)
    assert only_intent(ledger).state == IntentState.SUBMITTING
    provider.refuse["find_jobs"] = []
    assert submit(order, provider, ledger, clock).job_id == "job-1"


def test_an_upload_whose_answer_was_lost_is_found(order, provider, ledger, clock) -> None:
    provider.accept_then["upload"] = [LOST]
    submit(order, provider, ledger, clock)
    assert len(provider.files) == 2


def test_an_upload_that_did_not_arrive_is_made_again(order, provider, ledger, clock) -> None:
    provider.refuse["upload"] = [LOST]
    submit(order, provider, ledger, clock)
    assert len(provider.files) == 2


def test_an_upload_that_never_gets_an_answer_stops_before_anything_is_paid(order, provider, ledger, clock) -> None:
    provider.refuse["upload"] = [LOST] * 500
    with pytest.raises(AmbiguousAnswerError):
        submit(order, provider, ledger, clock)
    assert only_intent(ledger).state == IntentState.INTENT and not provider.requests


# ---------------------------------------------------------------- what a person answers


def test_the_job_that_a_person_found_is_attached_to(order, provider, ledger, clock) -> None:
    key = park(order, provider, ledger, clock)
    job = provider.add_job(key)
    assert resolve(key, ledger, provider, found=job.id).state == IntentState.SUBMITTED
    assert submit(order, provider, ledger, clock).job_id == job.id
    assert not provider.requests


def test_a_found_job_without_metadata_is_recognised_by_its_file(order, provider, ledger, clock) -> None:
    key = park(order, provider, ledger, clock)
    job = provider.add_job("", training_file=str(only_intent(ledger).training_file_id))
    assert resolve(key, ledger, provider, found=job.id).job_id == job.id


def test_a_found_job_of_another_purchase_is_refused(order, provider, ledger, clock) -> None:
    key = park(order, provider, ledger, clock)
    job = provider.add_job("another intent", training_file="file-99")
    with pytest.raises(ConfigurationError, match="file-99"):
        resolve(key, ledger, provider, found=job.id)
    assert only_intent(ledger).state == IntentState.SUBMITTING


def test_a_purchase_said_to_be_absent_is_made_by_the_next_run(order, provider, ledger, clock) -> None:
    key = park(order, provider, ledger, clock)
    assert resolve(key, ledger, provider, found=None).state == IntentState.UPLOADED
    submission = submit(order, provider, ledger, clock)
    assert (submission.attached, len(provider.requests)) == (False, 1)
    assert provider.requests[0].metadata["attempt"] == "2"


def test_a_job_said_to_be_absent_that_is_there_after_all_is_kept(order, provider, ledger, clock) -> None:
    key = park(order, provider, ledger, clock)
    provider.add_job(key)
    assert resolve(key, ledger, provider, found=None).job_id == "job-1"
    submit(order, provider, ledger, clock)
    assert not provider.requests


def test_only_a_parked_purchase_takes_an_answer(order, provider, ledger, clock) -> None:
    key = submit(order, provider, ledger, clock).intent
    for unparked in (key, "f" * 64):
        with pytest.raises(ConfigurationError, match="is not parked"):
            resolve(unparked, ledger, provider, found=None)


# ---------------------------------------------------------------- buying again, where the use case says so


@pytest.fixture
def eager(order: Order) -> Order:
    return replace(order, fine_tune=order.fine_tune.model_copy(update={"when_unknown": "resubmit"}))


def test_resubmitting_buys_once_more_on_new_files_after_the_settling_time(eager, provider, ledger, clock) -> None:
    provider.refuse["create_job"] = [LOST]
    assert submit(eager, provider, ledger, clock).job_id == "job-1"
    assert clock.elapsed >= 590
    assert provider.requests[0].training_file == "file-3" and sorted(provider.files) == ["file-3", "file-4"]


def test_a_job_found_within_the_settling_time_is_not_bought_again(eager, provider, ledger, clock) -> None:
    provider.list_lag_s = 500
    provider.accept_then["create_job"] = [LOST]
    submit(eager, provider, ledger, clock)
    assert len(provider.requests) == 1


def test_an_outage_while_its_job_is_looked_for_says_so(order, provider, ledger, clock) -> None:
    provider.refuse["create_job"] = [LOST]
    provider.refuse["find_jobs"] = [lambda: None, *[AWAY] * 5000]
    with pytest.raises(ProviderUnavailableError, match="connection refused"):
        submit(order, provider, ledger, clock)
    assert only_intent(ledger).state == IntentState.SUBMITTING and provider.calls["create_job"] == 1


def test_resubmitting_has_an_end(eager, provider, ledger, clock) -> None:
    provider.refuse["create_job"] = [LOST] * 9
    with pytest.raises(SubmissionParkedError):
        submit(eager, provider, ledger, clock)
    assert provider.calls["create_job"] == 3


def test_a_late_twin_is_cancelled_and_told(eager, provider, ledger, clock) -> None:
    provider.list_lag_s = 700
    provider.accept_then["create_job"] = [LOST]
    bought = submit(eager, provider, ledger, clock)
    clock.advance(1000)
    with pytest.raises(SeveralJobsError, match="job-1, job-2"):
        assert_single_job(bought, provider)
    assert [job.state for job in provider.jobs.values() if job.id != bought.job_id] == ["cancelled"]
