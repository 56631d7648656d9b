"""What a watch sees of a champion's model, beside what the first watch of that champion saw."""

from collections.abc import Sequence
from typing import Any

from data_contracts.candidate import Candidate
from data_contracts.lifetimes import ModelFacts
from tasks.providers.protocol import ModelInfo
from tasks.steps.canaries import Checked, Subject, check
from tasks.steps.listings import Round, announced
from tasks.steps.owned import Owned
from tasks.watch.base_models import Listing, Training, Watched, facts, registered_since, same_family
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
    now = facts(candidate, _listing(owned, models, there, checked, training), round_.ledger.clock.now())
    first = ModelFacts.model_validate(before["first"]) if before else now
    base = entry(now.base_model, models) or ModelInfo(now.base_model, 0, "")
    family = before.get("family") or same_family(now.base_model, models)
    watched = Watched(
        use_case=round_.case.name,
        provider=settings.name,
        first=first,
        now=now,
        newer=registered_since(base, models, family, owned.registered_at),
        training=training,
        change=checked.change,
        last_day=before.get("last_day"),
    )
    _keep(watched, family, checked, round_, candidate)
    return watched


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


def _keep(watched: Watched, family: Sequence[str], checked: Checked, round_: Round, candidate: Candidate) -> None:
    """Names, days and hashes."""
    plain = {
        "first": watched.first.model_dump(),
        "last_day": watched.now.shutdown_date or watched.last_day,
        "family": list(family),
        "canaries": checked.baseline.plain,
    }
    round_.ledger.see(watched.use_case, _subject(candidate), plain)
