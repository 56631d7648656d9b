"""Who answers and trains: reachable, with the key, and the base models still there."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from data_contracts.provider import ProviderSettings
from data_contracts.use_case import ResolvedUseCase
from flows.doctor.finding import Finding, broken, fine, note
from tasks.errors import CredentialsError, TunegateError
from tasks.providers.protocol import ModelInfo

NOTICE_DAYS = 90


def provider(settings: ProviderSettings) -> Iterator[Finding]:
    """The provider lists its models; the embedded one is started for that, and stops by itself."""
    _, finding = _ask(settings)
    yield finding


def base_models(case: ResolvedUseCase) -> Iterator[Finding]:
    """The provider, and the base models that the use case names: offered today, and in three months."""
    models, finding = _ask(case.use_case.provider)
    yield finding
    if finding.state == "fine":
        yield from lifetimes(_wanted(case), models, datetime.now(UTC).date())


def lifetimes(wanted: Sequence[str], models: Sequence[ModelInfo], today: date) -> Iterator[Finding]:
    """One finding a base model."""
    offered = {model.id: model for model in models}
    for name in wanted:
        yield _lifetime(name, offered.get(name), today)


def _ask(settings: ProviderSettings) -> tuple[Sequence[ModelInfo], Finding]:
    from tasks.providers.connect import connect

    what = f"provider {settings.name}"
    try:
        connected = connect(settings)
        models = connected.models()
    except CredentialsError as error:
        variable = settings.api_key_env or "it"
        return [], broken(what, error.cause, f"Set {variable} to a key that may list models and fine-tune.")
    except TunegateError as error:
        return [], broken(what, str(error), "Check provider.base_url and the network; look at the provider's status.")
    return models, fine(what, f"{connected.base_url} lists {len(models)} models")


def _wanted(case: ResolvedUseCase) -> list[str]:
    tuned = [case.use_case.fine_tune.base_model] if case.use_case.fine_tune.enabled else []
    return sorted({*(at.model for at in case.use_case.prompts.models if not at.endpoint), *tuned})


def _lifetime(name: str, found: ModelInfo | None, today: date) -> Finding:
    what, fix = "base model", "Name its successor in prompts.base_models and fine_tune.base_model, and run the trial."
    if found is None:
        return broken(what, f"the provider does not offer {name} to this account", fix)
    if found.shutdown_date is None:
        return fine(what, f"{name} is offered, no shutdown date")
    left = (date.fromisoformat(found.shutdown_date) - today).days
    if left <= 0:
        return broken(what, f"{name} was shut down on {found.shutdown_date}", fix)
    finding = f"{name} and its tunes shut down on {found.shutdown_date}, in {left} days"
    return note(what, finding, fix) if left <= NOTICE_DAYS else fine(what, finding)
