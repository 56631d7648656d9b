"""What is deleted at the provider is looked for afterwards, and only a thing that is gone counts as deleted."""

from dataclasses import replace

import pytest

from tasks.errors import ConfigurationError, ProviderRefusedError, ProviderUnavailableError, SubmissionParkedError
from tasks.finetune.cleanup import CleanUp
from tasks.finetune.submit import Order, conclude, intent_key, submit
from tasks.ledger import Ledger
from tasks.ledger.rows import Deletion, Intent, IntentState
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import LOST, ScriptedProvider


@pytest.fixture
def bought(order: Order, provider: ScriptedProvider, ledger: Ledger, clock: FakeClock) -> Intent:
    """A job that has succeeded, and whose model is served."""
    submission = submit(order, provider, ledger, clock)
    provider.set_job(submission.job_id, state="succeeded", model="ft:base-1")
    provider.served.append("ft:base-1")
    conclude(submission, provider.jobs[submission.job_id], provider, ledger)
    (intent,) = ledger.intents()
    return intent


@pytest.fixture
def clean_up(provider: ScriptedProvider, ledger: Ledger, clock: FakeClock) -> CleanUp:
    return CleanUp(provider, ledger, clock)


def shown(deletions: list[Deletion]) -> list[tuple[str, str, bool]]:
    return [(item.kind, item.id, item.proven) for item in deletions]


def test_the_files_of_a_job_that_has_ended_are_deleted_and_proven_gone(clean_up, bought, provider, ledger) -> None:
    assert shown(clean_up.files(bought)) == [("file", "file-1", True), ("file", "file-2", True)]
    assert not provider.files and provider.served == ["base-1", "ft:base-1"]
    assert shown(ledger.deletions(bought.key)) == [("file", "file-1", True), ("file", "file-2", True)]


def test_a_file_that_another_purchase_needs_stays(clean_up, bought, provider, ledger) -> None:
    ledger.open_intent("b" * 64, "other", "run-2", {})
    ledger.advance("b" * 64, IntentState.UPLOADED, training_file_id="file-1", validation_file_id=None)
    assert shown(clean_up.files(bought)) == [("file", "file-2", True)]
    assert list(provider.files) == ["file-1"]


def test_a_file_that_is_still_there_is_not_proven_and_tried_again(clean_up, bought, provider, clock) -> None:
    provider.undeletable.add("file-1")
    assert shown(clean_up.files(bought)) == [("file", "file-1", False), ("file", "file-2", True)]
    assert 50 <= clock.elapsed <= 61
    provider.undeletable.clear()
    assert shown(clean_up.files(bought)) == [("file", "file-1", True)]


def test_what_is_proven_gone_is_not_asked_for_again(clean_up, bought, provider) -> None:
    clean_up.files(bought)
    before = provider.calls.copy()
    assert clean_up.files(bought) == []
    assert provider.calls == before


def kinds(ledger: Ledger, bought: Intent) -> list[tuple[str, bool]]:
    return sorted((item.kind, item.proven) for item in ledger.deletions(bought.key))


def test_everything_is_the_model_and_the_files(clean_up, bought, provider, ledger) -> None:
    assert clean_up.everything(bought) == "ft:base-1"
    assert kinds(ledger, bought) == [("file", True), ("file", True), ("model", True)]
    assert provider.served == ["base-1"] and not clean_up.undeletable(bought, "ft:base-1")


def test_a_deployment_is_taken_down_before_its_model_is_deleted(clean_up, bought, provider, ledger) -> None:
    provider.capabilities = replace(provider.capabilities, deploys=True)
    provider.refuse["withdraw"] = [lambda: provider.served.index("ft:base-1")]
    clean_up.everything(bought)
    assert ("deployment", False) in kinds(ledger, bought) and provider.served == ["base-1"]


def test_a_model_that_only_a_person_can_delete_stays_and_its_deployment_goes(
    clean_up, bought, provider, ledger
) -> None:
    provider.capabilities = replace(provider.capabilities, deploys=True, deletes_models=False)
    model = clean_up.everything(bought)
    assert provider.calls["withdraw"] == 1 and "ft:base-1" in provider.served
    assert kinds(ledger, bought) == [("deployment", False), ("file", True), ("file", True)]
    assert clean_up.undeletable(bought, model) == [("model", "ft:base-1")]


def test_while_the_provider_is_still_cancelling_nothing_is_deleted(order, provider, ledger, clock, clean_up) -> None:
    submit(order, provider, ledger, clock)
    (intent,) = ledger.intents()
    provider.cancel = lambda job_id: provider.jobs[job_id]
    with pytest.raises(ProviderUnavailableError, match=r"cancelling is under way.*Purge again"):
        clean_up.everything(intent)
    assert len(provider.files) == 2


def test_a_job_that_still_runs_is_cancelled_before_its_files_go(order, provider, ledger, clock, clean_up) -> None:
    submit(order, provider, ledger, clock)
    (intent,) = ledger.intents()
    clean_up.everything(intent)
    assert provider.jobs["job-1"].state == "cancelled" and not provider.files


def test_a_parked_purchase_is_settled_first(order, provider, ledger, clock, clean_up) -> None:
    provider.refuse["create_job"] = [LOST]
    with pytest.raises(SubmissionParkedError):
        submit(order, provider, ledger, clock)
    (intent,) = ledger.intents()
    with pytest.raises(ConfigurationError, match="--found JOB"):
        clean_up.everything(intent)
    assert len(provider.files) == 2


def test_a_purged_purchase_is_not_attached_to_again(clean_up, bought, order, provider, ledger, clock) -> None:
    clean_up.everything(bought)
    with pytest.raises(ProviderRefusedError, match=r"purged.*raise `fine_tune\.generation`"):
        submit(order, provider, ledger, clock)
    assert bought.key == intent_key(order, provider)
