"""The embedded provider as a test needs it: a real process on a real socket, fast unless told otherwise.

with embedded_server(tmp_path / "provider", faults=[{"call": "jobs.create", "happens": {"kind": "reset"}}]) as server:
    OpenAI(base_url=server.url, api_key="any")
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
KEY_VARIABLE = "EMBEDDED_PROVIDER_TEST_KEY"
FAST: dict[str, Any] = {
    "latency": {"scale": 0},
    "job_seconds": {"validating_files": 0.1, "queued": 0.1, "running": 0.1},
}


@dataclass
class RunningServer:
    """One running server. `url` ends in /v1."""

    url: str
    pid: int
    state: Path
    process: subprocess.Popen[str]
    settings: dict[str, Any]

    def log(self, call: str | None = None) -> list[dict[str, Any]]:
        """Every logged request, or those of one call such as `jobs.create`, oldest first."""
        lines = (self.state / "requests.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if call in (None, line["call"])]

    def change_settings(self, **settings: Any) -> None:
        """What it started with and these, from its next request on; without any, what it started with."""
        path = self.state / "settings.json"
        path.with_suffix(".new").write_text(json.dumps({**self.settings, **settings}))
        path.with_suffix(".new").replace(path)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def embedded_server(
    state: Path,
    faults: list[dict[str, Any]] | None = None,
    settings: dict[str, Any] | None = None,
    api_key: str | None = None,
    **flags: object,
) -> Iterator[RunningServer]:
    """A server on a free port with its state in `state`; a second one on the same folder takes the state over.

    `settings` go over FAST, `api_key` makes it ask for that key, other flags are the command's (`idle_exit=5`).
    """
    state.mkdir(parents=True, exist_ok=True)
    wanted = {**FAST, **(settings or {}), **({"api_key_env": KEY_VARIABLE} if api_key else {})}
    (state / "settings.json").write_text(json.dumps(wanted))
    options: dict[str, object] = {"state": state, "settings": state / "settings.json", **flags}
    if faults is not None:
        (state / "faults.json").write_text(json.dumps(faults))
        options["faults"] = state / "faults.json"
    with (state / "server.stderr").open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks.providers.local.server", *_arguments(options)],
            cwd=REPOSITORY,
            env={**os.environ, **({KEY_VARIABLE: api_key} if api_key else {})},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, f"the server did not start: {(state / 'server.stderr').read_text()}"
        yield RunningServer(**json.loads(ready), state=state, process=process, settings=wanted)
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def _arguments(options: dict[str, object]) -> list[str]:
    pairs = (("--" + name.replace("_", "-"), str(value)) for name, value in options.items())
    return [argument for pair in pairs for argument in pair]
