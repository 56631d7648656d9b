"""What a served model answers, as JSON lines that `monitor.sources` can name: only where somebody asks for it."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from data_contracts.production import ProductionRecord

VARIABLE = "TUNEGATE_PRODUCTION_LOG"  # rows are written nowhere unless it names a file
log = logging.getLogger("tunegate")


def append(records: Iterable[ProductionRecord]) -> None:
    """Add records to the file that the variable names, mode 0600; processes may share it. A failure stops no answer.

    A line is one write to a file opened for appending, under a lock where the system has one.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    lines = [record.model_dump_json(exclude_defaults=True).encode() + b"\n" for record in records]
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            _lock(stream.fileno())
            for line in lines:
                stream.write(line)
    except OSError as error:
        log.warning("%s: %s answers were not logged: %s", VARIABLE, len(lines), type(error).__name__)


def strike(path: Path, is_theirs: Callable[[bytes], bool]) -> int:
    """Blank the lines that somebody asked to forget, how many. Each keeps its length: nobody who appends is disturbed,
    and a kill in between leaves whole lines. Readers pass blank lines over.
    """
    struck = 0
    with path.open("r+b") as stream:
        _lock(stream.fileno())
        while line := stream.readline():
            if not line.isspace() and is_theirs(line):
                stream.seek(-len(line), os.SEEK_CUR)
                stream.write(b" " * len(line.rstrip(b"\n")) + b"\n" * line.endswith(b"\n"))
                struck += 1
        stream.flush()
        os.fsync(stream.fileno())
    return struck


def _lock(descriptor: int) -> None:
    """Until the file is closed: a long line may take the system more than one step."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows appends without it
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
