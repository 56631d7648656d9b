"""Settings of Prefect and MLflow as tunegate needs them, wherever it is called from.

`prepare` comes before the import of either. The same values stand in pyproject.toml's [tool.prefect], which Prefect
reads from the current folder; a variable that is set already wins.
"""

import json
import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import ResumableError
from tasks.home import home
from tasks.providers.redact import shown

PREFECT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # else the slots of runs are forgotten in a restart, and runs end that lose theirs
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_RUNNER_POLL_FREQUENCY": "2",
}
CREDENTIALS = re.compile(r"//[^/@ ]+@")
OTHERS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # deployments/automations.yaml waits for six of them
    "PREFECT_LOGGING_EXTRA_LOGGERS": "tunegate",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else seven more processes and 2 GB
    "GX_ANALYTICS_ENABLED": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def prepare() -> None:
    """Set what is not set: quiet, private to TUNEGATE_HOME, attached to the servers of `tunegate up` where they run."""
    for name, value in {**PREFECT, **OTHERS, "PREFECT_HOME": str(home() / "prefect")}.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    if api := running().get("prefect_api"):
        os.environ.setdefault("PREFECT_API_URL", api)


@contextmanager
def prefect_reachable() -> Iterator[None]:
    """Prefect's errors about a server that is not there, or went away, as one that says which, and what to do."""
    from httpx import TransportError

    try:
        yield
    except TransportError:
        cause, remedy = f"the Prefect server{_prefect_address()} went away", "Start it again. What was paid is kept."
        raise ResumableError("The trial", cause, remedy) from None
    except RuntimeError as error:
        if not any(told in str(error) for told in ("Failed to reach API", "ephemeral Prefect", "available port")):
            raise
        if address := _prefect_address():
            raise ResumableError(
                "The trial", f"no Prefect server answers{address}", "Start it, or unset PREFECT_API_URL."
            ) from None
        cause = "Prefect's temporary server did not start"
        raise ResumableError("The trial", cause, "Run again; `tunegate doctor` may know why.") from error


def _prefect_address() -> str:
    """` at ADDRESS` where one is set, without what may be a password."""
    address = os.environ.get("PREFECT_API_URL", "")
    return f" at {address_shown(address)}" if address else ""


def address_shown(url: str) -> str:
    """A server's address as it may be shown: without the user and password that it may hold."""
    return shown(CREDENTIALS.sub("//***@", url))


def running() -> dict[str, str]:
    """Addresses of what `tunegate up` started, if its Prefect server answers; else nothing."""
    path = home() / "up.json"
    if not path.exists():
        return {}
    addresses: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return addresses if answers(f"{addresses['prefect_api']}/health") else {}


def answers(url: str) -> bool:
    """Whether an address answers a GET with success, within two seconds. Whoever is asked for its health asks nobody's
    password: one in the address stays here.
    """
    try:
        with urllib.request.urlopen(CREDENTIALS.sub("//", url), timeout=2) as response:  # noqa: S310 - a server's own
            return bool(response.status == 200)
    except OSError:
        return False
