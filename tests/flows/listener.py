"""Whoever is told by a notification block: a real listener, and the block that leads to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

KEY = "a-key-in-an-address"


class Listener(HTTPServer):
    """Whoever is told. `answers` with this status."""

    answers = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Heard)
        self.heard: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{KEY}"

    def block(self, name: str) -> str:
        """A Prefect block that leads here; as `approvals.notify` names it."""
        from prefect.blocks.notifications import CustomWebhookNotificationBlock

        said = {"title": "{{subject}}", "text": "{{body}}"}
        CustomWebhookNotificationBlock(name=name, url=self.url, json_data=said).save(name, overwrite=True)
        return f"custom-webhook/{name}"


class Heard(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answers)
        self.end_headers()

    def log_message(self, *_said: object) -> None: ...


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
