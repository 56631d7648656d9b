"""Which addresses a key and training data may be sent to: judged as written, and again once the name is resolved.

An address as written says little about where a request ends: a name may lead anywhere, and one IP address has a dozen
spellings. So whoever connects hands the address of the socket to `refuse_peer` before the first byte is sent.
"""

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.IGNORECASE)  # what a browser or inet_aton reads as a part of an IP
_UNSEEN = re.compile(r"[\s\\\x00-\x20\x7f]")
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT
PRIVATE = "Name a public host, or set provider.allow_private_address: true for a machine of your own."


class ForbiddenPeerError(OSError):
    """A connection came about with a machine that the base URL must not lead to; nothing has been sent."""


def checked(url: str, where: str, private: bool = False) -> str:
    """The address without its last slash: https, or http on this machine. Else ConfigurationError about `where`.

    `private` lets it lead into a private network; the metadata services of clouds stay out of reach all the same.
    """
    host = _host(url, where)
    address = _literal(host, where)
    if urlsplit(url).scheme == "http" and not is_loopback(url):
        raise ConfigurationError(where, "would send the key and the data unencrypted", "Use https.")
    if address and not is_loopback(url) and (problem := _objection(address, private)):
        raise ConfigurationError(where, f"leads to {problem}", PRIVATE)
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine; no proxy is asked for those."""
    host = host_of(url).rstrip(".")
    try:
        return _unmapped(ipaddress.ip_address(host)).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_peer(url: str, peer: str, private: bool = False) -> None:
    """Raise ForbiddenPeerError where the machine at the other end is none that this URL may lead to."""
    address = _unmapped(ipaddress.ip_address(peer.partition("%")[0]))
    elsewhere = "" if address.is_loopback else "another machine"
    if problem := elsewhere if is_loopback(url) else _objection(address, private):
        raise ForbiddenPeerError(f"{host_of(url)} leads to {problem}: nothing was sent")


def resolver(url: str, private: bool = False) -> "AbstractResolver":
    """For aiohttp: a resolver that gives only addresses which `url` may lead to. A proxy's name passes."""
    from socket import AF_INET, AddressFamily

    from aiohttp import ThreadedResolver
    from aiohttp.abc import ResolveResult

    class Checked(ThreadedResolver):
        """Names resolved in a thread, each address judged."""

        async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
            found = await super().resolve(host, port, family)
            for item in found:
                if host == host_of(url):
                    refuse_peer(url, item["host"], private)
            return found

    return Checked()


def host_of(url: str) -> str:
    """The host as written, in lower case; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _host(url: str, where: str) -> str:
    """The host as written. ConfigurationError for whatever different programs would read differently."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(where, "is no address", "Write it as https://host/v1.") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(where, "holds a user name or password", "Keep the key in provider.api_key_env.")
    plain = host and not (parts.query or parts.fragment or _UNSEEN.search(url)) and url.isascii() and "%" not in host
    if not plain or parts.scheme not in ("http", "https"):
        raise ConfigurationError(where, "is no plain http(s) address", "Write it as https://host/v1, in ASCII.")
    return str(host).rstrip(".")


def _literal(host: str, where: str) -> Address | None:
    """The IP address that is written there; None: a name. ConfigurationError for an unusual spelling of one."""
    try:
        return _unmapped(ipaddress.ip_address(host))
    except ValueError:
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise ConfigurationError(where, "writes an IP address in an unusual way", "Write it as 1.2.3.4.") from None
        return None


def _unmapped(address: Address) -> Address:
    """An IPv4 address that is wrapped into an IPv6 one, by itself."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or _of_nat64(address) or address
    return address


def _of_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    inside = address in ipaddress.ip_network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if inside else None


def _objection(address: Address, private: bool) -> str:
    """What is wrong with an address that is not on this machine by its URL; empty: nothing."""
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        return "an address that is no machine's own: unspecified, multicast, or a cloud's metadata service"
    if private:
        return ""
    if address.is_global and address not in _SHARED:
        return ""
    return "this machine" if address.is_loopback else "a private or reserved network"
