"""What a watch sees of a champion's model, beside what the first watch of that champion saw."""

from collections.abc import Sequence
from typing import Any

from data_contracts.candidate import Candidate
from data_contracts.lifetimes import ModelFacts
from tasks.providers.protocol import ModelInfo
from tasks.steps.canaries import Checked, Subject, check
from tasks.steps.listings import Round, announced
from tasks.steps.owned import Owned
from tasks.watch.base_models import Listing, Training, Watched, facts, is_over, registered_since, same_family
from tasks.watch.canaries import Baseline
from tasks.watch.families import entry


def watch(owned: Owned, round_: Round) -> Watched:
    """Ask about the champion and, by canaries, the champion itself; keep what is new of it.

    Raises what the provider raises that cannot be asked for its models.
    """
    candidate, listings, settings = owned.candidate, round_.listings, owned.settings
    before = round_.ledger.seen(round_.case.name, _subject(candidate)) or {}
    models, there = listings.models(settings), listings.has(candidate, settings)
    checked = _canaries(owned, round_, Baseline(**before.get("canaries", {}))) if there else _unasked(before)
    there = there and not (checked.gone and not listings.at(settings).capabilities.deploys)
    training = _training(owned, round_)
    seen = facts(candidate, _listing(owned, models, there, checked, training), round_.ledger.clock.now())
    now = _settled(seen, before)
    base = entry(now.base_model, models) or ModelInfo(now.base_model, now.base_created or 0, "")
    family = before.get("family") or same_family(now.base_model, models)
    watched = Watched(
        use_case=round_.case.name,
        provider=settings.name,
        first=_first(now, before),
        now=now,
        newer=registered_since(base, models, family, owned.registered_at),
        training=training,
        change=checked.change,
        last_day=before.get("last_day"),
        gone_since=_gone_since(now, before, round_),
    )
    kept = {"family": list(family), "canaries": checked.baseline.plain, "created": seen.created}
    round_.ledger.see(watched.use_case, _subject(candidate), {**before, **kept, **_known(watched, before)})
    return watched


def _settled(seen: ModelFacts, before: dict[str, Any]) -> ModelFacts:
    """`created` counts once two watches saw the same; that of a base that is listed no more is remembered."""
    remembered = before.get("born", {}).get(seen.base_model)
    stands = seen.created if seen.created == before.get("created") else None
    return seen.model_copy(update={"created": stands, "base_created": seen.base_created or remembered})


def _first(now: ModelFacts, before: dict[str, Any]) -> ModelFacts:
    """What the first watch saw, with the first `created` that was seen twice."""
    first = ModelFacts.model_validate(before["first"]) if before else now
    return first if first.created else first.model_copy(update={"created": now.created})


def _gone_since(now: ModelFacts, before: dict[str, Any], round_: Round) -> float | None:
    """When it was missed first; one that is missing for the first time is said to be."""
    over = is_over(now, before.get("last_day"), round_.today)
    if now.listed and not over:
        return None
    if not over and not before.get("gone_since"):
        round_.tell(f"{now.requested} is not listed this time; it is retired if the next watch misses it, too")
    return before.get("gone_since") or now.checked_at


def _subject(candidate: Candidate) -> str:
    return f"champion {candidate.digest}"


def _unasked(before: dict[str, Any]) -> Checked:
    return Checked(Baseline(**before.get("canaries", {})))


def _listing(
    owned: Owned, models: Sequence[ModelInfo], there: bool, checked: Checked, training: Training | None
) -> Listing:
    base = owned.candidate.base_model
    return Listing(
        models=models,
        there=there,
        trains=training.access.open if training and training.base_model == base else None,
        announced=announced(owned.candidate, owned.settings),
        answered_by=checked.model,
        fingerprint=checked.fingerprint,
    )


def _canaries(owned: Owned, round_: Round, before: Baseline) -> Checked:
    """Nothing is asked where the rows are elsewhere, or where nobody wants it."""
    case, model = round_.case, owned.candidate.model
    if not case.watch.canaries:
        return Checked(before)
    if owned.space is None or not owned.space.folder.has("partitions.parquet"):
        run = f"run {owned.run}" if owned.run else "the run that registered it"
        round_.tell(f"canaries were not asked of {model}: the folder of {run} is not here")
        return Checked(before)
    provider = round_.listings.at(owned.settings)
    checked = check(Subject(case, owned.candidate, provider, owned.space), round_.ledger, before)
    if checked.problem:
        round_.tell(f"canaries of {model}: {checked.problem}")
    return checked


def _training(owned: Owned, round_: Round) -> Training | None:
    """For a tune its own base, where it was bought; for a prompt the base that the next trial would tune."""
    case, tuned = round_.case, owned.candidate.kind == "tune"
    settings = owned.settings if tuned else case.provider
    base = owned.candidate.base_model if tuned else case.fine_tune.base_model
    if not base or not (tuned or case.fine_tune.enabled):
        return None
    with round_.reaching(f"training on {base} at {settings.name}"):
        own = entry(base, round_.listings.models(settings))
        access = round_.listings.at(settings).training_access(base)
        return Training(base, settings.name, access, own.training_until if own else None)
    return None


def _known(watched: Watched, before: dict[str, Any]) -> dict[str, Any]:
    """Names and days that the next watch compares with."""
    now, born = watched.now, before.get("born", {})
    return {
        "first": watched.first.model_dump(),
        "last_day": now.shutdown_date or watched.last_day,
        "gone_since": watched.gone_since,
        "born": {**born, now.base_model: now.base_created} if now.base_created else born,
    }
