"""The endpoint's process, as the bench sees it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from tests.bench.engine.behaviour import Behaviour
from tests.bench.engine.counts import Counts

ROOT = Path(__file__).parents[3]
DIRECT = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Served:
    """Where it listens."""

    port: int

    @property
    def origin(self) -> str:
        """Without a path; a proxy that lets nobody through, too."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self, behaviour: Behaviour) -> None:
        """Forget the last run, behave like this from now on."""
        self._call("/reset", json.dumps(asdict(behaviour)).encode())

    def counts(self) -> Counts:
        """Since the last reset."""
        return Counts.read(self._call("/stats"))

    def _call(self, path: str, body: bytes | None = None) -> bytes:
        with DIRECT.open(self.origin + path, body, timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def serving() -> Iterator[Served]:
    """An endpoint of its own."""
    command = [sys.executable, "-m", "tests.bench.engine.endpoint"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    with process:  # closes its standard input, which ends it, and waits
        assert process.stdout
        yield Served(int(process.stdout.readline()))
