"""Where a key and rows may go: as written, as resolved, and never on from there."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from data_contracts.provider import ProviderSettings
from tasks.errors import AmbiguousAnswerError, ConfigurationError, ProviderRefusedError, TunegateError
from tasks.providers.base_url import ForbiddenPeerError, checked, is_loopback, refuse_peer, resolver
from tasks.providers.completions import complete
from tasks.providers.openai_wire import OpenAIWire
from tasks.providers.protocol import AnswerEndpoint
from tests.embedded import embedded_server
from tests.fake_clock import FakeClock

KEY = "sk-test-0123456789abcdef"
ROW = b'{"messages": [{"role": "user", "content": "a private row"}]}\n' * 12
PUBLIC = "93.184.216.34"

TRICKS = [
    "http://api.example.com/v1",
    "ftp://api.example.com/v1",
    "https://user:password@api.example.com/v1",
    "https://@127.0.0.1/v1",
    "https://api.openai.com@evil.example/v1",
    "https://api.openai.com\\@evil.example/v1",
    "https://api.openai.com/v1?host=evil.example",
    "https://api.openai.com/v1#evil",
    "https://api.openai.com /v1",
    "https://api.openai.com\t.evil.example/v1",
    "https://evil.example%00.api.openai.com/v1",
    "https://127。0。0。1/v1",
    "https://１２７.0.0.1/v1",
    "https://0.0.0.0/v1",
    "https://10.0.0.5/v1",
    "https://172.16.0.5/v1",
    "https://192.168.1.5/v1",
    "https://100.64.0.5/v1",
    "https://169.254.169.254/v1",
    "https://[fe80::1]/v1",
    "https://[fd00::1]/v1",
    "https://[::]/v1",
    "https://[::ffff:10.0.0.5]/v1",
    "https://[::ffff:a9fe:a9fe]/v1",
    "https://[64:ff9b::a9fe:a9fe]/v1",
    "https://[2002:a00:5::]/v1",
    "https://2130706433/v1",
    "https://0x7f000001/v1",
    "https://0x7f.0.0.1/v1",
    "https://0177.0.0.1/v1",
    "https://127.1/v1",
    "https://10.0.0.5./v1",
    "https://224.0.0.1/v1",
    "https://[::1/v1",
    "//api.openai.com/v1",
    "api.openai.com/v1",
    "",
]


@pytest.mark.parametrize("url", TRICKS)
def test_an_address_that_leads_astray_is_refused_by_its_field(url):
    with pytest.raises(ConfigurationError) as refusal:
        checked(url, "provider.base_url")
    assert refusal.value.where == "provider.base_url"
    assert "password" not in str(refusal.value).replace("user name or password", "")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1/",
        f"https://{PUBLIC}/v1",
        "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/v1",
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "http://[::1]:8000/v1",
        "https://xn--bcher-kva.example/v1",
    ],
)
def test_a_public_https_address_and_this_machine_are_fine(url):
    assert checked(url, "provider.base_url") == url.rstrip("/")


@pytest.mark.parametrize("host", ["10.0.0.5", "192.168.1.5", "[fd00::1]", "100.64.0.5"])
def test_a_private_network_is_open_to_those_who_say_so(host):
    assert checked(f"https://{host}/v1", "provider.base_url", private=True)
    with pytest.raises(ConfigurationError, match="allow_private_address"):
        checked(f"https://{host}/v1", "provider.base_url")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.169.254]"])
def test_a_clouds_metadata_service_is_closed_to_everyone(host):
    with pytest.raises(ConfigurationError):
        checked(f"https://{host}/v1", "provider.base_url", private=True)


def test_this_machine_is_known_however_it_is_written():
    assert is_loopback("http://LOCALHOST:1/v1")
    assert is_loopback("http://127.8.9.1/v1")
    assert is_loopback("http://[::ffff:127.0.0.1]/v1")
    assert not is_loopback("http://localhost.example.com/v1")


# ------------------------------------------------------------ what a name leads to


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:10.0.0.5", "0.0.0.0"])
def test_a_public_name_that_leads_inwards_is_refused_by_the_socket(peer):
    with pytest.raises(ForbiddenPeerError, match="nothing was sent"):
        refuse_peer("https://api.example.com/v1", peer)


def test_a_public_name_that_leads_outwards_is_fine_and_localhost_stays_at_home():
    refuse_peer("https://api.example.com/v1", PUBLIC)
    refuse_peer("https://gpu.example.com/v1", "10.0.0.5", private=True)
    refuse_peer("http://localhost/v1", "127.0.0.1")
    with pytest.raises(ForbiddenPeerError):
        refuse_peer("http://localhost/v1", PUBLIC)
    with pytest.raises(ForbiddenPeerError):
        refuse_peer("https://gpu.example.com/v1", "169.254.169.254", private=True)


class Listener:
    """A machine that must not hear anything: it takes connections and keeps what is sent."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = b""
        self.connected = self.ended = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.connected += 1
                connection.settimeout(0.5)
                while received := self._received(connection):
                    self.heard += received
            self.ended += 1

    def _received(self, connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except OSError:
            return b""

    def after(self, connections: int) -> bytes:
        """What it has heard once so many connections are over."""
        deadline = time.monotonic() + 20
        while self.ended < connections:
            assert time.monotonic() < deadline
        return self.heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(Listener()) as found:
        yield found


@contextmanager
def leading_to(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every name that ends in `.example` is at that address: what a hostile name server says."""
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real(address if str(name).endswith(".example") else host, port, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        yield


def test_rows_do_not_go_to_a_name_that_leads_to_this_machine(listener, monkeypatch):
    url = checked(f"https://api.example:{listener.port}/v1", "provider.base_url")
    provider = OpenAIWire(ProviderSettings(name="openai", base_url=url), url, KEY, FakeClock())
    with leading_to("127.0.0.1", monkeypatch):
        for call in (lambda: provider.upload("a.jsonl", ROW), provider.models):
            with pytest.raises(ConfigurationError, match="leads to this machine"):
                call()
    assert listener.after(connections=2) == b""


def test_questions_do_not_go_there_either(listener, monkeypatch):
    import aiohttp

    url = f"https://api.example:{listener.port}/v1/chat/completions"

    async def ask() -> None:
        connector = aiohttp.TCPConnector(resolver=resolver(url))
        async with aiohttp.ClientSession(connector=connector) as session:
            await session.post(url, data=ROW)

    with leading_to("127.0.0.1", monkeypatch), pytest.raises((aiohttp.ClientError, OSError)):
        asyncio.run(ask())
    assert listener.heard == b""


def test_who_allows_private_addresses_reaches_a_machine_of_their_own(listener, monkeypatch):
    url = f"https://gpu.example:{listener.port}/v1"
    settings = ProviderSettings(name="openai", base_url=url, allow_private_address=True)
    with leading_to("127.0.0.1", monkeypatch), pytest.raises(TunegateError) as broken:
        OpenAIWire(settings, url, KEY, FakeClock()).models()
    assert not isinstance(broken.value, ConfigurationError)
    assert listener.after(connections=1), "a TLS hello"


# ------------------------------------------------------------ redirects and the environment

REDIRECTS = [301, 302, 303, 307, 308]


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_carries_nothing_on(status, listener, tmp_path):
    there = {"kind": "status", "status": status, "headers": {"location": f"http://127.0.0.1:{listener.port}/v1/files"}}
    faults = [{"call": "*", "times": None, "happens": there}]
    with embedded_server(tmp_path, faults) as server:
        provider = OpenAIWire(ProviderSettings(name="openai", base_url=server.url), server.url, KEY, FakeClock())
        with pytest.raises(AmbiguousAnswerError):
            provider.upload("a.jsonl", ROW)
        with pytest.raises(ProviderRefusedError, match="leads elsewhere"):
            provider.models()
        with pytest.raises(Exception, match=str(status)):
            complete(provider.answer_endpoint(), [{"model": "m", "messages": [{"role": "user", "content": "a row"}]}])
    assert listener.connected == 0


def test_neither_address_nor_headers_of_the_environment_count(listener, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{listener.port}/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer of-somebody-else\nX-Forward-To: evil.example")
    with embedded_server(tmp_path, api_key=KEY) as server:
        provider = OpenAIWire(ProviderSettings(name="openai", base_url=server.url), server.url, KEY, FakeClock())
        assert provider.upload("a.jsonl", ROW)
        assert "X-Forward-To" not in provider._client.default_headers
        body = {"model": "local-base-small", "messages": [{"role": "user", "content": "a row"}]}
        assert complete(provider.answer_endpoint(), [body])
    assert listener.connected == 0


def test_a_proxy_in_the_environment_is_not_asked_for_this_machine(listener, tmp_path, monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{listener.port}")
    with embedded_server(tmp_path) as server:
        provider = OpenAIWire(ProviderSettings(name="openai", base_url=server.url), server.url, KEY, FakeClock())
        assert provider.models()
    assert listener.connected == 0


def test_a_proxy_of_a_private_network_is_asked_for_the_rest(listener, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.port}")
    provider = OpenAIWire(ProviderSettings(name="openai"), "https://api.openai.com/v1", KEY, FakeClock())
    with pytest.raises(TunegateError):
        provider.models()
    assert listener.after(connections=1).startswith(b"CONNECT api.openai.com:443")
    assert KEY.encode() not in listener.heard


def test_an_endpoint_hands_its_leave_to_whoever_asks():
    settings = ProviderSettings(name="openai", base_url="https://10.0.0.5/v1", allow_private_address=True)
    endpoint: AnswerEndpoint = OpenAIWire(settings, "https://10.0.0.5/v1", KEY).answer_endpoint()
    assert endpoint.allow_private_address
