"""Where one trial happens: a home of its own, a provider of its own, and the command line between them."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.command_line import TEMPLATE
from tests.chaos.processes import Child, Forks
from tests.embedded import FAST

START_S = 60.0
SETTINGS: dict[str, Any] = {**FAST, "job_seconds": {"validating_files": 0.05, "queued": 0.05, "running": 0.05}}


class ProviderServer:
    """The embedded provider in a process of its own, on one port as long as the place exists."""

    def __init__(
        self,
        forks: Forks,
        state: Path,
        faults: list[dict[str, Any]],
        settings: dict[str, Any],
        environment: dict[str, str],
    ) -> None:
        self._forks, self.state, self._environment = forks, state, environment
        state.mkdir(parents=True)
        (state / "settings.json").write_text(json.dumps({**SETTINGS, **settings}))
        self.set_faults(faults)
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    def set_faults(self, faults: list[dict[str, Any]]) -> None:
        """The list that the next start reads."""
        (self.state / "faults.json").write_text(json.dumps(faults))

    def start(self) -> None:
        """Start it, on its own port if it had one; return once it listens."""
        (self.state / "server.json").unlink(missing_ok=True)
        options = {"state": self.state, "settings": self.state / "settings.json", "faults": self.state / "faults.json"}
        arguments = [text for name, path in options.items() for text in (f"--{name}", str(path))]
        arguments += ["--port", str(self._port)]
        self._child = self._forks.start("server", arguments, self.state, environment=self._environment)
        _await((self.state / "server.json").exists, self._child, self.state / "server.err")
        self._port = int(json.loads((self.state / "server.json").read_text())["url"].rsplit(":", 1)[1].split("/")[0])

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._child.kill()
        self._child.wait(START_S)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._child.pid is not None
        return self._child.pid

    @property
    def is_dead(self) -> bool:
        """Whether it has died, of a fault or of a kill."""
        return self._child.exit is not None

    def log(self, call: str | None = None) -> list[dict[str, Any]]:
        """Every logged request, or those of one call, oldest first."""
        path = self.state / "requests.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if call in (None, line["call"])]

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that it holds, as its own files have them."""
        return [json.loads(path.read_text()) for path in sorted((self.state / "jobs").glob("ftjob-*.json"))]


@dataclass
class Place:
    """A trial's folder. `order` holds what each child is told besides its arguments, `starts` when each began."""

    forks: Forks
    folder: Path
    use_case: Path
    provider: ProviderServer
    environment: dict[str, str] = field(default_factory=dict)
    order: dict[str, Any] = field(default_factory=dict)
    name: str = "small"
    store: Path | None = None  # MLflow's database, where it is not the one at home
    starts: list[float] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """TUNEGATE_HOME."""
        return self.folder / "home"

    @property
    def mlflow_db(self) -> Path:
        """The database behind its MLflow store."""
        return self.store or self.home / "mlflow.db"

    def start(self, *arguments: str, **order: Any) -> Child:
        """Start `tunegate ...`; its output goes to tunegate-N.out and .err."""
        self.starts.append(time.time())
        if order.pop("patient", False) or self.order.get("patient"):
            order["virtual_time"] = str(self.slept(len(self.starts)))
        variables = {
            "TUNEGATE_HOME": str(self.home),
            "TUNEGATE_PROVIDER_URL": self.provider.url,
            **self.environment,
        }
        outputs = {"output": str(self._file("out")), "errors": str(self._file("err"))}
        whole = {**self.order, **order, **outputs, "environment": variables}
        return self.forks.start("tunegate", list(arguments), self.folder, **whole)

    def said(self, kind: str = "err") -> str:
        """What the last command wrote to standard error, or `out`."""
        path = self._file(kind)
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def errors(self) -> list[Path]:
        """The standard error of each command, in the order of their starts."""
        return [self.folder / f"tunegate-{number + 1}.err" for number in range(len(self.starts))]

    def slept(self, number: int) -> Path:
        """Where the n-th command writes down what it slept, if it runs on a clock that only pretends to wait."""
        return self.folder / f"slept-{number}.jsonl"

    def _file(self, kind: str) -> Path:
        return self.folder / f"tunegate-{len(self.starts)}.{kind}"

    def close(self, keep: bool = False) -> None:
        """End its provider; its folder stays only where somebody has to look."""
        self.provider.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def make_place(
    forks: Forks,
    folder: Path,
    use_case: Path,
    faults: list[dict[str, Any]] | None = None,
    settings: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> Place:
    """A fresh home, whose MLflow store has its tables already, and a running provider with this environment."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "home").mkdir(parents=True, mode=0o700)
    shutil.copy(forks.folder / TEMPLATE / "mlflow.db", folder / "home" / "mlflow.db")
    provider = ProviderServer(forks, folder / "provider", faults or [], settings or {}, environment or {})
    return Place(forks, folder, use_case, provider)


def _await(condition: Callable[[], bool], child: Child, errors: Path) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert child.wait(0.01) is None, f"the provider did not start: {errors.read_text()}"
        assert time.monotonic() < deadline, f"the provider does not listen: {errors.read_text()}"
