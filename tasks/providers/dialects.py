"""The dialects of OpenAI's wire: dialects.yaml as it is used, and the provider that speaks one of them."""

import os
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from data_contracts.load import parse, read_yaml
from data_contracts.provider import ProviderSettings
from data_contracts.strict import Strict
from tasks.errors import ConfigurationError
from tasks.providers.base_url import checked, host_of
from tasks.providers.connect import key_of
from tasks.providers.protocol import Capabilities, Provider
from tasks.providers.wire_records import State

TABLE = Path(__file__).with_name("dialects.yaml")
COMMON = ("n_epochs", "batch_size", "learning_rate_multiplier")
Method = Literal["supervised", "dpo", "reinforcement"]


class Source(Strict):
    """Where it is written, and when it was read there."""

    says: str
    page: str
    url: str
    read: date


class Azure(Strict):
    """Deployment through Azure's Resource Manager."""

    api_version: str
    developer_api_version: str
    idle_days: int
    developer_hours: int
    states: dict[str, Literal["starting", "ready", "failed"]]
    formats: dict[str, str] = Field(description="Publisher of a base model by how its name begins; others: OpenAI")


class Batching(Strict):
    """How requests are handed in by the file."""

    url: str = Field("/v1/chat/completions", description="What a line names as its place")
    price: float = Field(0.5, description="Share of the price that an answer costs in a batch")
    tunes: bool = Field(False, description="Tuned models answer in batches, too")
    most_requests: int = 50_000
    most_bytes: int = 200_000_000
    waits_for_file: bool = False


class Dialect(Strict):
    """One endpoint's differences. The defaults are OpenAI's own ways."""

    base_url: str = ""
    answers_at: str | None = None
    management: str | None = None
    key_env: str
    auth_header: str = "authorization"
    methods: list[Method]
    common: list[str] = Field(default_factory=lambda: list(COMMON))
    instead: dict[str, str] = Field(default_factory=dict, description="By field of fine_tune: what to set in its place")
    choices: dict[str, list[int]] = Field(default_factory=dict, description="By field: the only values that are taken")
    hyperparameters: list[str]
    defaults: dict[str, bool | int | float | str] = Field(default_factory=dict)
    graders: list[str] = Field(default_factory=list, description="Types of grader; none: all of OpenAI's")
    body: list[Literal["trainingType"]] = Field(default_factory=list, description="Beside OpenAI's own fields")
    seed: bool = True
    metadata: bool = True
    metadata_filter: bool = True
    resolves_model: bool = False
    min_examples: int = 10
    max_file_bytes: int = 512_000_000
    parts_above: int | None = Field(None, description="Larger files go up in parts; None: always in one piece")
    part_bytes: int = 64_000_000
    max_suffix: int = 64
    suffix_pattern: str = ".*"
    bom: bool = False
    waits_for_file: bool = False
    states: dict[str, State] = Field(default_factory=dict, description="Of a job, besides OpenAI's own")
    project_query: str | None = None
    lists_bases: bool = Field(False, description="Whatever it trains stands in its listing of models")
    serving: Literal["listed", "probed", "azure", "nebius", "crusoe"] = Field(
        "listed", description="listed: answers once it is listed; probed: at once, but only a request tells"
    )
    azure: Azure | None = None
    quotes: bool = False
    batches: Batching | None = Field(None, description="None: it has no such call, or no page says so")
    deletes_files: bool = True
    deletes_models: bool = True
    unknown: list[str] = Field(default_factory=list)
    sources: list[Source] = Field(min_length=1)

    @property
    def capabilities(self) -> Capabilities:
        """What a run asks before it buys."""
        return Capabilities(
            methods=frozenset(self.methods),
            hyperparameters=frozenset(self.hyperparameters),
            lists_bases=self.lists_bases,
            metadata=self.metadata,
            deploys=self.serving not in ("listed", "probed"),
            deletes_files=self.deletes_files,
            deletes_models=self.deletes_models,
            min_examples=self.min_examples,
            max_file_bytes=self.max_file_bytes,
            max_suffix=self.max_suffix,
            batches=self.batches is not None,
        )


@cache
def dialects() -> dict[str, Dialect]:
    """Every dialect by its name."""
    plain: dict[str, Any] = read_yaml(TABLE)
    return {name: parse(Dialect, row, TABLE) for name, row in plain.items()}


def dialect_name(settings: ProviderSettings) -> str:
    """The dialect that these settings speak: `openai` at another host than OpenAI's is `compatible`."""
    own = host_of(dialects()["openai"].base_url)
    elsewhere = settings.base_url is not None and host_of(settings.base_url) != own
    return "compatible" if settings.name == "openai" and elsewhere else settings.name


def offering(method: str) -> str:
    """The providers that train in this way, for a message."""
    names = [name for name, dialect in dialects().items() if method in dialect.methods and name != "compatible"]
    return ", ".join([*names, "together"] if method != "reinforcement" else [*names, "bedrock"])


def connect_wire(settings: ProviderSettings) -> Provider:
    """An endpoint that speaks the wire. Raises ConfigurationError, or CredentialsError where the key is missing."""
    from tasks.providers.openai_wire import OpenAIWire

    dialect = dialects()[dialect_name(settings)]
    url = settings.base_url or dialect.base_url.format_map(_Places(settings))
    checked_url = checked(url, "provider.base_url", settings.allow_private_address)
    return OpenAIWire(settings, checked_url, key_of(settings, dialect.key_env))


class _Places(dict[str, str]):
    """What a usual address is completed by."""

    def __init__(self, settings: ProviderSettings) -> None:
        region = (settings.aws and settings.aws.region) or os.environ.get("AWS_REGION") or ""
        super().__init__(account=settings.foundry.account if settings.foundry else "", region=region)

    def __getitem__(self, place: str) -> str:
        if found := super().__getitem__(place):
            return found
        field = {"account": "provider.foundry.account", "region": "provider.aws.region"}[place]
        raise ConfigurationError(field, "is needed for the endpoint's address", f"Set it, or {BASE}.")


BASE = "provider.base_url"
