"""Who answers and trains: reachable, with the key, open for jobs, and the base models still there."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from data_contracts.provider import ProviderSettings
from data_contracts.use_case import FineTune, ResolvedUseCase
from flows.doctor.finding import Finding, broken, fine, note
from tasks.errors import CredentialsError, TunegateError
from tasks.providers.protocol import ModelInfo, Provider, TrainingAccess

NOTICE_DAYS = 90
ELSEWHERE = (
    "Name another provider that trains (foundry, nebius, crusoe, together, bedrock, or your own server), or set "
    "fine_tune.enabled: false and compare prompts."
)


def provider(settings: ProviderSettings) -> Iterator[Finding]:
    """The provider lists its models; the embedded one is started for that, and stops by itself."""
    yield _Asked(settings).finding


def base_models(case: ResolvedUseCase) -> Iterator[Finding]:
    """Each endpoint, the base models asked there, and where a tune is wanted: whether it may be trained, how long."""
    wanted, today = case.use_case, datetime.now(UTC).date()
    for endpoint, settings in {"": wanted.provider, **wanted.endpoints}.items():
        asked = _Asked(settings, endpoint)
        yield asked.finding
        if asked.connected is None:
            continue
        if not endpoint and wanted.fine_tune.enabled:
            access = asked.connected.training_access(wanted.fine_tune.base_model)
            yield training(access)
            yield from tunable(wanted.fine_tune, asked.models, today)
        names = {at.model for at in wanted.prompts.models if at.endpoint == endpoint}
        if not endpoint and wanted.fine_tune.enabled and not _outlived(wanted.fine_tune, asked.models, today):
            names.add(wanted.fine_tune.base_model)
        yield from lifetimes(sorted(names), asked.models, today)


def lifetimes(wanted: Sequence[str], models: Sequence[ModelInfo], today: date) -> Iterator[Finding]:
    """One finding a base model."""
    offered = {model.id: model for model in models}
    for name in wanted:
        yield _lifetime(name, offered.get(name), today)


def training(access: TrainingAccess) -> Finding:
    """Whether this account may start a job; where only a job would tell, that is said."""
    if access.open is False:
        return broken("training", access.reason, ELSEWHERE)
    return fine("training", access.reason if access.open is None else f"open: {access.reason}")


def tunable(wanted: FineTune, models: Sequence[ModelInfo], today: date) -> Iterator[Finding]:
    """Whether the base model can be tuned, and how long it still takes jobs."""
    name, others = wanted.base_model, [model.id for model in models if model.tunable and _is_open(model, today)]
    found = next((model for model in models if model.id == name), None)
    fix = f"Set fine_tune.base_model to one of: {', '.join(others[:5])}." if others else ELSEWHERE
    if found is None:
        yield note("tunable base", f"the endpoint does not list {name}: only a job would tell", fix)
    elif found.tunable is False or not _is_open(found, today):
        yield broken("tunable base", f"{name} takes no fine-tuning jobs", fix)
    elif found.training_until:
        left = _days(found.training_until, today)
        says = f"{name} takes new jobs until {found.training_until}, {left} days"
        yield note("tunable base", says, fix) if left <= NOTICE_DAYS else fine("tunable base", says)
    else:
        yield fine("tunable base", f"{name}: {'tunable' if found.tunable else 'not said to be tunable'}, no end given")


class _Asked:
    """A provider that was asked for its models."""

    def __init__(self, settings: ProviderSettings, endpoint: str = "") -> None:
        self.models: Sequence[ModelInfo] = []
        self.connected: Provider | None = None
        self.finding = self._ask(settings, f"endpoint {endpoint}" if endpoint else f"provider {settings.name}")

    def _ask(self, settings: ProviderSettings, what: str) -> Finding:
        from tasks.providers.connect import connect

        try:
            connected = connect(settings)
            self.models = connected.models()
        except CredentialsError as error:
            variable = settings.api_key_env or "it"
            return broken(what, error.cause, f"Set {variable} to a key that may list models and fine-tune.")
        except TunegateError as error:
            fix = "Check provider.base_url and the network; look at the provider's status."
            return broken(what, str(error), fix)
        self.connected = connected
        return fine(what, f"{connected.base_url} lists {len(self.models)} models")


def _lifetime(name: str, found: ModelInfo | None, today: date) -> Finding:
    what, fix = "base model", "Name its successor in prompts.base_models and fine_tune.base_model, and run the trial."
    if found is None:
        return broken(what, f"the provider does not offer {name} to this account", fix)
    if found.shutdown_date is None:
        return fine(what, f"{name} is offered, no shutdown date")
    left = _days(found.shutdown_date, today)
    if left <= 0:
        return broken(what, f"{name} was shut down on {found.shutdown_date}", fix)
    finding = f"{name} and its tunes shut down on {found.shutdown_date}, in {left} days"
    return note(what, finding, fix) if left <= NOTICE_DAYS else fine(what, finding)


def _outlived(wanted: FineTune, models: Sequence[ModelInfo], today: date) -> bool:
    """Whether the base model is trained on longer than it answers by itself, as at Foundry."""
    found = next((model for model in models if model.id == wanted.base_model), None)
    gone = bool(found and found.shutdown_date and _days(found.shutdown_date, today) <= 0)
    return gone and bool(found and found.training_until and _is_open(found, today))


def _is_open(model: ModelInfo, today: date) -> bool:
    return model.training_until is None or _days(model.training_until, today) > 0


def _days(until: str, today: date) -> int:
    return (date.fromisoformat(until) - today).days
