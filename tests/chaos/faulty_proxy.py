"""A proxy in front of somebody else's server: it passes everything on, until it is told to fail."""

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HANG_S = 20.0
DROPPED = {"transfer-encoding", "connection", "content-length", "keep-alive"}


@dataclass
class Fault:
    """What happens to requests whose `METHOD path` matches; `times` None: to all of them."""

    matches: str
    kind: str  # reset, lost, hang, cut, html or a status
    times: int | None = 1
    hits: int = 0


@dataclass
class FaultyProxy:
    """A running proxy."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def next(self, request: str) -> Fault | None:
        """Count the request, and say what happens to it."""
        self.asked.append(request)
        for fault in self.faults:
            if re.search(fault.matches, request) and (fault.times is None or fault.hits < fault.times):
                fault.hits += 1
                return fault
        return None


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    """A proxy on a free port."""
    proxy = FaultyProxy("")

    class Handler(_Handler):
        pass

    Handler.proxy, Handler.target = proxy, urlsplit(target).netloc
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    target: str
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Pass one request on, or do with it what a fault says."""
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.proxy.next(f"{self.command} {self.path}")
        kind = fault.kind if fault else ""
        if kind == "reset":
            return self._reset()
        if kind == "hang":
            time.sleep(HANG_S)
            return self._reset()
        if kind.isdigit():
            return self._send(int(kind), {"content-type": "application/json"}, b'{"message": "a fault"}')
        status, headers, content = self._pass_on(body)
        if kind == "lost":
            return self._reset()
        if kind == "html":
            return self._send(200, {"content-type": "text/html"}, b"<html>please sign in</html>")
        return self._send(status, headers, content, cut=kind == "cut")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = answer

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.target, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in DROPPED}
            length = answer.getheader("content-length")
            if self.command == "HEAD" and length:
                headers["content-length"] = length
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers, "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Gate:
    """A plain TCP way to a server, which can be shut: open connections break, new ones are refused."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port, self._open = self._listener.getsockname()[1], list[socket.socket]()
        self.url = f"http://127.0.0.1:{self._port}{parts.path}"
        threading.Thread(target=self._listen, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """As if the server had been killed."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open = []

    def reopen(self) -> None:
        """As if it had been started again."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._listen, args=(self._listener,), daemon=True).start()

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(self._target)
                self._open += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=_pour, args=(one, other), daemon=True).start()


def _pour(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while content := one.recv(65536):
            other.sendall(content)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
