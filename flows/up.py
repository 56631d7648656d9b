"""`tunegate up`: Prefect server and UI, MLflow UI, the embedded provider and the deployments, all on loopback.

A server that PREFECT_API_URL or MLFLOW_TRACKING_URI names is used as it is; only the rest is started.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import click
from filelock import FileLock, Timeout

from flows.children import Child, child, free_port, require_alive
from flows.environment import address_shown, answers, prepare, running
from tasks.errors import ConfigurationError, ResumableError
from tasks.home import home
from tasks.register.views import MODE

START_DEADLINE_S = 120
POLL_S = 0.3
KEEP_AWAKE_S = 120  # the embedded provider ends by itself after ten minutes without a request


@dataclass
class Place:
    """Where everything is, and the processes that were started for it."""

    prefect_api: str
    mlflow: str
    started: list[Child] = field(default_factory=list)
    provider: str = ""

    @property
    def prefect(self) -> str:
        """Address of its pages."""
        return self.prefect_api.removesuffix("/api")

    def write(self) -> None:
        """up.json: what other commands of this home attach to."""
        addresses = {"prefect": self.prefect, "mlflow": self.mlflow, "provider": self.provider}
        content = {**addresses, "prefect_api": self.prefect_api}
        path = home() / "up.json"
        path.with_suffix(".new").write_text(json.dumps(content))
        path.with_suffix(".new").replace(path)


def up(port: int) -> None:
    """Start what is missing, print the addresses, wait for Ctrl-C or for one of them to die; then stop it again.

    Raises ConfigurationError where another `up` of this home runs, or a server that is named does not answer.
    """
    began = time.monotonic()
    for wish in (signal.SIGTERM, signal.SIGINT):  # a shell starts background jobs with SIGINT ignored
        signal.signal(wish, signal.default_int_handler)
    named = _named_servers()
    prepare()
    place = Place(
        named.get("PREFECT_API_URL") or f"http://127.0.0.1:{port or free_port()}/api",
        named.get("MLFLOW_TRACKING_URI") or f"http://127.0.0.1:{free_port()}",
    )
    os.environ["PREFECT_API_URL"] = place.prefect_api
    with _alone(), contextlib.ExitStack() as stack:
        _start(place, named, stack)
        paths = _serve(place, stack)
        place.write()
        stack.callback((home() / "up.json").unlink, missing_ok=True)
        _show(place, named, paths, time.monotonic() - began)
        _until_one_ends(place)


def provider(faults: str | None, settings: str | None, port: int) -> None:
    """Become the embedded provider: its request log on standard output, its signals and exit code its own."""
    files = {"--faults": faults, "--settings": settings}
    options = ["--port", str(port), "--log", "/dev/stdout"]
    options += [word for name, path in files.items() if path for word in (name, path)]
    command = [sys.executable, "-m", "tasks.providers.local.server", "--state", str(home() / "provider"), *options]
    os.execv(sys.executable, command)  # noqa: S606 - our own module


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """The one `up` of this home: two would serve every deployment twice. The lock dies with its process."""
    try:
        with FileLock(home() / "up.lock", timeout=0, mode=0o600):
            yield
    except Timeout:
        where = f", at {running()['prefect']}" if running() else " and has not started all yet"
        remedy = "Use that one, or end it with Ctrl-C where it runs."
        raise ConfigurationError("tunegate up", f"runs already for {home()}{where}", remedy) from None


def _named_servers() -> dict[str, str]:
    """Variable to the server that it names. A database in MLFLOW_TRACKING_URI is none: a server is started over it."""
    health = {"PREFECT_API_URL": "/health", "MLFLOW_TRACKING_URI": "/health"}
    named = {name: os.environ.get(name, "").rstrip("/") for name in health}
    named = {name: url for name, url in named.items() if url.startswith("http")}
    for name, url in named.items():
        if not answers(f"{url}{health[name]}"):
            raise ConfigurationError(name, f"{address_shown(url)} does not answer", "Start it, or unset the variable.")
    return named


def _start(place: Place, named: dict[str, str], stack: contextlib.ExitStack) -> None:
    """The servers that nobody named, side by side, and the embedded provider."""
    missing = {"PREFECT_API_URL": _prefect_server, "MLFLOW_TRACKING_URI": _mlflow_server}
    started = [start(place, stack) for name, start in missing.items() if name not in named]
    click.echo(f"Starting {', '.join([*started, 'the embedded provider'])} and the deployments (about 20 s) ...")
    place.provider = _embedded_provider()
    health = {"Prefect": f"{place.prefect_api}/health", "MLflow": f"{place.mlflow}/health"}
    _await({name: url for name, url in health.items() if name in started}, place)


def _prefect_server(place: Place, stack: contextlib.ExitStack) -> str:
    port = place.prefect.rpartition(":")[2]
    words = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    place.started.append(stack.enter_context(child("prefect", words)))
    return "Prefect"


def _mlflow_server(place: Place, stack: contextlib.ExitStack) -> str:
    """Its store goes through the environment: an address may hold a password, and command lines are public."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", place.mlflow.rpartition(":")[2]]
    words += ["--workers", "1", "--artifacts-destination", str(home() / "mlartifacts")]
    place.started.append(stack.enter_context(child("mlflow", words, MLFLOW_BACKEND_STORE_URI=store)))
    return "MLflow"


def _serve(place: Place, stack: contextlib.ExitStack) -> dict[str, str]:
    """Serve the deployments; `flow/name` to the page of each, once Prefect has all of them."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.deployables import deployables

    place.started.append(stack.enter_context(child("deployments", ["-m", "flows.serve"])))
    paths, found = [item.path for item in deployables()], dict[str, str]()
    deadline = time.monotonic() + START_DEADLINE_S
    with temporary_settings({PREFECT_API_URL: place.prefect_api}), get_client(sync_client=True) as client:
        while len(found) < len(paths):
            _wait(place, deadline, "the deployments")
            for path in paths:
                with contextlib.suppress(ObjectNotFound):
                    id_ = client.read_deployment_by_name(path).id
                    found[path] = f"{place.prefect}/v2/deployments/deployment/{id_}"
    return found


def _embedded_provider() -> str:
    """Its address. It belongs to nobody: whoever needs it starts it, and it ends by itself when idle."""
    from data_contracts.provider import ProviderSettings
    from tasks.providers.connect import connect

    connected = connect(ProviderSettings())
    connected.models()
    return connected.answer_endpoint().url.removesuffix("/chat/completions")


def keep_awake(place: Place) -> None:
    """Ask the embedded provider something; where it had to be started again, up.json has its new address."""
    place.provider = _embedded_provider()
    place.write()


def _show(place: Place, named: dict[str, str], paths: dict[str, str], seconds: float) -> None:
    used = {name: f" (named by {name})" for name in named}
    click.echo(f"Ready in {seconds:.0f} s.\n")
    about = f"run a trial from its form{used.get('PREFECT_API_URL', '')}"
    click.echo(f"  Prefect   {address_shown(place.prefect)}/v2/deployments   {about}")
    about = f"every trial, its candidates and the registered champion{used.get('MLFLOW_TRACKING_URI', '')}"
    click.echo(f"  MLflow    {address_shown(place.mlflow)}/#/experiments?{MODE}   {about}")
    click.echo(f"  provider  {place.provider}   the embedded one: no language model")
    click.echo(f"  logs      {home() / 'logs'}\n")
    for path, url in paths.items():
        click.echo(f"  {path:<28}{url}")
    click.echo("\nCtrl-C stops all that was started here.")


def _await(health: dict[str, str], place: Place) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    waiting = dict(health)
    while waiting := {name: url for name, url in waiting.items() if not answers(url)}:
        _wait(place, deadline, ", ".join(waiting))


def _wait(place: Place, deadline: float, what: str) -> None:
    require_alive(place.started)
    if time.monotonic() > deadline:
        raise ResumableError("tunegate up", f"{what} did not answer", f"Look into {home() / 'logs'}.")
    time.sleep(POLL_S)


def _until_one_ends(place: Place) -> None:
    due = time.monotonic() + KEEP_AWAKE_S
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            require_alive(place.started)
            if time.monotonic() > due:
                due = time.monotonic() + KEEP_AWAKE_S
                keep_awake(place)
            time.sleep(1)
