"""Wait for a job, for a model, for a provider that is busy: bounded, jittered, never earlier than it asked."""

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result, wait_random_exponential

from data_contracts.money import Job, JobEvent
from tasks.clock import Clock
from tasks.errors import ProviderRefusedError, ProviderUnavailableError, TunegateError
from tasks.providers.protocol import Provider

T = TypeVar("T")
PATIENCE_S = 120.0  # how long one call is tried while the provider is out of reach
ASKED_PATIENCE_S = 900.0  # the same while the provider itself says when to come back
SERVABLE_S = 900.0
CLOCK_SLACK_S = 0.5  # time goes on between choosing a delay and judging it
NEW_PURCHASE = "Mend the cause, then raise `fine_tune.generation` to buy a new job: the same one is never bought twice."


@dataclass(frozen=True)
class WaitPolicy:
    """How often to look. `deadline_s` ends the waiting, never the job."""

    deadline_s: float
    first_s: float = 0.5
    cap_s: float = 120.0
    elapsed_share: float = 0.05  # without an estimate: a job is noticed at most 5 % of its duration late
    remaining_share: float = 0.5  # with one: halve what is said to remain, since estimates improve towards the end
    informed_share: float = 0.25  # but trust it no longer than for this part of the time waited so far

    def delay(self, elapsed: float, remaining: float | None) -> float:
        """Seconds until the next look, before jitter; `remaining` follows from the provider's estimated finish."""
        if remaining is None or remaining <= 0:
            return _clip(elapsed * self.elapsed_share, self.first_s, self.cap_s)
        floor = _clip(elapsed * 0.01, self.first_s, 5.0)
        ceiling = _clip(elapsed * self.informed_share, floor, max(floor, self.cap_s))
        return _clip(remaining * self.remaining_share, floor, ceiling)


def wait(
    job_id: str, provider: Provider, policy: WaitPolicy, clock: Clock, on_event: Callable[[JobEvent], None]
) -> Job:
    """The job, once it has succeeded and names its model. `on_event` gets each event once, in order.

    Raises ProviderRefusedError where it failed or was cancelled, ProviderUnavailableError at the deadline.
    """
    watch = _Watch(job_id, provider, clock, on_event)
    deadline = _Deadline(clock, policy.deadline_s, policy.deadline_s)
    retrying = Retrying(
        retry=retry_if_exception_type(ProviderUnavailableError) | retry_if_result(_goes_on),
        wait=_Pace(policy, deadline),
        stop=deadline,
        sleep=clock.sleep,
        before_sleep=watch.warn_of_outage,
        retry_error_callback=watch.give_up,
    )
    job: Job = retrying(watch.look)
    if job.state != "succeeded":
        raise refusal(job)
    return job


def await_servable(model: str, provider: Provider, clock: Clock, deadline_s: float = SERVABLE_S) -> None:
    """Return once the provider lists the tuned model. Raises ProviderUnavailableError at the deadline."""

    def look() -> None:
        if model not in {info.id for info in provider.models()}:
            cause = f"the provider does not list it, {deadline_s:.0f} s after the job succeeded"
            remedy = "It may still be deploying, or the key may lack access to it: check, then `tunegate resume RUN`."
            raise ProviderUnavailableError(f"Waiting for model {model}", cause, remedy)

    patiently(look, clock, patience_s=deadline_s)


def patiently(
    call: Callable[[], T],
    clock: Clock,
    retry_on: tuple[type[TunegateError], ...] = (ProviderUnavailableError,),
    patience_s: float = PATIENCE_S,
) -> T:
    """Call until it works, with full jitter and not before the provider asked for it; else its last error."""
    deadline = _Deadline(clock, patience_s, max(patience_s, ASKED_PATIENCE_S))
    backoff = wait_random_exponential(multiplier=0.5, max=30, min=0.25)
    retrying = Retrying(
        retry=retry_if_exception_type(retry_on),
        wait=lambda state: deadline.clip(backoff(state), state),
        stop=deadline,
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(call)


def refusal(job: Job) -> ProviderRefusedError:
    """The error for a job that failed or was cancelled, in the provider's words."""
    if job.state == "cancelled":
        return ProviderRefusedError(f"job {job.id}", "cancelled", "it was cancelled at the provider", NEW_PURCHASE)
    message = (job.error_message or "it failed and the provider gives no reason").rstrip(".")
    return ProviderRefusedError(f"job {job.id}", job.error_code or "failed", message, NEW_PURCHASE)


@dataclass
class _Watch:
    """One job, looked at again and again."""

    job_id: str
    provider: Provider
    clock: Clock
    on_event: Callable[[JobEvent], None]
    seen: set[str] = field(default_factory=set)

    def look(self) -> Job:
        """Its present state; new events are handed on."""
        job = self.provider.job(self.job_id)
        if job.id != self.job_id:
            cause = f"the provider answered with another job, {job.id}"
            raise ProviderUnavailableError(f"Job {self.job_id}", cause, "Report it to the provider.")
        if job.state in {"paused", "unknown"}:
            self._warn(
                job.raw_state, f"Job {job.id} is {job.raw_state}: waiting until it goes on or the deadline comes"
            )
        if _goes_on(job):
            self._hand_on(self.provider.events(self.job_id))
        else:
            with suppress(TunegateError):  # events are for the eye: the end counts without them
                self._hand_on(patiently(lambda: self.provider.events(self.job_id), self.clock, patience_s=20))
        return job

    def warn_of_outage(self, state: RetryCallState) -> None:
        """Say once that the provider is out of reach."""
        if (error := _error(state)) is not None:
            self._warn("unreachable", f"Job {self.job_id} cannot be looked at ({error.cause}): trying on")

    def give_up(self, state: RetryCallState) -> NoReturn:
        """The deadline: say what the job was last seen doing."""
        error = _error(state)
        if error is not None:
            cause = error.cause
        else:
            job = _job(state)
            cause = "it succeeded but names no model" if job.state == "succeeded" else f"it is still {job.raw_state}"
        remedy = "The job goes on at the provider and stays yours: `tunegate resume RUN` waits for it again."
        what = f"Waiting for job {self.job_id}"
        raise ProviderUnavailableError(what, f"{cause} at the deadline", remedy) from error

    def _warn(self, about: str, message: str) -> None:
        event = JobEvent(id=f"{self.job_id}/{about}", created_at=self.clock.now(), level="warn", message=message)
        self._hand_on([event])

    def _hand_on(self, events: Iterable[JobEvent]) -> None:
        for event in events:
            if event.id not in self.seen:
                self.seen.add(event.id)
                self.on_event(event)


class _Deadline:
    """Stop rather than sleep past the limit; a provider that says when to come back gets a limit of its own."""

    def __init__(self, clock: Clock, limit_s: float, asked_limit_s: float) -> None:
        self.clock, self.limit_s, self.asked_limit_s = clock, limit_s, asked_limit_s
        self.started = clock.monotonic()

    def __call__(self, state: RetryCallState) -> bool:
        limit = self.asked_limit_s if _asked(state) else self.limit_s
        return self.elapsed() >= limit or self.elapsed() + state.upcoming_sleep > limit + CLOCK_SLACK_S

    def elapsed(self) -> float:
        """Seconds since the waiting began."""
        return self.clock.monotonic() - self.started

    def clip(self, delay: float, state: RetryCallState) -> float:
        """A delay that ends at the limit, so that the last look happens there; added to what the provider asked for."""
        if asked := _asked(state):
            return asked + delay
        return _clip(self.limit_s - self.elapsed(), 0.0, delay)


class _Pace:
    """Seconds until the next look at a job, with 10 % jitter."""

    def __init__(self, policy: WaitPolicy, deadline: _Deadline) -> None:
        self.policy, self.deadline = policy, deadline

    def __call__(self, state: RetryCallState) -> float:
        finish = None if _error(state) else _job(state).estimated_finish
        remaining = None if finish is None else finish - self.deadline.clock.now()
        delay = self.policy.delay(self.deadline.elapsed(), remaining)
        return self.deadline.clip(delay * random.uniform(0.9, 1.1), state)  # noqa: S311 - not a secret


def _goes_on(job: Job) -> bool:
    """Only these three end a wait; a state that nobody has heard of does not."""
    return not (job.state in {"failed", "cancelled"} or (job.state == "succeeded" and job.model is not None))


def _error(state: RetryCallState) -> ProviderUnavailableError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ProviderUnavailableError) else None


def _job(state: RetryCallState) -> Job:
    assert state.outcome is not None  # noqa: S101 - tenacity asks after a call only
    job: Job = state.outcome.result()
    return job


def _asked(state: RetryCallState) -> float:
    """The wait that the provider asked for, in seconds."""
    error = _error(state)
    return (error.retry_after or 0.0) if error else 0.0


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
