"""Together's models, jobs and prices, against its API on a real socket: what each answer and each failure means."""

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from data_contracts.provider import ProviderSettings
from tasks.errors import (
    ConfigurationError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers.together import BASE_URL, Together, connect_together
from tests.fake_clock import FakeClock
from tests.providers.together_account import BASE, Account, Fault
from tests.providers.together_server import KEY, together_account
from tests.providers.together_setup import INTENT, NAME, OTHER_INTENT, ROWS, order, together, trained


@pytest.fixture
def account() -> Iterator[Account]:
    with together_account() as found:
        yield found


@pytest.fixture
def provider(account: Account) -> Together:
    return together(account)


@pytest.fixture
def file(provider: Together) -> str:
    return provider.upload(NAME, ROWS)


def connected(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    return connect_together(ProviderSettings(name="together", **settings))


def test_the_address_is_together_s_own_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", "https://elsewhere.example.com")
    provider = connected(monkeypatch)
    assert provider.base_url == BASE_URL
    assert str(provider._library.base_url).rstrip("/") == BASE_URL.removesuffix("/v1")
    assert provider.answer_endpoint().url == f"{BASE_URL}/chat/completions"


@pytest.mark.parametrize("address", ["https://gateway.example.com", "https://gateway.example.com/v1"])
def test_an_address_may_end_in_v1_or_not(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert connected(monkeypatch, base_url=address).base_url == "https://gateway.example.com/v1"


def test_an_unencrypted_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        connected(monkeypatch, base_url="http://gateway.example.com/v1")


def test_without_its_library_the_command_to_install_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "together", None)
    with pytest.raises(ConfigurationError, match=r'pip install "tunegate\[together\]"'):
        connected(monkeypatch)


def test_without_a_key_nothing_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    with pytest.raises(CredentialsError, match="TOGETHER_API_KEY is not set"):
        connect_together(ProviderSettings(name="together"))


def test_models_are_those_on_offer_over_all_pages_and_the_account_s_own(provider: Together) -> None:
    model = trained(provider)
    found = {info.id: info for info in provider.models()}
    assert found[BASE].tunable is True
    assert found["openai/gpt-oss-20b"].tunable is False
    assert found[model].owned_by == "this account"


def test_a_base_model_with_limits_may_be_tuned(provider: Together) -> None:
    assert provider.training_access(BASE).open is True
    refused = provider.training_access("nobody/nothing")
    assert refused.open is False
    assert "not available for fine-tuning" in refused.reason


def test_a_quote_is_together_s_own_estimate(provider: Together, file: str) -> None:
    assert provider.quote(order(file)) == 1.25


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (
            {"estimation_available": True, "estimated_total_price": 9.0, "allowed_to_proceed": False},
            CredentialsError,
            "credit",
        ),
        ({"estimation_available": False, "unavailable_reason": "train_file_invalid"}, ProviderRefusedError, "unfit"),
        (
            {"estimation_available": False, "unavailable_reason": "eval_file_not_validated"},
            ProviderUnavailableError,
            "Wait",
        ),
        ({"estimation_available": "yes"}, ProviderUnavailableError, "unreadable"),
    ],
)
def test_a_job_that_could_not_start_is_told_before_it_is_bought(
    account: Account, provider: Together, answer: dict[str, Any], error: type[TunegateError], says: str
) -> None:
    account.price = answer
    with pytest.raises(error, match=says):
        provider.quote(order())


def test_a_price_that_together_cannot_tell_is_unknown(account: Account, provider: Together) -> None:
    account.price = {"estimation_available": False, "unavailable_reason": "multimodal_dataset"}
    assert provider.quote(order()) is None


def test_a_job_goes_through_together_s_states_in_our_words(account: Account, file: str) -> None:
    provider = together(account, clock := FakeClock())
    job = provider.create_job(order(file))
    seen = [job, *(provider.job(job.id) for _ in range(5))]
    assert [(job.raw_state, job.state) for job in seen] == [
        ("pending", "queued"),
        ("queued", "queued"),
        ("running", "running"),
        ("compressing", "running"),
        ("uploading", "running"),
        ("completed", "succeeded"),
    ]
    assert seen[2].estimated_finish == clock.now() + 90
    assert [job.model is None for job in seen] == [True] * 5 + [False]


def test_a_finished_job_says_its_cost_and_its_tokens(provider: Together) -> None:
    model = trained(provider)
    job = provider.job("ft-1")
    assert job.cost == pytest.approx(1.23)
    assert (job.trained_tokens, job.model) == (4200, model)


def test_what_is_not_counted_yet_is_unknown_and_not_nought(provider: Together, file: str) -> None:
    job = provider.create_job(order(file))
    assert (job.cost, job.trained_tokens) == (None, None)


@pytest.mark.parametrize(
    ("status", "state"),
    [("user_error", "failed"), ("cancel_requested", "running"), ("pondering", "unknown"), (None, "unknown")],
)
def test_a_state_that_nobody_knows_is_no_end(
    account: Account, provider: Together, file: str, status: str, state: str
) -> None:
    job = provider.create_job(order(file))
    account.jobs[job.id]["status"] = status
    assert provider.job(job.id).state == state


def test_a_failed_job_says_why_in_the_words_of_its_events(account: Account, provider: Together, file: str) -> None:
    job = provider.create_job(order(file))
    said = [{"type": "JOB_START", "message": "started"}, {"type": "JOB_ERROR", "message": "out of memory"}]
    account.jobs[job.id] |= {"status": "error", "events": said}
    assert provider.job(job.id).error_message == "out of memory"


def test_a_failed_job_is_told_even_where_its_events_are_not(account: Account, provider: Together, file: str) -> None:
    job = provider.create_job(order(file))
    account.jobs[job.id]["status"] = "error"
    account.faults = [Fault("jobs.events", "status", status=404)]
    assert provider.job(job.id).state == "failed"


def test_events_carry_the_loss_of_each_step_once_and_in_order(account: Account, provider: Together, file: str) -> None:
    job = provider.create_job(order(file))
    start = {"created_at": "2026-11-22T10:00:00Z", "type": "training_start", "level": "info", "message": "go"}
    warned = {"created_at": "2026-11-22T10:05:00.5Z", "type": "WARNING", "level": "Warning", "message": "slow"}
    account.jobs[job.id]["events"] = [warned, start, start]
    account.metrics = [
        {"train/global_step": 1, "train/loss": 2.5, "train/learning_rate": 1e-5, "train/epoch": 0.5},
        {"train/global_step": 2, "train/loss": None},
        {"train/global_step": 2, "eval/loss": 2.25},
    ]
    events = provider.events(job.id)
    assert len({event.id for event in events}) == len(events) == 5
    history = [event for event in events if not event.metrics]
    assert [(event.level, event.message) for event in history] == [("info", "go"), ("warn", "slow")]
    assert [event.metrics for event in events if event.metrics] == [
        {"step": 1.0, "train_loss": 2.5, "train_learning_rate": 1e-5},
        {"step": 2.0},
        {"step": 2.0, "valid_loss": 2.25},
    ]
    assert {event.id for event in provider.events(job.id)} == {event.id for event in events}


def test_a_job_without_metrics_still_has_a_history(account: Account, provider: Together, file: str) -> None:
    job = provider.create_job(order(file))
    account.jobs[job.id]["events"] = [{"type": "job_start", "message": "started"}]
    account.faults = [Fault("jobs.metrics", "status", status=404)]
    assert [event.message for event in provider.events(job.id)] == ["started"]


def test_cancelling_leaves_a_job_that_has_ended_as_it_is(account: Account, provider: Together, file: str) -> None:
    job = provider.create_job(order(file))
    assert provider.cancel(job.id).raw_state == "cancel_requested"
    account.jobs[job.id]["status"] = "cancelled"
    assert provider.cancel(job.id).state == "cancelled"


def test_a_job_is_found_by_the_mark_of_its_purchase(provider: Together, file: str) -> None:
    job = provider.create_job(order(file, suffix="support"))
    assert [found.id for found in provider.find_jobs(INTENT, "")] == [job.id]


def test_another_purchase_with_the_same_bytes_is_not_taken_for_ours(provider: Together, file: str) -> None:
    provider.create_job(order(file, OTHER_INTENT))
    assert provider.find_jobs(INTENT, file) == []


def test_a_job_without_a_mark_is_ours_where_it_trains_on_our_file(
    account: Account, provider: Together, file: str
) -> None:
    first, second = (provider.create_job(order(file)).id for _ in range(2))
    account.names_jobs = False
    assert [job.id for job in provider.find_jobs(INTENT, file)] == [first, second], "oldest first"
    assert provider.find_jobs(INTENT, "") == []


def test_a_job_of_another_id_is_not_taken_for_the_one_asked_for(
    account: Account, provider: Together, file: str
) -> None:
    job = provider.create_job(order(file))
    account.faults = [Fault("jobs.get", "fields", fields={"id": "ft-99"})] * 6
    with pytest.raises(ProviderUnavailableError, match="unreadable_answer"):
        provider.job(job.id)


def test_a_deleted_model_is_gone_with_its_weights_and_its_job(account: Account, provider: Together) -> None:
    model = trained(provider)
    assert provider.has_model(model)
    provider.delete_model(model)
    provider.delete_model(model)
    assert not provider.has_model(model)
    assert (account.jobs, account.weights) == ({}, set())


def test_a_model_whose_weights_somebody_deleted_is_not_there(account: Account, provider: Together) -> None:
    model = trained(provider)
    account.weights.clear()
    assert not provider.has_model(model)


def test_answers_are_asked_for_by_plain_completions(account: Account, provider: Together) -> None:
    endpoint = provider.answer_endpoint()
    answer = httpx.post(endpoint.url, headers=endpoint.headers, json={"model": BASE, "messages": []}, trust_env=False)
    assert answer.json()["choices"][0]["message"]["content"] == "refund"


def test_what_the_use_case_states_wins_over_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"Qwen/Qwen3.5-9B": {"input": 7.0, "training": 0.5}}
    price = connected(monkeypatch, prices=own).price("Qwen/Qwen3.5-9B", tuned=False)
    assert (price.input, price.training, price.hosting) == (7.0, 0.5, 0.0)


def test_a_base_model_costs_what_is_published_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    price = connected(monkeypatch).price("Qwen/Qwen3.5-9B", tuned=False)
    assert price.input is not None and price.input > 0
    assert "together" in price.source
