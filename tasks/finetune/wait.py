"""Wait for a job, for a model, for a provider that is busy: bounded, jittered, never earlier than it asked."""

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result

from data_contracts.money import Job, JobEvent
from tasks.clock import Clock
from tasks.errors import (
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    ResumableError,
    TunegateError,
)
from tasks.finetune.patience import Deadline, asked, clip, outage, patiently
from tasks.providers.protocol import Provider, Serving

SERVABLE_S = 3600.0  # a deployment takes minutes at some providers, and most of an hour at others
NAMELESS_S = 900.0  # how long a job may have succeeded without saying which model it made
NUDGE_S = 2.0  # how often to look whether a webhook came
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
    stuck_s: float = 7200.0  # warn where a job has shown nothing new for so long
    nudged_at: Callable[[], float | None] | None = (
        None  # when a webhook last said that the job moved; None: no webhooks
    )

    def delay(self, elapsed: float, remaining: float | None) -> float:
        """Seconds until the next look, before jitter; `remaining` follows from the provider's estimated finish."""
        if remaining is None or remaining <= 0:
            return clip(elapsed * self.elapsed_share, self.first_s, self.cap_s)
        floor = clip(elapsed * 0.01, self.first_s, 5.0)
        ceiling = clip(elapsed * self.informed_share, floor, max(floor, self.cap_s))
        return clip(remaining * self.remaining_share, floor, ceiling)


def wait(
    job_id: str, provider: Provider, policy: WaitPolicy, clock: Clock, on_event: Callable[[JobEvent], None]
) -> Job:
    """The job, once it has succeeded and names its model. `on_event` gets each event once, in order.

    Raises ProviderRefusedError where it failed or was cancelled, ProviderUnavailableError at the deadline.
    """
    watch = _Watch(job_id, provider, policy, clock, on_event)
    deadline = Deadline(clock, policy.deadline_s, policy.deadline_s)
    retrying = Retrying(
        retry=retry_if_exception_type(ProviderUnavailableError) | retry_if_result(watch.goes_on),
        wait=_Pace(policy, deadline),
        stop=deadline,
        sleep=watch.nap,
        before_sleep=watch.before_nap,
        retry_error_callback=watch.give_up,
    )
    job: Job = retrying(watch.look)
    if job.state != "succeeded":
        raise refusal(job)
    if job.model is None:
        raise watch.stopped("it succeeded and still names no model")
    return job


def await_servable(model: str, provider: Provider, clock: Clock, deadline_s: float = SERVABLE_S) -> Serving:
    """Return once the tuned model answers, deployed where the provider deploys.

    Raises ProviderRefusedError where that failed, ProviderUnavailableError at the deadline.
    """

    def look() -> Serving:
        found = provider.serve(model)
        if found.state == "starting":
            cause = f"{found.reason or 'it is not ready'}, {deadline_s:.0f} s after the job succeeded"
            remedy = "It may still be deploying, or the key may lack access to it: check, then `tunegate resume RUN`."
            raise ProviderUnavailableError(f"Waiting for model {model}", cause, remedy)
        return found

    serving = patiently(look, clock, patience_s=deadline_s)
    if serving.state == "failed":
        remedy = "The tune is paid and kept: mend the cause at the provider, then `tunegate resume RUN`."
        raise ProviderRefusedError(f"serving {model}", "deployment_failed", serving.reason or "no reason given", remedy)
    return serving


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
    policy: WaitPolicy
    clock: Clock
    on_event: Callable[[JobEvent], None]
    seen: set[str] = field(default_factory=set)
    news: tuple[object, ...] = ()
    news_at: float = 0.0
    warned: bool = False
    nameless_since: float | None = None
    nudge: float | None = None  # the last one before the last look: compared, never with a clock of this host
    told_to_wait: bool = False

    def look(self) -> Job:
        """Its present state; new events are handed on."""
        self.nudge = self._last_nudge()
        job = self.provider.job(self.job_id)
        if job.id != self.job_id:
            cause = f"the provider answered with another job, {job.id}"
            raise ProviderUnavailableError(f"Job {self.job_id}", cause, "Report it to the provider.")
        if job.state in {"paused", "unknown"}:
            self._warn(
                job.raw_state, f"Job {job.id} is {job.raw_state}: waiting until it goes on or the deadline comes"
            )
        if self.goes_on(job):
            with suppress(
                ProviderRefusedError, CredentialsError
            ):  # events are for the eye: not every key may read them
                self._hand_on(self.provider.events(self.job_id))
            self._warn_if_stuck(job)
        else:
            with suppress(TunegateError):  # the end counts without them
                self._hand_on(patiently(lambda: self.provider.events(self.job_id), self.clock, patience_s=20))
        return job

    def goes_on(self, job: Job) -> bool:
        """Only three states end a wait, success with a model's name; one that nobody has heard of does not."""
        if job.state != "succeeded" or job.model is not None:
            return not job.has_ended
        now = self.clock.monotonic()
        self.nameless_since = now if self.nameless_since is None else self.nameless_since
        return now - self.nameless_since < NAMELESS_S

    def before_nap(self, state: RetryCallState) -> None:
        """Say once that the provider is out of reach."""
        self.told_to_wait = asked(state) > 0
        if (error := outage(state)) is not None:
            self._warn("unreachable", f"Job {self.job_id} cannot be looked at ({error.cause}): trying on")

    def nap(self, seconds: float) -> None:
        """Sleep; a webhook ends it, but not the time that the provider itself asked for."""
        if self.policy.nudged_at is None or self.told_to_wait:
            self.clock.sleep(seconds)
            return
        end = self.clock.monotonic() + seconds
        while self._last_nudge() == self.nudge and (left := end - self.clock.monotonic()) > 0:
            self.clock.sleep(min(left, NUDGE_S))

    def give_up(self, state: RetryCallState) -> NoReturn:
        """The deadline: say what the job was last seen doing."""
        error = outage(state)
        if error is not None:
            cause = error.cause
        else:
            job = _job(state)
            cause = "it succeeded but names no model" if job.state == "succeeded" else f"it is still {job.raw_state}"
        raise self.stopped(f"{cause} at the deadline") from error

    def stopped(self, cause: str) -> ProviderUnavailableError:
        """The end of the waiting, not of the job."""
        remedy = "The job goes on at the provider and stays yours: `tunegate resume RUN` waits for it again."
        return ProviderUnavailableError(f"Waiting for job {self.job_id}", cause, remedy)

    def _last_nudge(self) -> float | None:
        try:
            return self.policy.nudged_at() if self.policy.nudged_at else None
        except ResumableError:  # a ledger that is away for a moment has no news
            return self.nudge

    def _warn_if_stuck(self, job: Job) -> None:
        now, news = self.clock.monotonic(), (job.raw_state, len(self.seen))
        if news != self.news:
            self.news, self.news_at, self.warned = news, now, False
        elif not self.warned and now - self.news_at >= self.policy.stuck_s:
            hours = (now - self.news_at) / 3600
            said = f"Job {job.id} has been {job.raw_state} for {hours:.1f} h without a sign of life: ask the provider"
            self._warn(f"stuck {job.raw_state} {len(self.seen)}", said)
            self.news, self.warned = (job.raw_state, len(self.seen)), True

    def _warn(self, about: str, message: str) -> None:
        event = JobEvent(id=f"{self.job_id}/{about}", created_at=self.clock.now(), level="warn", message=message)
        self._hand_on([event])

    def _hand_on(self, events: Iterable[JobEvent]) -> None:
        for event in events:
            if event.id not in self.seen:
                self.seen.add(event.id)
                self.on_event(event)


class _Pace:
    """Seconds until the next look at a job, with 10 % jitter."""

    def __init__(self, policy: WaitPolicy, deadline: Deadline) -> None:
        self.policy, self.deadline = policy, deadline

    def __call__(self, state: RetryCallState) -> float:
        finish = None if outage(state) else _job(state).estimated_finish
        remaining = None if finish is None else finish - self.deadline.clock.now()
        delay = self.policy.delay(self.deadline.elapsed(), remaining)
        return self.deadline.clip(delay * random.uniform(0.9, 1.1), state)  # noqa: S311 - not a secret


def _job(state: RetryCallState) -> Job:
    assert state.outcome is not None  # noqa: S101 - tenacity asks after a call only
    job: Job = state.outcome.result()
    return job
