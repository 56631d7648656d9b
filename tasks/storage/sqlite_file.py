"""A SQLite file as a whole: without what was deleted from it, or as a copy that is one moment of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.errors import ResumableError

BUSY_S = 30.0


def compact(path: Path) -> None:
    """Leave no page in the file or its log that holds a deleted row: https://sqlite.org/lang_vacuum.html, 2026-11.

    Raises ResumableError where another process keeps it busy.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = ON")
            database.execute("VACUUM")
            busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise _busy(path, str(error)) from error
    if busy:
        raise _busy(path, "its log is being read")


def copy(path: Path, target: Path) -> None:
    """Copy it as it stands at one moment, whoever writes to it meanwhile: https://sqlite.org/backup.html, 2026-11."""
    with closing(sqlite3.connect(path, timeout=BUSY_S)) as source, closing(sqlite3.connect(target)) as made:
        source.backup(made)
    target.chmod(0o600)


def _busy(path: Path, cause: str) -> ResumableError:
    return ResumableError(f"Overwriting what was deleted from {path}", cause, "Stop what uses it, then repeat.")
