"""Together's API on a real socket: a log of every request, and faults that strike once each."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.providers import together_second_api  # noqa: F401 - registers its answers
from tests.providers.together_account import HANDLERS, PROJECT, Account, Fault, Record, Refused, Request

KEY = "tgp_v1_planted_key_0123456789abcdef"
ROUTES = {
    "files.announce": "POST /v1/files",
    "files.list": "GET /v1/files",
    "files.put": "PUT /storage/ID",
    "files.preprocess": "POST /v1/files/ID/preprocess",
    "files.get": "GET /v1/files/ID",
    "files.delete": "DELETE /v1/files/ID",
    "jobs.limits": "GET /v1/fine-tunes/models/limits",
    "jobs.price": "POST /v1/fine-tunes/estimate-price",
    "jobs.create": "POST /v1/fine-tunes",
    "jobs.list": "GET /v1/fine-tunes",
    "jobs.events": "GET /v1/fine-tunes/ID/events",
    "jobs.metrics": "GET /v1/fine-tunes/ID/metrics",
    "jobs.cancel": "POST /v1/fine-tunes/ID/cancel",
    "jobs.get": "GET /v1/fine-tunes/ID",
    "jobs.delete": "DELETE /v1/fine-tunes/ID",
    "chat": "POST /v1/chat/completions",
    "whoami": "GET /v3/whoami",
    "models.supported": "GET /v2/supported-models",
    "hardware.list": "GET /v2/public/inference-instance-types",
    "weights.get": f"GET /v2/projects/{PROJECT}/models/ID",
    "weights.delete": f"DELETE /v2/projects/{PROJECT}/models/ID",
    "configs.list": f"GET /v2/projects/{PROJECT}/configs",
    "endpoints.create": f"POST /v2/projects/{PROJECT}/endpoints",
    "endpoints.list": f"GET /v2/projects/{PROJECT}/endpoints",
    "endpoints.delete": f"DELETE /v2/projects/{PROJECT}/endpoints/ID",
    "deployments.create": f"POST /v2/projects/{PROJECT}/endpoints/ID/deployments",
    "deployments.get": f"GET /v2/projects/{PROJECT}/endpoints/ID/deployments/ID",
    "deployments.scale": f"PATCH /v2/projects/{PROJECT}/endpoints/ID/deployments/ID",
    "deployments.delete": f"DELETE /v2/projects/{PROJECT}/endpoints/ID/deployments/ID",
}
PATTERNS = {name: re.compile(route.replace("ID", r"([^/]+)") + "$") for name, route in ROUTES.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: Account

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def serve(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        call, found = next(
            (name, match) for name, pattern in PATTERNS.items() if (match := pattern.match(f"{self.command} {path}"))
        )
        request = Request(call, body, {**{name.lower(): value for name, value in self.headers.items()}, "query": query})
        with self.account.lock:
            self.account.log.append(request)
            fault = next((one for one in self.account.faults if one.call == call), None)
            if fault:
                self.account.faults.remove(fault)
            status, answer, headers = self.outcome(request, fault, found.groups())
        self.send(fault, status, answer, headers)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def outcome(
        self, request: Request, fault: Fault | None, parts: tuple[str, ...]
    ) -> tuple[int, Record, dict[str, str]]:
        if fault and not fault.accepted:
            return fault.status, {"error": {"message": "not now", "code": "rate_limit"}}, fault.headers
        if request.call != "files.put" and request.headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"error": {"message": "Invalid API key", "code": "invalid_api_key"}}, {}
        try:
            answer = HANDLERS[request.call](self.account, request, *parts)
        except Refused as refused:
            return refused.status, refused.body, refused.headers
        assert isinstance(answer, dict)
        return 200, answer | (fault.fields if fault else {}), {}

    def send(self, fault: Fault | None, status: int, answer: Record, headers: dict[str, str]) -> None:
        body, kind = json.dumps(answer).encode(), fault.kind if fault else ""
        if kind == "hang":
            self.account.released.wait(10)
        if kind in ("reset", "hang"):
            self.close_connection = True
            return
        if kind == "html":
            body = b"<html>one moment please</html>"
        if fault and kind in ("status", "redirect"):
            status, headers = fault.status, fault.headers
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)
        self.close_connection = kind == "cut" or self.close_connection


@contextmanager
def together_account() -> Iterator[Account]:
    """An account at a Together of our own, served until the block ends."""
    account = Account()
    handler = type("Handler", (_Handler,), {"account": account})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    account.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield account
    finally:
        account.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
