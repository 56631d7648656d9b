"""Asking again: bounded, jittered, never before the provider said to."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.clock import Clock
from tasks.errors import ProviderUnavailableError, TunegateError

T = TypeVar("T")
PATIENCE_S = 120.0  # how long one call is tried while the provider is out of reach
ASKED_PATIENCE_S = 4 * 3600.0  # the same while the provider itself says when to come back
CLOCK_SLACK_S = 0.5  # time goes on between choosing a delay and judging it


def patiently(
    call: Callable[[], T],
    clock: Clock,
    retry_on: tuple[type[TunegateError], ...] = (ProviderUnavailableError,),
    patience_s: float = PATIENCE_S,
) -> T:
    """Call until it works, with full jitter and not before the provider asked for it; else its last error."""
    deadline = Deadline(clock, patience_s, max(patience_s, ASKED_PATIENCE_S))
    backoff = wait_random_exponential(multiplier=0.5, max=30, min=0.25)
    retrying = Retrying(
        retry=retry_if_exception_type(retry_on),
        wait=lambda state: deadline.clip(backoff(state), state),
        stop=deadline,
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(call)


class Deadline:
    """Stop rather than sleep past the limit; a provider that says when to come back gets a limit of its own."""

    def __init__(self, clock: Clock, limit_s: float, asked_limit_s: float) -> None:
        self.clock, self.limit_s, self.asked_limit_s = clock, limit_s, asked_limit_s
        self.started = clock.monotonic()

    def __call__(self, state: RetryCallState) -> bool:
        """Whether it is time to stop."""
        limit = self.asked_limit_s if asked(state) else self.limit_s
        return self.elapsed() >= limit or self.elapsed() + state.upcoming_sleep > limit + CLOCK_SLACK_S

    def elapsed(self) -> float:
        """Seconds since the waiting began."""
        return self.clock.monotonic() - self.started

    def clip(self, delay: float, state: RetryCallState) -> float:
        """A delay that ends at the limit, so that the last look happens there; added to what the provider asked for."""
        if pause := asked(state):
            return pause + delay
        return clip(self.limit_s - self.elapsed(), 0.0, delay)


def outage(state: RetryCallState) -> ProviderUnavailableError | None:
    """The error of the last attempt, where the provider was out of reach."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ProviderUnavailableError) else None


def asked(state: RetryCallState) -> float:
    """The wait that the provider asked for, in seconds."""
    error = outage(state)
    return (error.retry_after or 0.0) if error else 0.0


def clip(value: float, low: float, high: float) -> float:
    """The value, within both ends."""
    return min(max(value, low), high)
