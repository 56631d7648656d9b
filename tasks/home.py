"""Where state lives: `TUNEGATE_HOME`, `.tunegate/` in the working folder unless set; private to the user."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ResumableError


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """The system's own error (disk full, no right to write) as one that names the path and says how to go on."""
    try:
        yield
    except OSError as error:
        remedy = "Mend that (room, rights, TUNEGATE_HOME), then run again or `tunegate resume RUN`."
        raise ResumableError(f"Writing {path}", error.strerror or type(error).__name__, remedy) from error


def home() -> Path:
    """The state folder, created with mode 0700."""
    path = Path(os.environ.get("TUNEGATE_HOME") or ".tunegate").absolute()
    with writable(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def run_path(run: str) -> Path:
    """Folder of one run, whether it exists or not."""
    return home() / "runs" / run
