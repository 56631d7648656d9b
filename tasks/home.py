"""Where state lives: `TUNEGATE_HOME`, `.tunegate/` in the working folder unless set; private to the user."""

import os
from pathlib import Path


def home() -> Path:
    """The state folder, created with mode 0700."""
    path = Path(os.environ.get("TUNEGATE_HOME") or ".tunegate").absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def run_path(run: str) -> Path:
    """Folder of one run, whether it exists or not."""
    return home() / "runs" / run
