"""What providers list, each asked once in a pass; one that is away is named, not asked twice, and stops no other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from data_contracts.candidate import Candidate
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import UseCase
from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.providers.connect import connect, connect_for_prices
from tasks.providers.dialects import dialect_name, dialects
from tasks.providers.lifecycle import dated
from tasks.providers.protocol import ModelInfo, Provider
from tasks.watch.base_models import today_of
from tasks.watch.families import is_listed


class Listings:
    """Providers by their settings, and their models."""

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}
        self._models: dict[str, Sequence[ModelInfo] | TunegateError] = {}

    def at(self, settings: ProviderSettings) -> Provider:
        """The provider. Raises ConfigurationError or CredentialsError."""
        key = settings.model_dump_json()
        if key not in self._providers:
            self._providers[key] = connect(settings)
        return self._providers[key]

    def models(self, settings: ProviderSettings) -> Sequence[ModelInfo]:
        """What it lists. Raises what asking it raised the first time."""
        key = settings.model_dump_json()
        if key not in self._models:
            try:
                self._models[key] = self.at(settings).models()
            except TunegateError as error:
                self._models[key] = error
        found = self._models[key]
        if isinstance(found, TunegateError):
            raise found
        return found

    def has(self, candidate: Candidate, settings: ProviderSettings) -> bool:
        """Whether the candidate's model is still there, as far as the provider lets one tell."""
        provider, models = self.at(settings), self.models(settings)
        if candidate.kind == "tune":
            return provider.has_model(candidate.tuned_model or candidate.model)
        return not provider.capabilities.lists_bases or is_listed(candidate.model, models)


@dataclass
class Round:
    """One use case while it is looked at."""

    case: UseCase
    ledger: Ledger
    listings: Listings
    unreachable: list[str] = field(default_factory=list)

    @property
    def today(self) -> date:
        """By the ledger's clock, in UTC."""
        return today_of(self.ledger.clock.now())

    @contextmanager
    def reaching(self, what: str) -> Iterator[None]:
        """Whatever cannot be reached is told, once, and the round goes on after the block."""
        try:
            yield
        except TunegateError as error:
            self.tell(f"{what}: {error}")

    def tell(self, problem: str) -> None:
        """Name what could not be asked."""
        sentence = f"{self.case.name}: {problem}"
        if sentence not in self.unreachable:
            self.unreachable.append(sentence)


def announced(candidate: Candidate, settings: ProviderSettings) -> ModelInfo | None:
    """A tune with the days that its vendor announced for tunes of its base, which stand in no listing."""
    dialect = dialect_name(settings)
    if candidate.kind != "tune" or dialect not in dialects():
        return None
    return dated(ModelInfo(candidate.tuned_model or candidate.model, 0, ""), dialect)


def name_of(settings: ProviderSettings, case: UseCase) -> str | None:
    """The endpoint under which the use case has that place now; empty: `provider`; None: it has it no more."""
    places = {"": case.provider, **case.endpoints}
    exact = next((name for name, known in places.items() if known == settings), None)
    if exact is not None:
        return exact
    return next((name for name, known in places.items() if is_same_place(known, settings)), None)


def is_same_place(one: ProviderSettings, other: ProviderSettings) -> bool:
    """Whether both lead to one account at one address, however fast and with whichever key it is asked."""
    return one == other or _identity(one) == _identity(other)


def _identity(settings: ProviderSettings) -> tuple[str, str, str]:
    provider = connect_for_prices(settings)
    return provider.name, provider.base_url, provider.account
