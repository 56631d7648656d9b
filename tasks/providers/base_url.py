"""Which addresses a key and training data may be sent to."""

import ipaddress
from urllib.parse import urlsplit

from tasks.errors import ConfigurationError


def checked(url: str, where: str) -> str:
    """The address without its last slash: https, or http on this machine. Else ConfigurationError about `where`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(where, "is no address", "Write it as https://host/v1.") from None
    if parts.username or parts.password:
        raise ConfigurationError(where, "holds a user name or password", "Keep the key in provider.api_key_env.")
    if not host or parts.query or parts.fragment or parts.scheme not in ("http", "https"):
        raise ConfigurationError(where, "is no plain http(s) address", "Write it as https://host/v1.")
    if parts.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(where, "would send the key and the data unencrypted", "Use https.")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine; no proxy is asked for those."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
