"""From a `provider` section to the provider itself. Vendors' libraries are loaded only where one is named."""

import os
from collections.abc import Callable

from data_contracts.provider import ProviderSettings
from tasks.errors import ConfigurationError, CredentialsError
from tasks.home import home
from tasks.providers.batches import without_batches
from tasks.providers.protocol import Provider

NO_KEY = "no-key"  # in the place of a variable's name, which has no hyphen


def connect(settings: ProviderSettings) -> Provider:
    """The provider, not yet asked anything. Raises ConfigurationError, or CredentialsError where the key is missing."""
    provider = _MAKERS.get(settings.name, _wire)(settings)
    _require_ways_to_answer(settings, provider)
    return provider


def connect_for_prices(settings: ProviderSettings) -> Provider:
    """The provider without its key: who it is, what it can do and what it charges. It would refuse anything else."""
    return connect(settings.model_copy(update={"api_key_env": NO_KEY}))


def key_of(settings: ProviderSettings, usual: str) -> str:
    """The key from the variable that the settings name, or from the usual one. Raises CredentialsError."""
    name = settings.api_key_env or usual
    if name == NO_KEY:
        return NO_KEY
    key = os.environ.get(name, "").strip()
    if not key:
        remedy = "Set it in the environment, then start again or run `tunegate resume RUN`."
        raise CredentialsError("connecting to the provider", f"{name} is not set", remedy)
    return key


def _require_ways_to_answer(settings: ProviderSettings, provider: Provider) -> None:
    """Raises ConfigurationError for a way of answering that the provider has not, before anything is bought."""
    can = provider.capabilities
    if settings.batch and not can.batches:
        raise without_batches(provider.name)
    if settings.stream and not can.streams:
        remedy = "Set it to false; time to first token stays unknown then."
        raise ConfigurationError("provider.stream", f"{provider.name} is asked for whole answers only", remedy)
    if settings.stream and settings.batch:
        remedy = "Set one of them to false: answers in a batch have no latency."
        raise ConfigurationError("provider.stream", "does not go with provider.batch", remedy)


def _embedded(settings: ProviderSettings) -> Provider:
    from tasks.providers.embedded import Embedded

    if settings.base_url:
        remedy = "Remove it, or set provider.name: openai to use that endpoint."
        raise ConfigurationError("provider.base_url", "does not go with the embedded provider", remedy)
    return Embedded(settings, home() / "provider")


def _together(settings: ProviderSettings) -> Provider:
    from tasks.providers.together import connect_together

    return connect_together(settings)


def _bedrock(settings: ProviderSettings) -> Provider:
    from tasks.providers.aws.bedrock import connect_bedrock

    return connect_bedrock(settings)


def _sagemaker(settings: ProviderSettings) -> Provider:
    from tasks.providers.aws.sagemaker import connect_sagemaker

    return connect_sagemaker(settings)


def _wire(settings: ProviderSettings) -> Provider:
    from tasks.providers.dialects import connect_wire

    return connect_wire(settings)


_MAKERS: dict[str, Callable[[ProviderSettings], Provider]] = {
    "embedded": _embedded,
    "together": _together,
    "bedrock": _bedrock,
    "sagemaker": _sagemaker,
}
