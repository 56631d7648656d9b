"""What Together's failures mean for a purchase, and that neither rows nor key go where they should not."""

import socket
from collections.abc import Iterator

import pytest

from data_contracts.provider import ProviderSettings
from tasks.errors import (
    AmbiguousAnswerError,
    ConfigurationError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers.together import Together, connect_together
from tests.fake_clock import FakeClock
from tests.providers.together_account import Account, Fault
from tests.providers.together_server import KEY, together_account
from tests.providers.together_setup import INTENT, NAME, ROWS, order, together


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


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("jobs.create", "reset"), AmbiguousAnswerError),
        (Fault("jobs.create", "hang"), AmbiguousAnswerError),
        (Fault("jobs.create", "html"), AmbiguousAnswerError),
        (Fault("jobs.create", "cut"), AmbiguousAnswerError),
        (Fault("jobs.create", "status", status=500), AmbiguousAnswerError),
        (Fault("jobs.create", "status", status=409), AmbiguousAnswerError),
        (Fault("jobs.create", "fields", fields={"training_file": "file-99"}), AmbiguousAnswerError),
        (Fault("jobs.create", "fields", fields={"id": 7}), AmbiguousAnswerError),
        (Fault("jobs.create", "status", accepted=False, status=429), ProviderUnavailableError),
        (Fault("jobs.create", "status", accepted=False, status=402), CredentialsError),
        (Fault("jobs.create", "status", accepted=False, status=401), CredentialsError),
        (Fault("jobs.create", "status", accepted=False, status=400), ProviderRefusedError),
    ],
    ids=lambda case: f"{case.kind}-{case.status}-{case.accepted}" if isinstance(case, Fault) else "",
)
def test_a_purchase_is_asked_for_once_whatever_happens(
    account: Account, file: str, fault: Fault, error: type[TunegateError]
) -> None:
    account.faults = [fault]
    provider = together(account, timeout_s=0.5)
    with pytest.raises(error) as raised:
        provider.create_job(order(file))
    assert len(account.calls("jobs.create")) == 1
    assert len(account.jobs) == int(fault.accepted)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__context__ is None, "no request hangs on the error"


def test_a_purchase_that_never_left_may_be_repeated(account: Account) -> None:
    account.url = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailableError, match="ConnectError"):
        together(account).create_job(order())


def test_the_wait_that_together_asks_for_is_kept(account: Account, file: str) -> None:
    account.faults = [Fault("jobs.list", "status", accepted=False, status=429, headers={"Retry-After": "30"})]
    provider = together(account, clock := FakeClock())
    assert provider.find_jobs(INTENT, file) == []
    assert clock.elapsed >= 30


def test_a_redirect_of_the_purchase_leads_nowhere(account: Account, file: str) -> None:
    with together_account() as elsewhere:
        target = {"Location": f"{elsewhere.url}/v1/fine-tunes"}
        account.faults = [Fault("jobs.create", "redirect", accepted=False, status=307, headers=target)]
        with pytest.raises(AmbiguousAnswerError):
            together(account).create_job(order(file))
        assert elsewhere.log == []


def test_a_name_that_leads_to_this_machine_gets_nothing(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    port = account.url.rpartition(":")[2]
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port)))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: there)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    settings = ProviderSettings(name="together", base_url=f"https://gateway.example.com:{port}/v1")
    with pytest.raises(ConfigurationError, match="nothing was sent"):
        connect_together(settings).create_job(order())
    assert account.log == []


def test_the_environment_puts_no_other_key_in_place_of_ours(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_CUSTOM_HEADERS", "Authorization: Bearer another")
    together(account).models()
    assert {request.headers["authorization"] for request in account.log} == {f"Bearer {KEY}"}


def test_what_together_says_against_a_request_is_told(provider: Together) -> None:
    with pytest.raises(ProviderRefusedError, match="file file-77 not found"):
        provider.create_job(order("file-77"))
