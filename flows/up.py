"""`tunegate up`: Prefect server and UI, MLflow UI, the embedded provider and the deployments, all on loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import click

from flows.environment import answers, prepare
from tasks.errors import ResumableError
from tasks.home import home

START_DEADLINE_S = 120
POLL_S = 0.3


def up(port: int) -> None:
    """Start all, print the addresses, wait for Ctrl-C or for one of them to die; then stop what was started."""
    prepare()
    prefect_url = f"http://127.0.0.1:{port or _free_port()}"
    mlflow_url = f"http://127.0.0.1:{_free_port()}"
    os.environ["PREFECT_API_URL"] = f"{prefect_url}/api"
    with contextlib.ExitStack() as stack:
        started = {
            "Prefect": stack.enter_context(_process("prefect", _prefect_server(prefect_url))),
            "MLflow": stack.enter_context(_process("mlflow", _mlflow_server(mlflow_url))),
        }
        click.echo("Starting Prefect, MLflow and the embedded provider (about 20 s) ...")
        provider_url = _embedded_provider()
        _await(started, {"Prefect": f"{prefect_url}/api/health", "MLflow": f"{mlflow_url}/health"})
        started["deployments"] = stack.enter_context(_process("deployments", [sys.executable, "-m", "flows.serve"]))
        path = home() / "up.json"
        addresses = {"prefect": prefect_url, "mlflow": mlflow_url, "provider": provider_url}
        path.write_text(json.dumps(addresses | {"prefect_api": f"{prefect_url}/api"}))
        stack.callback(path.unlink, missing_ok=True)
        click.echo(f"\n  Prefect   {prefect_url}/deployments   run a trial from its form")
        click.echo(f"  MLflow    {mlflow_url}   every trial, its candidates and the registered champion")
        click.echo(f"  provider  {provider_url}   the embedded one: no language model")
        click.echo(f"  logs      {home() / 'logs'}\n\nCtrl-C stops all of them.")
        _until_one_ends(started)


def provider(faults: str | None, settings: str | None, port: int) -> None:
    """Become the embedded provider: its request log on standard output, its signals and exit code its own."""
    files = {"--faults": faults, "--settings": settings}
    options = ["--port", str(port), "--log", "/dev/stdout"]
    options += [word for name, path in files.items() if path for word in (name, path)]
    command = [sys.executable, "-m", "tasks.providers.local.server", "--state", str(home() / "provider"), *options]
    os.execv(sys.executable, command)  # noqa: S606 - our own module


def _prefect_server(url: str) -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", url.rsplit(":", 1)[1]]


def _mlflow_server(url: str) -> list[str]:
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", url.rsplit(":", 1)[1]]
    return [
        *command,
        "--workers",
        "1",
        "--backend-store-uri",
        store,
        "--artifacts-destination",
        str(home() / "mlartifacts"),
    ]


def _embedded_provider() -> str:
    """Its address. It belongs to nobody: whoever needs it starts it, and it ends by itself when idle."""
    from data_contracts.provider import ProviderSettings
    from tasks.providers.connect import connect

    return connect(ProviderSettings()).answer_endpoint().url.removesuffix("/chat/completions")


@contextlib.contextmanager
def _process(name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child in its own group, its output in logs/; ended, children included, when the block ends."""
    folder = home() / "logs"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own modules
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


def _await(started: dict[str, subprocess.Popen[bytes]], health: dict[str, str]) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    waiting = dict(health)
    while waiting:
        _require_alive(started)
        waiting = {name: url for name, url in waiting.items() if not answers(url)}
        if waiting and time.monotonic() > deadline:
            raise ResumableError("tunegate up", f"{', '.join(waiting)} did not answer", f"Look into {home() / 'logs'}.")
        time.sleep(POLL_S)


def _until_one_ends(started: dict[str, subprocess.Popen[bytes]]) -> None:
    for wish in (signal.SIGTERM, signal.SIGINT):  # a shell starts background jobs with SIGINT ignored
        signal.signal(wish, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            _require_alive(started)
            time.sleep(1)


def _require_alive(started: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, child in started.items():
        if child.poll() is not None:
            cause = f"{name} ended with exit code {child.returncode}"
            raise ResumableError("tunegate up", cause, f"Look into {home() / 'logs'}; `tunegate doctor` may know it.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
