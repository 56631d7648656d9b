"""What a use case owns: every tuned model, and the model under a champion, with the days that are left."""

from collections.abc import Sequence

from data_contracts.lifetimes import OwnedModel
from tasks.steps.listings import Round, announced
from tasks.steps.owned import Owned
from tasks.steps.successors import instead_of
from tasks.watch.base_models import Listing, days_left, facts


def lines(owned: Sequence[Owned], round_: Round) -> list[OwnedModel]:
    """One line a model, whoever stands for it first: champion, challenger, then purchases."""
    first: dict[str, Owned] = {}
    for item in owned:
        first.setdefault(item.candidate.tuned_model or item.candidate.model, item)
    return [_line(item, round_) for item in first.values()]


def _line(owned: Owned, round_: Round) -> OwnedModel:
    candidate = owned.candidate
    last_day, replacement = _life(owned, round_)
    return OwnedModel(
        use_case=round_.case.name,
        model=candidate.model,
        base_model=candidate.base_model or candidate.model,
        provider=owned.settings.name,
        role=owned.role,
        shutdown_date=last_day,
        days_left=days_left(last_day, round_.today),
        replacement=replacement,
        training_data=candidate.training_data,
    )


def _life(owned: Owned, round_: Round) -> tuple[str | None, str]:
    """Its last day, and what would replace it; a provider that is away leaves both unknown."""
    with round_.reaching(f"{owned.candidate.model} at {owned.settings.name}"):
        models = round_.listings.models(owned.settings)
        listing = Listing(models, there=True, announced=announced(owned.candidate, owned.settings))
        now = facts(owned.candidate, listing, round_.ledger.clock.now())
        found = instead_of(now, owned.settings, round_)
        return now.shutdown_date, ", ".join(found.names)
    return None, ""
