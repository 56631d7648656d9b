"""What changed about the model under a champion: findings with a deadline, from what was seen before and is so now.

Nobody is asked anything here, and what day it is comes with the question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from data_contracts.candidate import Candidate
from data_contracts.lifetimes import Finding, FindingKind, ModelFacts
from tasks.providers.protocol import ModelInfo, TrainingAccess
from tasks.watch.canaries import Change
from tasks.watch.families import entry, family, foundation, is_dated, is_listed, newer, resolved

SURELY_S = 86_400.0  # a server that stamps its list when it is asked says `created` now


@dataclass(frozen=True)
class Listing:
    """What a provider said of its models. `answered_by`: the model that the canary answers name."""

    models: Sequence[ModelInfo]
    there: bool  # whether the watched model still is, as far as the provider lets one tell
    trains: bool | None = None  # whether its base takes a job today; None: only a job would tell
    announced: ModelInfo | None = None  # a tune that stands in no listing, with the days that its vendor announced
    answered_by: str = ""
    fingerprint: str = ""


def facts(candidate: Candidate, listing: Listing, checked_at: float) -> ModelFacts:
    """The model as it is now. A tune lives as long as its own entry says, or else as long as its base."""
    models, tuned = listing.models, candidate.kind == "tune"
    leads_to = candidate.model if tuned else resolved(candidate.model, models, listing.answered_by)
    base = resolved(candidate.base_model or candidate.model, models) if tuned else leads_to
    own, under = entry(candidate.model, models), entry(base, models)
    sources = (own, listing.announced, under, foundation(base, models))
    days = [info.shutdown_date for info in sources if info and info.shutdown_date]
    return ModelFacts(
        requested=candidate.model,
        resolved=leads_to,
        base_model=base,
        created=_created(own, checked_at),
        base_created=_created(under, checked_at),
        listed=listing.there,
        shutdown_date=days[0] if days else None,
        training_until=under.training_until if under else None,
        trains=listing.trains,
        fingerprint=listing.fingerprint,
        checked_at=checked_at,
    )


@dataclass(frozen=True)
class Training:
    """Where the next tune would be bought, and whether it can be."""

    base_model: str
    provider: str
    access: TrainingAccess
    until: str | None = None  # from this day on it takes no new jobs


@dataclass(frozen=True)
class Watched:
    """A champion, what was seen of its model at the first watch, and what is so now."""

    use_case: str
    provider: str
    first: ModelFacts
    now: ModelFacts
    newer: Sequence[str] = ()  # dated models of its family that came since it was registered, the newest first
    training: Training | None = None  # None: nobody means to train
    change: Change = field(default_factory=Change)
    last_day: str | None = None  # as the last watch saw it: what is gone announces nothing any more
    gone_since: float | None = None  # when a watch missed it first, seconds since the epoch; None: it is there


@dataclass(frozen=True)
class Found:
    """A finding, and the key under which it is told once: a further warning day has another."""

    key: str
    finding: Finding


def findings(watched: Watched, today: date, warn_days: Sequence[int]) -> list[Found]:
    """Everything that a person or a trial has to deal with, the soonest deadline first."""
    found = [*_lifetime(watched, today, warn_days)]
    if not any(item.finding.kind == "retired" for item in found):
        found += [*_new_version(watched), *_alias(watched), *_training(watched, today, warn_days)]
    if not any(item.finding.kind in ("retired", "alias-moved") for item in found):
        found += _silent_change(watched)
    return sorted(found, key=lambda item: item.finding.deadline or "9999")


def days_left(day: str | None, today: date) -> int | None:
    """Days until a day; 0 on the day itself, on which it is over."""
    return (date.fromisoformat(day) - today).days if day else None


def warning_day(left: int, warn_days: Sequence[int]) -> int | None:
    """The last warning day that was reached; None: none yet."""
    return min((day for day in warn_days if left <= day), default=None)


def is_over(now: ModelFacts, last_day: str | None, today: date) -> bool:
    """Whether its last day is past. What is announced for a model that is gone is what the last watch saw of it."""
    left = days_left(_announced_for(now, last_day), today)
    return left is not None and left <= 0


def registered_since(base: ModelInfo, models: Sequence[ModelInfo], known: Sequence[str], since: float) -> list[str]:
    """Newer models of the family that nobody could have chosen: not among those `known` at the first watch, or
    created after the champion was registered (`since`, seconds since the epoch).
    """
    return [info.id for info in newer(base, models) if info.id not in known or info.created >= since]


def same_family(base: str, models: Sequence[ModelInfo]) -> list[str]:
    """What a first watch saw of a family."""
    return [info.id for info in models if is_listed(family(base), [info])]


def today_of(now: float) -> date:
    """The day in UTC, as providers count them."""
    return datetime.fromtimestamp(now, UTC).date()


def _lifetime(watched: Watched, today: date, warn_days: Sequence[int]) -> Iterator[Found]:
    now, last_day = watched.now, _announced_for(watched.now, watched.last_day)
    left, over = days_left(last_day, today), is_over(watched.now, watched.last_day, today)
    since = watched.gone_since or now.checked_at
    if over or (since < now.checked_at and not now.listed):  # a listing may be incomplete, once
        says = f"{_named(now)} no longer answers at {watched.provider}: {_why_gone(last_day, over)}."
        key = f"{now.requested} {datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M}"  # another one if it comes back
        deadline = min(last_day, today.isoformat()) if last_day else None
        yield _found(watched, "retired", key, says, (deadline, min(0, left or 0)))
    elif last_day and left is not None:
        says = f"{_named(now)} stops answering at {watched.provider} on {last_day}, in {_days(left)}."
        key = f"{now.requested} {last_day} {warning_day(left, warn_days) or 'announced'}"
        yield _found(watched, "retirement-announced", key, says, (last_day, left))


def _announced_for(now: ModelFacts, last_day: str | None) -> str | None:
    return now.shutdown_date or (None if now.listed else last_day)


def _why_gone(last_day: str | None, over: bool) -> str:
    if last_day is None:
        return "it is listed there no more"
    if over:
        return f"its last day was the one before {last_day}"
    return f"it is listed no more, though its last day is announced for {last_day}"


def _created(info: ModelInfo | None, checked_at: float) -> int | None:
    """When an entry was created, where that is clearly in the past."""
    return info.created if info and 0 < info.created < checked_at - SURELY_S else None


def _new_version(watched: Watched) -> Iterator[Found]:
    if watched.newer:
        newest = watched.newer[0]
        says = f"{watched.provider} lists {newest}, newer than {watched.now.base_model} under the champion."
        yield _found(watched, "new-version", f"{watched.now.base_model} {newest}", says)


def _alias(watched: Watched) -> Iterator[Found]:
    first, now = watched.first, watched.now
    if is_dated(now.requested) or now.base_model != now.resolved:
        return  # a dated name is the same model for good, and a tune has no other
    if now.resolved != first.resolved and is_dated(now.resolved) and is_dated(first.resolved):
        says = f"{now.requested} leads to {now.resolved} at {watched.provider}; it led to {first.resolved}"
        yield _found(watched, "alias-moved", f"{now.requested} {now.resolved}", f"{says} {_since(first)}.")
    elif now.created and first.created and now.created != first.created and now.resolved == now.requested:
        says = f"{now.requested} was published anew at {watched.provider}, on {today_of(now.created)}; the one"
        says += f" {_since(first)} was of {today_of(first.created)}."
        yield _found(watched, "alias-moved", f"{now.requested} {now.created}", says)


def _training(watched: Watched, today: date, warn_days: Sequence[int]) -> Iterator[Found]:
    training = watched.training
    if training is None:
        return
    base, left = training.base_model, days_left(training.until, today)
    if training.access.open is False or (left is not None and left <= 0):
        closed = training.access.open is False
        why = training.access.reason if closed else f"it takes no new jobs since {training.until}"
        says = f"{base} cannot be tuned at {training.provider}: {why}."
        yield _found(watched, "training-closed", f"{base} closed", says)
    elif left is not None and (reached := warning_day(left, warn_days)) is not None:
        says = f"{base} takes no new jobs at {training.provider} from {training.until} on, in {_days(left)}."
        yield _found(watched, "training-closed", f"{base} {training.until} {reached}", says)


def _silent_change(watched: Watched) -> Iterator[Found]:
    change = watched.change
    if change.sentence:
        says = f"{_named(watched.now)} answers otherwise than {_since(watched.first)}: {change.sentence}."
        yield _found(watched, "silent-change", f"{watched.now.requested} {change.state}", says)


def _found(
    watched: Watched, kind: FindingKind, about: str, says: str, until: tuple[str | None, int | None] = (None, None)
) -> Found:
    now, (deadline, left) = watched.now, until
    finding = Finding(
        use_case=watched.use_case,
        kind=kind,
        model=now.requested,
        base_model=now.base_model,
        says=says,
        deadline=deadline,
        days_left=left,
    )
    return Found(f"{kind} {about}", finding)


def _named(now: ModelFacts) -> str:
    """The model, with its base where the name does not say it."""
    return now.requested if now.base_model == now.requested else f"{now.requested} (on {now.base_model})"


def _days(left: int) -> str:
    return "1 day" if left == 1 else f"{left} days"


def _since(first: ModelFacts) -> str:
    return f"on {today_of(first.checked_at)}"
