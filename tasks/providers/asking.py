"""One request through the openai SDK, and patience where it may be asked again.

The SDK sends; what it would retry, follow or parse by itself is switched off, because its own retries pay for a job
up to three times, and its parsing lets a wrong object pass.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from httpx2 import Limits
from openai import APIConnectionError, APIStatusError, DefaultHttpxClient, OpenAI
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.clock import Clock
from tasks.errors import ProviderUnavailableError
from tasks.providers.base_url import is_loopback
from tasks.providers.failure import Failure

ATTEMPTS = 6
PATIENCE_S = 120.0  # a longer Retry-After is handed to the caller, who waits by its own clock
NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}  # of the HTTP library: no connection, so nothing arrived
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)

T = TypeVar("T")


class Answered(Protocol):
    """A raw answer of the SDK."""

    @property
    def content(self) -> bytes:
        """Its body."""


def client(base_url: str, api_key: str, timeout_s: float, project: str | None = None) -> OpenAI:
    """The SDK's client for an address that was checked; no retry and no redirect of its own."""
    http_client = DefaultHttpxClient(
        follow_redirects=False,  # a redirect would carry rows to another host
        trust_env=not is_loopback(base_url),
        limits=Limits(max_keepalive_connections=0),  # a kept connection that just closed looks like a lost paid request
    )
    return OpenAI(
        api_key=api_key,
        base_url=base_url,  # given, so that OPENAI_BASE_URL cannot send the data elsewhere
        project=project,
        timeout=timeout_s,
        max_retries=0,
        http_client=http_client,
    )


def ask(
    call: str,
    send: Callable[[], Answered],
    parse: Callable[[bytes], T],
    error_of: Callable[[str, Failure], Exception],
) -> T:
    """One request. The error is raised outside the handler, so that none drags a request or a body along."""
    try:
        return parse(send().content)
    except APIStatusError as error:
        failure = Failure.of_answer(error.status_code, error.response.headers, error.response.content)
    except APIConnectionError as error:
        cause = type(error.__cause__ or error).__name__
        failure = Failure(0, code=cause, sent=cause not in NEVER_SENT)
    except ValueError:
        failure = Failure(200, code="unreadable_answer")
    raise error_of(call, failure)


def retrying(clock: Clock) -> Retrying:
    """Asks again what may be asked again, as long as the provider is only unavailable."""
    return Retrying(
        retry=retry_if_exception_type(ProviderUnavailableError),
        wait=_pause,
        stop=_is_hopeless,
        sleep=clock.sleep,
        reraise=True,
    )


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderUnavailableError) else None
    return max(asked or 0.0, BACKOFF(state))


def _is_hopeless(state: RetryCallState) -> bool:
    return state.attempt_number >= ATTEMPTS or state.idle_for + state.upcoming_sleep > PATIENCE_S
