"""An order becomes one job: bought, found or refused."""

import dataclasses
import threading
from pathlib import Path

import pytest

from tasks.errors import (
    BudgetError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from tasks.finetune.submit import SeveralJobsError, assert_single_job, conclude, intent_key, submit
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState
from tasks.run_folder import TamperedFileError

REFUSED = ProviderRefusedError("creating a job", "invalid_model", "no such model", "Check the name.")
BUSY = ProviderUnavailableError("creating a job", "HTTP 429", "Wait.", retry_after=300.0)
AWAY = ProviderUnavailableError("creating a job", "connection refused", "Wait.")


def only_intent(ledger: Ledger) -> Intent:
    (intent,) = ledger.intents()
    return intent


# ---------------------------------------------------------------- the plain way


def test_a_job_carries_the_order_and_its_intent(order, provider, ledger, clock) -> None:
    order = dataclasses.replace(
        order, fine_tune=order.fine_tune.model_copy(update={"n_epochs": 3, "suffix": "support"})
    )
    submission = submit(order, provider, ledger, clock)
    (request,) = provider.requests
    assert (request.base_model, request.n_epochs, request.suffix, request.seed) == ("base-1", 3, "support", 7)
    assert request.metadata == {
        "intent": intent_key(order, provider), "attempt": "1", "use_case": "support", "run": "run-1"
    }  # fmt: skip
    assert (submission.job_id, submission.attached) == ("job-1", False)


def test_files_are_uploaded_under_the_intents_name(order, provider, ledger, clock) -> None:
    key = submit(order, provider, ledger, clock).intent
    assert [name for name, _ in provider.files.values()] == [f"{key}.jsonl", f"{key}.validation.jsonl"]
    assert provider.files["file-1"][1] == Path(order.training.path).read_bytes()


def test_an_order_without_validation_uploads_one_file(order, provider, ledger, clock) -> None:
    submission = submit(dataclasses.replace(order, validation=None), provider, ledger, clock)
    assert len(provider.files) == 1 and submission.validation_file_id is None


def test_a_second_run_attaches_and_sends_nothing(order, provider, ledger, clock) -> None:
    first = submit(order, provider, ledger, clock)
    calls = provider.calls.copy()
    second = submit(dataclasses.replace(order, run="run-2"), provider, ledger, clock)
    assert second == first.model_copy(update={"attached": True})
    assert provider.calls == calls


def test_a_concluded_purchase_is_attached_to_as_well(order, provider, ledger, clock) -> None:
    first = submit(order, provider, ledger, clock)
    provider.set_job(first.job_id, state="succeeded", model="ft:base-1")
    assert conclude(first, provider.jobs[first.job_id], provider, ledger) == 1
    assert (only_intent(ledger).state, only_intent(ledger).model) == (IntentState.ENDED, "ft:base-1")
    assert submit(order, provider, ledger, clock).attached
    assert len(provider.requests) == 1


def test_a_training_file_that_changed_is_not_uploaded(order, provider, ledger, clock) -> None:
    Path(order.training.path).write_bytes(b"something else")
    with pytest.raises(TamperedFileError):
        submit(order, provider, ledger, clock)
    assert not provider.files


# ---------------------------------------------------------------- the provider's own quote


def test_the_quote_is_on_record_and_asked_about_after_the_upload_and_before_the_job(
    order, provider, ledger, clock
) -> None:
    provider.quoted = 12.5
    told: list[tuple[float | None, int, int]] = []
    submit(order, provider, ledger, clock, lambda quote: told.append((quote, len(provider.files), len(provider.jobs))))
    assert told == [(12.5, 2, 0)]
    assert only_intent(ledger).quote == 12.5


def test_a_quote_that_is_not_allowed_buys_nothing_and_can_be_allowed_later(order, provider, ledger, clock) -> None:
    def refuse(quote: float | None) -> None:
        raise BudgetError("This run", quote or 0, 10, "Raise it.")

    provider.quoted = 12.5
    with pytest.raises(BudgetError):
        submit(order, provider, ledger, clock, refuse)
    assert (len(provider.requests), only_intent(ledger).state) == (0, IntentState.UPLOADED)
    submit(order, provider, ledger, clock)
    assert (len(provider.requests), len(provider.files)) == (1, 2)


# ---------------------------------------------------------------- uploads that went away


def test_a_file_that_the_provider_lost_before_the_purchase_is_uploaded_again(order, provider, ledger, clock) -> None:
    provider.refuse["create_job"] = [REFUSED]
    with pytest.raises(ProviderRefusedError):
        submit(order, provider, ledger, clock)
    provider.files.pop("file-1")
    submit(order, provider, ledger, clock)
    assert provider.requests[-1].training_file in provider.files
    assert only_intent(ledger).training_file_id == provider.requests[-1].training_file


# ---------------------------------------------------------------- refusals and a busy provider


@pytest.mark.parametrize("answer", [REFUSED, CredentialsError("creating a job", "HTTP 401", "Check the key.")])
def test_a_definite_no_stops_at_once_and_can_be_resumed(order, provider, ledger, clock, answer: Exception) -> None:
    provider.refuse["create_job"] = [answer]
    with pytest.raises(type(answer)):
        submit(order, provider, ledger, clock)
    assert (provider.calls["create_job"], only_intent(ledger).state) == (1, IntentState.UPLOADED)
    assert submit(order, provider, ledger, clock).job_id == "job-1"
    assert len(provider.files) == 2


def test_a_busy_provider_is_not_asked_before_the_time_it_named(order, provider, ledger, clock) -> None:
    provider.refuse["create_job"] = [BUSY, BUSY]
    assert submit(order, provider, ledger, clock).job_id == "job-1"
    first, second, third = provider.times["create_job"]
    assert second - first > 300 and third - second > 300


def test_a_provider_out_of_reach_stops_the_purchase_where_it_can_go_on(order, provider, ledger, clock) -> None:
    provider.refuse["create_job"] = [AWAY] * 500
    with pytest.raises(ProviderUnavailableError):
        submit(order, provider, ledger, clock)
    assert clock.elapsed <= 121 and only_intent(ledger).state == IntentState.UPLOADED


# ---------------------------------------------------------------- jobs that are there already


def test_a_job_bought_from_a_ledger_that_was_lost_is_found_before_the_first_request(
    order, provider, ledger, clock, tmp_path: Path
) -> None:
    submit(order, provider, ledger, clock)
    fresh = Ledger(f"sqlite:///{tmp_path / 'fresh.db'}", clock)
    assert submit(order, provider, fresh, clock).attached
    assert len(provider.requests) == 1 and len(provider.files) == 2


def test_of_several_jobs_the_oldest_living_one_is_kept_and_the_others_are_cancelled(
    order, provider, ledger, clock
) -> None:
    key = intent_key(order, provider)
    for state in ("failed", "running", "queued", "running"):
        provider.add_job(key, state=state)
    submission = submit(order, provider, ledger, clock)
    assert submission.job_id == "job-2"
    assert [job.state for job in provider.jobs.values()] == ["failed", "running", "cancelled", "cancelled"]
    assert not provider.requests


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_that_came_to_nothing_is_not_bought_again_by_itself(order, provider, ledger, clock, state: str) -> None:
    provider.add_job(intent_key(order, provider), state=state)
    for _ in range(2):
        with pytest.raises(ProviderRefusedError, match=r"raise `fine_tune\.generation`"):
            submit(order, provider, ledger, clock)
    assert not provider.requests


def test_a_purchase_whose_job_failed_later_is_refused_in_the_providers_words(order, provider, ledger, clock) -> None:
    submission = submit(order, provider, ledger, clock)
    provider.set_job(submission.job_id, state="failed", error_code="bad_rows", error_message="Row 3 is bad.")
    conclude(submission, provider.jobs[submission.job_id], provider, ledger)
    with pytest.raises(ProviderRefusedError, match=r"bad_rows.*Row 3 is bad"):
        submit(order, provider, ledger, clock)


def test_two_paid_jobs_of_one_intent_are_an_error(order, provider, ledger, clock) -> None:
    submission = submit(order, provider, ledger, clock)
    provider.add_job(submission.intent)
    with pytest.raises(SeveralJobsError, match="job-1, job-2"):
        assert_single_job(submission, provider)


def test_a_cancelled_duplicate_does_not_count(order, provider, ledger, clock) -> None:
    submission = submit(order, provider, ledger, clock)
    provider.add_job(submission.intent, state="cancelled")
    assert assert_single_job(submission, provider) == 1


# ---------------------------------------------------------------- several at once


def test_a_run_that_comes_second_waits_and_attaches(order, provider, ledger, clock, url, caplog) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow_answer() -> None:
        asked.set()
        assert go_on.wait(20)

    provider.refuse["create_job"] = [slow_answer]
    found: list[bool] = []

    def run(ledger: Ledger) -> None:
        found.append(submit(order, provider, ledger, clock).attached)

    first = threading.Thread(target=run, args=(ledger,))
    first.start()
    assert asked.wait(20)
    second = threading.Thread(target=run, args=(Ledger(url, clock),))
    second.start()
    while "waiting to attach" not in caplog.text and second.is_alive():
        second.join(0.01)
    go_on.set()
    first.join(20), second.join(20)
    assert (found, len(provider.requests)) == ([False, True], 1)
