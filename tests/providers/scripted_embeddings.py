"""An embeddings endpoint on a real socket: vectors by a rule that the test hands in, and faults on request."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

Vector = Sequence[float]


@dataclass
class Scripted:
    """A running endpoint, what reached it, and what it answers instead of vectors: (status, body, headers)."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    faults: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        return [text for body in self.asked for text in body["input"]]


def answer(vectors: Sequence[Vector]) -> dict[str, Any]:
    data = [{"object": "embedding", "index": number, "embedding": list(v)} for number, v in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "any", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


@contextmanager
def scripted_embeddings(vector: Callable[[str], Vector]) -> Iterator[Scripted]:
    """Serve on a free port until left."""
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with scripted.lock:
                scripted.asked.append(body)
                scripted.keys.append(self.headers.get("Authorization", ""))
                fault = scripted.faults.pop(0) if scripted.faults else None
            found = self.path == "/v1/embeddings"
            plain = answer([vector(text) for text in body["input"]]) if found else {}
            status, content, headers = fault or (200 if found else 404, plain, {})
            self.send_response(status)
            raw = content if isinstance(content, bytes) else orjson.dumps(content)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        scripted.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield scripted
        finally:
            server.shutdown()
            thread.join()
