"""Where a worker's run starts: Prefect takes this step before it loads a flow. The code is installed, not pulled."""

import os
from pathlib import Path

from tasks.errors import ConfigurationError

PROJECT = "TUNEGATE_PROJECT"


def enter_project() -> dict[str, str]:
    """The folder whose deployments/ names the use cases: TUNEGATE_PROJECT, else where the run was started.

    Raises ConfigurationError where the run's state would be lost with its machine or its folder.
    """
    if not Path(os.environ.get("TUNEGATE_HOME", "")).is_absolute():
        remedy = "Set it, in the worker's or the work pool's environment, to a folder that outlives a run."
        raise ConfigurationError("TUNEGATE_HOME", "is not set to an absolute path where this run works", remedy)
    folder = Path(os.environ.get(PROJECT) or ".").absolute()
    if not folder.is_dir():
        raise ConfigurationError(PROJECT, f"there is no folder {folder}", "Set it to the folder that has deployments/.")
    return {"directory": str(folder)}
