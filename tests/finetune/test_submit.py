"""One intent buys one job: whatever is lost, whoever dies, and however often it is asked for."""

import dataclasses
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from data_contracts.records import TrainingFile
from data_contracts.use_case import FineTune
from tasks.errors import (
    AmbiguousAnswerError,
    ConfigurationError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    SubmissionParkedError,
)
from tasks.finetune.submit import Order, SeveralJobsError, assert_single_job, conclude, intent_key, resolve, submit
from tasks.ledger import Ledger
from tasks.ledger_tables import Intent, IntentState
from tasks.run_folder import TamperedFileError
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import LOST, ProcessKilled, ScriptedProvider

REFUSED = ProviderRefusedError("creating a job", "invalid_model", "no such model", "Check the name.")
BUSY = ProviderUnavailableError("creating a job", "HTTP 429", "Wait.", retry_after=300.0)
AWAY = ProviderUnavailableError("creating a job", "connection refused", "Wait.")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider(clock: FakeClock) -> ScriptedProvider:
    return ScriptedProvider(clock)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(url: str, clock: FakeClock) -> Ledger:
    return Ledger(url, clock)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order("support", "run-1", training_file(tmp_path, "training"), training_file(tmp_path, "validation"), TUNE)


TUNE = FineTune(base_model="base-1", settle_s=600)


def training_file(folder: Path, name: str) -> TrainingFile:
    content = f'{{"messages": "{name}"}}\n'.encode()
    (folder / f"{name}.jsonl").write_bytes(content)
    return TrainingFile(str(folder / f"{name}.jsonl"), hashlib.sha256(content).hexdigest(), examples=12, tokens=9)


def only_intent(ledger: Ledger) -> Intent:
    (intent,) = ledger.intents()
    return intent


def park(order: Order, provider: ScriptedProvider, ledger: Ledger, clock: FakeClock) -> str:
    """A request that never arrived, and whose answer nobody saw."""
    provider.refuse["create_job"] = [LOST]
    with pytest.raises(SubmissionParkedError):
        submit(order, provider, ledger, clock)
    return intent_key(order, provider)


# ---------------------------------------------------------------- the plain way


def test_a_job_carries_the_order_and_its_intent(order, provider, ledger, clock) -> None:
    order = dataclasses.replace(order, fine_tune=TUNE.model_copy(update={"n_epochs": 3, "suffix": "support"}))
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


# ---------------------------------------------------------------- what counts as the same purchase


@pytest.mark.parametrize(
    "other",
    [
        lambda order: dataclasses.replace(order, use_case="billing"),
        lambda order: dataclasses.replace(order, training=dataclasses.replace(order.training, sha256="0" * 64)),
        lambda order: dataclasses.replace(order, validation=None),
        *(
            lambda order, change=change: dataclasses.replace(order, fine_tune=TUNE.model_copy(update=change))
            for change in (
                {"base_model": "base-2"},
                {"n_epochs": 3},
                {"batch_size": 4},
                {"learning_rate_multiplier": 0.5},
                {"seed": 8},
                {"generation": 2},
            )
        ),
    ],
)
def test_another_order_is_another_purchase(order, provider, other: Callable[[Order], Order]) -> None:
    assert intent_key(other(order), provider) != intent_key(order, provider)


@pytest.mark.parametrize("attribute", ["name", "base_url", "account"])
def test_another_provider_or_account_is_another_purchase(order, provider, clock, attribute: str) -> None:
    other = ScriptedProvider(clock)
    setattr(other, attribute, "another")
    assert intent_key(order, other) != intent_key(order, provider)


@pytest.mark.parametrize(
    "change", [{"suffix": "other"}, {"deadline_hours": 1.0}, {"settle_s": 1.0}, {"enabled": False}]
)
def test_what_does_not_change_the_job_is_the_same_purchase(order, provider, change: dict[str, object]) -> None:
    same = dataclasses.replace(order, run="run-9", fine_tune=TUNE.model_copy(update=change))
    assert intent_key(same, provider) == intent_key(order, provider)


def test_raising_the_generation_buys_once_more(order, provider, ledger, clock) -> None:
    submit(order, provider, ledger, clock)
    again = dataclasses.replace(order, fine_tune=TUNE.model_copy(update={"generation": 2}))
    assert not submit(again, provider, ledger, clock).attached
    assert len(provider.requests) == 2


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


def test_a_job_whose_answer_was_lost_is_found(order, provider, ledger, clock) -> None:
    provider.accept_then["create_job"] = [LOST]
    submission = submit(order, provider, ledger, clock)
    assert (submission.job_id, submission.attached) == ("job-1", True)
    assert len(provider.requests) == 1


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
