"""Waiting looks often at first and ever more rarely, never before the provider asked for it, and it ends."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from data_contracts.money import Job, JobEvent
from tasks.errors import CredentialsError, ProviderRefusedError, ProviderUnavailableError, ResumableError
from tasks.finetune.wait import NUDGE_S, WaitPolicy, await_servable, wait
from tasks.providers.protocol import Serving
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import ScriptedProvider

DAY = WaitPolicy(deadline_s=86_400)
AWAY = ProviderUnavailableError("reading the job", "connection refused", "Wait.")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider(clock: FakeClock) -> ScriptedProvider:
    provider = ScriptedProvider(clock)
    provider.add_job("intent")
    return provider


@pytest.fixture
def events() -> list[JobEvent]:
    return []


@pytest.fixture
def look(provider, clock, events) -> Callable[..., Job]:
    return lambda policy=DAY: wait("job-1", provider, policy, clock, events.append)


def change_after(provider: ScriptedProvider, seconds: float, **fields: object) -> None:
    """Let the job change once so much time has gone by."""

    def maybe() -> None:
        if provider.clock.elapsed >= seconds:
            provider.set_job("job-1", **fields)
        else:
            provider.refuse["job"].insert(0, maybe)

    provider.refuse["job"].append(maybe)


def succeed_after(provider: ScriptedProvider, seconds: float) -> None:
    change_after(provider, seconds, state="succeeded", model="ft:base-1")


def event(number: int, **metrics: float) -> JobEvent:
    return JobEvent(id=f"event-{number}", created_at=number, level="info", message=f"Step {number}", metrics=metrics)


# ---------------------------------------------------------------- how often


def test_a_job_that_has_succeeded_needs_one_look(look, provider, clock) -> None:
    provider.set_job("job-1", state="succeeded", model="ft:base-1")
    assert look().model == "ft:base-1"
    assert (provider.calls["job"], clock.slept) == (1, [])


def test_a_short_job_is_noticed_within_a_second(look, provider, clock) -> None:
    succeed_after(provider, 3)
    look()
    assert clock.elapsed < 4


@pytest.mark.parametrize("seconds", [60, 600, 7200])
def test_a_job_is_noticed_at_most_six_percent_late(look, provider, clock, seconds: float) -> None:
    succeed_after(provider, seconds)
    look()
    assert clock.elapsed <= 1.06 * seconds + 0.6


def test_looks_become_rare_in_a_long_job(look, provider, clock) -> None:
    succeed_after(provider, 6 * 3600)
    look()
    assert provider.calls["job"] < 300
    assert max(clock.slept) <= 1.1 * DAY.cap_s


def test_looks_are_jittered(look, provider, clock) -> None:
    succeed_after(provider, 5)
    look()
    assert len(set(clock.slept)) == len(clock.slept)


def test_an_estimated_finish_saves_looks_and_is_hit_within_seconds(look, provider, clock) -> None:
    provider.set_job("job-1", estimated_finish=clock.now() + 1800)
    succeed_after(provider, 1800)
    look()
    assert clock.elapsed - 1800 < 6
    assert provider.calls["job"] < 70


def test_an_estimate_far_off_delays_no_more_than_the_cap(look, provider, clock) -> None:
    provider.set_job("job-1", estimated_finish=clock.now() + 10 * 86_400)
    succeed_after(provider, 1800)
    look()
    assert clock.elapsed <= 1800 + 1.1 * DAY.cap_s


def test_an_estimate_that_is_always_a_second_away_does_not_cause_a_storm(look, provider, clock) -> None:
    def nearly() -> None:
        provider.set_job("job-1", estimated_finish=clock.now() + 1)
        if clock.elapsed < 3600:
            provider.refuse["job"].insert(0, nearly)
        else:
            provider.set_job("job-1", state="succeeded", model="ft:base-1")

    provider.refuse["job"] = [nearly]
    look()
    assert provider.calls["job"] < 1100


def test_events_that_may_not_be_read_do_not_end_the_wait(look, provider, events) -> None:
    refused = ProviderRefusedError("reading events", "not_found", "no such route", "Look.")
    provider.refuse["events"] = [refused, CredentialsError("reading events", "HTTP 403", "Check the key.")] * 500
    succeed_after(provider, 60)
    assert look().state == "succeeded" and events == []


# ---------------------------------------------------------------- webhooks


def test_a_ledger_that_is_away_for_a_moment_has_no_news(look, provider, clock) -> None:
    def away() -> float | None:
        raise ResumableError("The ledger", "the connection broke", "See that it can be reached.")

    succeed_after(provider, 600)
    look(replace(DAY, nudged_at=away))
    assert clock.elapsed <= 1.06 * 600 + NUDGE_S


def test_a_webhook_ends_a_long_pause(look, provider, clock) -> None:
    succeed_after(provider, 3600)
    look(replace(DAY, nudged_at=lambda: 3601.0 if clock.elapsed >= 3601 else None))
    assert clock.elapsed < 3605


def test_a_webhook_does_not_shorten_the_pause_that_the_provider_asked_for(look, provider, clock) -> None:
    provider.refuse["job"] = [ProviderUnavailableError("reading", "HTTP 429", "Wait.", retry_after=300.0)]
    succeed_after(provider, 400)
    look(replace(DAY, nudged_at=lambda: 50.0 if clock.elapsed > 50 else None))
    first, second = provider.times["job"][:2]
    assert second >= first + 300


def test_without_a_webhook_coming_the_job_is_polled_all_the_same(look, provider, clock) -> None:
    succeed_after(provider, 600)
    look(replace(DAY, nudged_at=lambda: None))
    assert clock.elapsed <= 1.06 * 600 + NUDGE_S


# ---------------------------------------------------------------- how it ends


def test_a_failed_job_is_told_in_the_providers_words(look, provider) -> None:
    provider.set_job("job-1", state="failed", error_code="invalid_n_examples", error_message="Must have 10 examples.")
    with pytest.raises(ProviderRefusedError, match=r"invalid_n_examples.*Must have 10 examples\. Mend"):
        look()


def test_a_job_that_failed_without_a_reason_says_so(look, provider) -> None:
    provider.set_job("job-1", state="failed")
    with pytest.raises(ProviderRefusedError, match="gives no reason"):
        look()


def test_a_job_that_somebody_cancelled_ends_the_wait(look, provider) -> None:
    change_after(provider, 5, state="cancelled")
    with pytest.raises(ProviderRefusedError, match="cancelled at the provider"):
        look()


def test_the_deadline_ends_the_wait_and_not_the_job(look, provider, clock) -> None:
    with pytest.raises(ProviderUnavailableError, match=r"job-1 stopped: it is still running.*tunegate resume RUN"):
        look(WaitPolicy(deadline_s=60))
    assert clock.elapsed == pytest.approx(60)
    assert provider.calls["cancel"] == 0


def test_the_last_look_is_at_the_deadline(look, provider, clock) -> None:
    succeed_after(provider, 1000)
    assert look(WaitPolicy(deadline_s=1000)).state == "succeeded"


def test_success_without_a_model_is_no_success(look, provider) -> None:
    provider.set_job("job-1", state="succeeded", model=None)
    with pytest.raises(ProviderUnavailableError, match="names no model"):
        look(WaitPolicy(deadline_s=60))


def test_a_model_that_is_never_named_ends_the_wait_long_before_the_deadline(look, provider, clock) -> None:
    provider.set_job("job-1", state="succeeded", model=None)
    with pytest.raises(ProviderUnavailableError, match="still names no model"):
        look()
    assert 900 <= clock.elapsed < 1100


def test_a_job_without_a_sign_of_life_is_warned_of_once(look, provider, events) -> None:
    provider.set_job("job-1", state="queued", raw_state="queued")
    succeed_after(provider, 9 * 3600)
    look()
    assert [event.message for event in events] == [
        "Job job-1 has been queued for 2.0 h without a sign of life: ask the provider"
    ]


def test_news_put_the_warning_off(look, provider, events) -> None:
    provider.refuse["events"] = [lambda: provider.history.append(event(len(provider.history)))] * 2000
    succeed_after(provider, 9 * 3600)
    look()
    assert {event.level for event in events} == {"info"}


def test_a_model_that_is_named_late_is_waited_for(look, provider) -> None:
    provider.set_job("job-1", state="succeeded", model=None)
    change_after(provider, 30, model="ft:base-1")
    assert look().model == "ft:base-1"


def test_another_jobs_success_is_not_taken_for_this_ones(look, provider) -> None:
    provider.set_job("job-1", id="job-77", state="succeeded", model="ft:other")
    with pytest.raises(ProviderUnavailableError, match="another job, job-77"):
        look(WaitPolicy(deadline_s=60))


@pytest.mark.parametrize("state", ["paused", "unknown"])
def test_a_state_that_is_no_end_is_waited_out_with_one_warning(look, provider, events, state: str) -> None:
    provider.set_job("job-1", state=state, raw_state="pausing_for_tea")
    succeed_after(provider, 100)
    look()
    assert [event.level for event in events] == ["warn"]
    assert "pausing_for_tea" in events[0].message


# ---------------------------------------------------------------- a provider that is away or busy


def test_an_outage_is_waited_out_with_one_warning(look, provider, events) -> None:
    provider.refuse["job"] = [AWAY, AWAY, AWAY]
    succeed_after(provider, 10)
    assert look().state == "succeeded"
    assert [event.message for event in events] == ["Job job-1 cannot be looked at (connection refused): trying on"]


@pytest.mark.parametrize("call", ["job", "events"])
@pytest.mark.parametrize("asked", [1.0, 300.0, 4000.0])
def test_nothing_is_asked_before_the_time_that_the_provider_named(look, provider, call: str, asked: float) -> None:
    provider.refuse[call] = [ProviderUnavailableError("reading", "HTTP 429", "Wait.", retry_after=asked)]
    succeed_after(provider, 2 * asked)
    look()
    refused_at = provider.times[call][0]
    later = [time for times in provider.times.values() for time in times if time > refused_at]
    assert min(later) >= refused_at + asked


def test_a_wait_longer_than_the_deadline_stops_at_once(look, provider, clock) -> None:
    provider.refuse["job"] = [ProviderUnavailableError("reading", "HTTP 429", "Wait.", retry_after=4000.0)]
    with pytest.raises(ProviderUnavailableError, match="HTTP 429"):
        look(WaitPolicy(deadline_s=60))
    assert clock.elapsed == 0


def test_an_outage_until_the_deadline_is_resumable(look, provider) -> None:
    provider.refuse["job"] = [AWAY] * 500
    with pytest.raises(ProviderUnavailableError, match="connection refused at the deadline") as stopped:
        look(WaitPolicy(deadline_s=60))
    assert stopped.value.exit_code == 75


def test_a_key_that_is_refused_stops_the_wait_at_once(look, provider) -> None:
    provider.refuse["job"] = [CredentialsError("reading the job", "HTTP 401", "Check the key.")]
    with pytest.raises(CredentialsError):
        look()
    assert provider.calls["job"] == 1


# ---------------------------------------------------------------- events


def test_each_event_is_handed_on_once_and_in_order(look, provider, events) -> None:
    provider.history = [event(1), event(2, train_loss=0.5)]
    provider.refuse["events"] = [lambda: None, lambda: provider.history.append(event(3))]
    succeed_after(provider, 10)
    look()
    assert [event.id for event in events] == ["event-1", "event-2", "event-3"]
    assert events[1].metrics == {"train_loss": 0.5}


def test_the_last_events_of_a_failed_job_are_handed_on(look, provider, events) -> None:
    provider.history = [event(1)]
    provider.set_job("job-1", state="failed")
    with pytest.raises(ProviderRefusedError):
        look()
    assert [event.id for event in events] == ["event-1"]


def test_a_job_that_has_ended_counts_even_if_its_events_cannot_be_read(look, provider, events) -> None:
    provider.set_job("job-1", state="succeeded", model="ft:base-1")
    provider.refuse["events"] = [AWAY] * 500
    assert look().model == "ft:base-1"
    assert events == []


# ---------------------------------------------------------------- the tuned model


def test_a_model_that_is_served_late_is_waited_for(provider, clock) -> None:
    provider.refuse["serve"] = [lambda: None, AWAY, lambda: provider.served.append("ft:base-1")]
    assert await_servable("ft:base-1", provider, clock).model == "ft:base-1"
    assert provider.calls["serve"] == 3


def test_a_deployment_that_failed_is_told_in_the_providers_words(provider, clock) -> None:
    provider.deployment = Serving("failed", "ft:base-1", "no quota for this model")
    with pytest.raises(ProviderRefusedError, match="no quota for this model"):
        await_servable("ft:base-1", provider, clock)


def test_a_model_that_is_never_served_is_an_error_that_names_both_causes(provider, clock) -> None:
    with pytest.raises(ProviderUnavailableError, match="still be deploying, or the key may lack access"):
        await_servable("ft:base-1", provider, clock, deadline_s=60)
    assert clock.elapsed == pytest.approx(60)
