"""The dialects of OpenAI's wire, and the provider that speaks one of them."""

from data_contracts.provider import ProviderSettings
from tasks.providers.base_url import checked
from tasks.providers.connect import key_of
from tasks.providers.protocol import Provider

OPENAI = "https://api.openai.com/v1"


def connect_wire(settings: ProviderSettings) -> Provider:
    """An endpoint that speaks the wire."""
    from tasks.providers.openai_wire import OpenAIWire

    base_url = checked(settings.base_url or OPENAI, "provider.base_url")
    return OpenAIWire(settings, base_url, key_of(settings, "OPENAI_API_KEY"))
