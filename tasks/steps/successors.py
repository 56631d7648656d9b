"""What may take a model's place: asked of the providers that would have to answer, or to train."""

from collections.abc import Sequence

from data_contracts.lifetimes import ModelFacts
from data_contracts.prompting import ModelAt
from data_contracts.provider import ProviderSettings
from tasks.errors import TunegateError
from tasks.providers.protocol import ModelInfo
from tasks.steps.listings import Round, name_of
from tasks.watch.families import entry, newer
from tasks.watch.replacement import Replacement, named, outlives


def instead_of(now: ModelFacts, settings: ProviderSettings, round_: Round) -> Replacement:
    """For a model that leaves: what `watch.successors` names, else the newest of its family, else `watch.tune_on`."""
    watch, last_day = round_.case.watch, max(now.shutdown_date or "", round_.today.isoformat())
    chosen = [ModelAt(model=item) if isinstance(item, str) else item for item in watch.successors]
    named_ones = chosen or _of_family(now, settings, last_day, round_) or watch.tune_on
    found = [at for at in named_ones if _answers_on(at, last_day, round_)]
    return only(found, round_, last_day)


def at_place(model: str, settings: ProviderSettings, round_: Round) -> list[ModelAt]:
    """The model under the name that the use case has for that place; none where it has it no more."""
    name = name_of(settings, round_.case)
    if name is None:
        round_.tell(f"{model} answers where no endpoint of the use-case file leads: name it under `endpoints`")
        return []
    return [ModelAt(model=model, endpoint=name)]


def only(successors: Sequence[ModelAt], round_: Round, last_day: str | None = None) -> Replacement:
    """These, and where a tune would be bought if no prompt on them wins."""
    if not successors or not round_.case.fine_tune.enabled:
        return Replacement(tuple(successors))
    refusals = []
    for at in round_.case.watch.tune_on or successors:
        refusal = _refusal(at, last_day, round_)
        if refusal is None:
            return Replacement(tuple(successors), at)
        refusals.append(refusal)
    why = f"No tune can be bought ({'; '.join(refusals)}): name another provider under `watch.tune_on`."
    return Replacement(tuple(successors), None, why)


def _of_family(now: ModelFacts, settings: ProviderSettings, last_day: str, round_: Round) -> list[ModelAt]:
    models = round_.listings.models(settings)
    base = entry(now.base_model, models) or ModelInfo(now.base_model, now.base_created or 0, "")
    later, warn_days = (info.id for info in newer(base, models)), round_.case.watch.warn_days
    lasting = (name for name in later if outlives(ModelAt(model=name), models, last_day, warn_days))
    newest = next(lasting, None)
    return at_place(newest, settings, round_) if newest else []


def _answers_on(at: ModelAt, last_day: str | None, round_: Round) -> bool:
    """Whether it is listed and outlasts the model that leaves; one that cannot be asked about is kept."""
    with round_.reaching(f"successor {named(at)}"):
        settings = round_.case.provider_at(at.endpoint)
        models, complete = round_.listings.models(settings), round_.listings.at(settings).capabilities.lists_bases
        if outlives(at, models if complete else [], last_day, round_.case.watch.warn_days):
            return True
        round_.tell(f"successor {named(at)} is not listed there, or answers hardly longer than what it would replace")
        return False
    return True


def _refusal(at: ModelAt, last_day: str | None, round_: Round) -> str | None:
    """Why it cannot be tuned there; None: it can, or only a job would tell."""
    settings = round_.case.provider_at(at.endpoint)
    try:
        access = round_.listings.at(settings).training_access(at.model)
        if access.open is False:
            return f"{named(at)}: {access.reason}"
        lasting = outlives(at, round_.listings.models(settings), last_day, round_.case.watch.warn_days)
    except TunegateError as error:
        return f"{named(at)}: {error}"
    leaves = not lasting and round_.listings.at(settings).capabilities.lists_bases
    return f"{named(at)} leaves soon, too" if leaves else None
