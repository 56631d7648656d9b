"""Driven by the purchase itself: whatever happens to the paid call, AWS holds one job."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from moto.backends import get_backend

from data_contracts.provider import ProviderSettings
from tasks.errors import CredentialsError, ProviderRefusedError, SubmissionParkedError
from tasks.finetune.order import intent_key
from tasks.finetune.submit import assert_single_job, resolve, submit
from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState
from tasks.providers.aws.account import Account
from tasks.providers.aws.bedrock import Bedrock
from tests.fake_clock import FakeClock
from tests.providers.aws.conftest import REGION
from tests.providers.aws.orders import order, request

CREATED, CREATING = (f"{when}.bedrock.CreateModelCustomizationJob" for when in ("after-call", "before-call"))
URL = "http://127.0.0.1:9/model-customization-jobs"


pytestmark = pytest.mark.slow  # `make test` has the wire's own, and the chaos sample


@pytest.fixture(autouse=True)
def jobs() -> Iterator[dict[str, Any]]:
    """The jobs that AWS holds."""
    backend = get_backend("bedrock")["123456789012"][REGION]
    backend.model_customization_jobs.clear()
    backend.custom_models.clear()
    yield backend.model_customization_jobs


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock)


def happens_once(account: Account, event: str, misfortune: Callable[..., None]) -> list[str]:
    """Let it happen to the first call; the list fills with the calls that were made."""
    calls: list[str] = []

    def handler(**parts: Any) -> None:
        calls.append(event)
        if len(calls) == 1:
            misfortune(**parts)

    account.client("bedrock").meta.events.register(event, handler)
    return calls


def raises(error: Exception) -> Callable[..., None]:
    def handler(**_: Any) -> None:
        raise error

    return handler


def answers(status: int, code: str) -> Callable[..., None]:
    def handler(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        http_response.status_code = status
        parsed.clear()
        parsed.update(Error={"Code": code, "Message": "as scripted"}, ResponseMetadata={"HTTPStatusCode": status})

    return handler


LOST = {
    "a read timeout": raises(ReadTimeoutError(endpoint_url=URL)),
    "a closed connection": raises(ConnectionClosedError(endpoint_url=URL)),
    "an answer that cannot be parsed": raises(ResponseParserError("no JSON")),
    "an empty answer": lambda parsed, **_: parsed.clear(),
    "a 500": answers(500, "InternalServerException"),
    "a 503": answers(503, "ServiceUnavailableException"),
    "a 409": answers(409, "ConflictException"),
    "throttling": answers(429, "ThrottlingException"),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_job_whose_answer_was_lost_is_found_and_not_bought_again(
    lost: str,
    tmp_path: Path,
    account: Account,
    bedrock: Bedrock,
    ledger: Ledger,
    clock: FakeClock,
    jobs: dict[str, Any],
) -> None:
    happens_once(account, CREATED, LOST[lost])
    submission = submit(order(tmp_path), bedrock, ledger, clock)
    assert assert_single_job(submission, bedrock) == len(jobs) == 1
    assert list(jobs) == [submission.job_id]


def test_a_lost_answer_costs_one_request(
    tmp_path: Path, account: Account, bedrock: Bedrock, ledger: Ledger, clock: FakeClock
) -> None:
    calls = happens_once(account, CREATED, LOST["a read timeout"])
    submit(order(tmp_path), bedrock, ledger, clock)
    submit(order(tmp_path), bedrock, ledger, clock)
    assert len(calls) == 1


def test_a_request_that_was_never_sent_is_asked_again(
    tmp_path: Path, account: Account, bedrock: Bedrock, ledger: Ledger, clock: FakeClock, jobs: dict[str, Any]
) -> None:
    calls = happens_once(account, CREATING, raises(EndpointConnectionError(endpoint_url=URL)))
    assert not submit(order(tmp_path), bedrock, ledger, clock).attached
    assert (len(calls), len(jobs)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ValidationException", ProviderRefusedError),
        (403, "AccessDeniedException", CredentialsError),
        (400, "ServiceQuotaExceededException", CredentialsError),
        (403, "ExpiredTokenException", CredentialsError),
    ],
)
def test_a_definite_no_can_be_resumed(
    tmp_path: Path, account: Account, bedrock: Bedrock, ledger: Ledger, status: int, code: str, kind: type[Exception]
) -> None:
    happens_once(account, CREATING, lambda **_: None)
    account.client("bedrock").meta.events.register_first(CREATED, answers(status, code), "no")
    with pytest.raises(kind, match=code):
        submit(order(tmp_path), bedrock, ledger, FakeClock())
    assert ledger.intents()[0].state is IntentState.UPLOADED


def test_a_job_that_aws_never_shows_parks_the_purchase_until_a_person_answers(
    tmp_path: Path, account: Account, bedrock: Bedrock, ledger: Ledger, clock: FakeClock, jobs: dict[str, Any]
) -> None:
    happens_once(account, CREATED, LOST["a read timeout"])
    hidden: dict[str, Any] = {}

    def hide(**_: Any) -> None:
        hidden.update(jobs)
        jobs.clear()

    account.client("bedrock").meta.events.register_first(CREATED, hide)
    with pytest.raises(SubmissionParkedError):
        submit(order(tmp_path), bedrock, ledger, clock)
    jobs.update(hidden)
    key = intent_key(order(tmp_path), bedrock)
    assert resolve(key, ledger, bedrock, found=None).job_id == next(iter(jobs)), "said absent, and found all the same"


def test_eight_submits_buy_one_job_whatever_becomes_of_the_ledger(
    tmp_path: Path, settings: ProviderSettings, jobs: dict[str, Any]
) -> None:
    for number in range(8):
        clock = FakeClock()
        ledger = Ledger(f"sqlite:///{tmp_path / f'ledger-{number % 2}-{number // 4}.db'}", clock)
        submit(order(tmp_path), Bedrock(settings, Account(settings, clock)), ledger, clock)
        assert len(jobs) == 1


def test_eight_requests_at_once_leave_one_job(bedrock: Bedrock, jobs: dict[str, Any]) -> None:
    wanted, together = request(bedrock), threading.Barrier(8)

    def create(_: int) -> str:
        together.wait()
        return bedrock.create_job(wanted).id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(create, range(8))) == set(jobs)
    assert len(jobs) == 1
