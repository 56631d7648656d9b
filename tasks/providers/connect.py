"""From a use case's `provider` section to the provider itself."""

import os

from data_contracts import use_case
from tasks.errors import ConfigurationError, CredentialsError
from tasks.home import home
from tasks.providers.base_url import checked
from tasks.providers.protocol import Provider

OPENAI = "https://api.openai.com/v1"


def connect(settings: use_case.Provider) -> Provider:
    """The provider, not yet asked anything. Raises ConfigurationError for its address, CredentialsError for the key."""
    if settings.name == "embedded":
        return _embedded(settings)
    from tasks.providers.openai_wire import OpenAIWire

    base_url = checked(settings.base_url or OPENAI, "provider.base_url")
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key:
        remedy = "Set it in the environment, then start again or run `tunegate resume RUN`."
        raise CredentialsError("connecting to the provider", f"{settings.api_key_env} is not set", remedy)
    return OpenAIWire(settings, base_url, key)


def _embedded(settings: use_case.Provider) -> Provider:
    from tasks.providers.embedded import Embedded

    if settings.base_url:
        remedy = "Remove it, or set provider.name: openai to use that endpoint."
        raise ConfigurationError("provider.base_url", "does not go with the embedded provider", remedy)
    return Embedded(settings, home() / "provider")
