"""Who is measured: the engine, a bare loop, and two peers that each live in an environment of their own."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.engine import promptfoo
from tests.bench.engine.cases import Job, Said, read_said, write_job
from tests.bench.engine.serving import ROOT

PEERS = ROOT / ".venv-peers"
INSPECT_PYTHON = PEERS / "inspect_ai" / "bin" / "python"
OURS, BARE, PROMPTFOO, INSPECT = "tunegate", "asyncio", "promptfoo", "inspect_ai"
QUIET = {  # no call but to the endpoint: a proxy that lets nobody through counts whoever tries
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_SELF_HOSTED": "1",
    "BENCH_API_KEY": "none",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


@dataclass(frozen=True)
class Contender:
    """`command` takes the run's folder, and whether a killed run goes on there; `said` reads what came of it."""

    name: str
    needs: Path
    command: Callable[[Path, bool], Sequence[str]]
    prepare: Callable[[Path, Job], None] = write_job
    said: Callable[[Path], list[Said]] = read_said

    @property
    def is_there(self) -> bool:
        """Whether its environment has been set up."""
        return self.needs.exists()

    def environment(self, folder: Path, nowhere: str) -> dict[str, str]:
        """Variables for its process: state in `folder`, and `nowhere` as the way to any other host."""
        own = {"PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo"), "XDG_DATA_HOME": str(folder / "data")}
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
        path = f"{promptfoo.BIN}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **QUIET, **own, **proxies, "PATH": path}


def _module(python: Path, name: str) -> Callable[[Path, bool], Sequence[str]]:
    return lambda folder, again: [str(python), "-m", f"tests.bench.engine.{name}", str(folder), *["again"] * again]


HERE = Path(sys.executable)
CONTENDERS: Mapping[str, Contender] = {
    one.name: one
    for one in (
        Contender(OURS, HERE, _module(HERE, "ours")),
        Contender(BARE, HERE, _module(HERE, "bare")),
        Contender(PROMPTFOO, promptfoo.PROGRAM, promptfoo.command, promptfoo.prepare, promptfoo.said),
        Contender(INSPECT, INSPECT_PYTHON, _module(INSPECT_PYTHON, "inspect_peer")),
    )
}
