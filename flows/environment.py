"""Settings of Prefect and MLflow as tunegate needs them, wherever it is called from.

`prepare` comes before the import of either. The same values stand in pyproject.toml's [tool.prefect], which Prefect
reads from the current folder; a variable that is set already wins.
"""

import json
import os
import urllib.request

from tasks.home import home

PREFECT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_RUNNER_POLL_FREQUENCY": "2",
}
OTHERS = {
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


def running() -> dict[str, str]:
    """Addresses of what `tunegate up` started, if its Prefect server answers; else nothing."""
    path = home() / "up.json"
    if not path.exists():
        return {}
    addresses: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return addresses if answers(f"{addresses['prefect_api']}/health") else {}


def answers(url: str) -> bool:
    """Whether an address on this machine answers a GET with success, within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - loopback addresses of our own file
            return bool(response.status == 200)
    except OSError:
        return False
