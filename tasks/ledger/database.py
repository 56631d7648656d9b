"""One database as the ledger needs it: migrated, transactional, with locks that die with their process."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, ColumnElement, Connection, Table, func, select
from sqlalchemy.exc import DatabaseError

from tasks.clock import Clock, SystemClock
from tasks.errors import FormatVersionError, ResumableError
from tasks.home import home
from tasks.ledger import tables as table
from tasks.ledger.migrations import migrate
from tasks.ledger.tables import FORMAT


def _say_nothing() -> None:
    pass


def _at_home() -> URL:
    return URL.create("sqlite", database=str(home() / "ledger.db"))


class Database:
    """Open in any number of processes: `url`, else TUNEGATE_LEDGER_URL, else ledger.db at home."""

    def __init__(self, url: str | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.engine = table.connect(url or os.environ.get("TUNEGATE_LEDGER_URL") or _at_home())
        self._prepare()

    @property
    def name(self) -> str:
        """Its address without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None] = _say_nothing) -> Iterator[None]:
        """Hold a key alone, on every host that shares the ledger. Dies with its process; `waiting` is called once."""
        acquire = self._advisory_lock if self.engine.dialect.name == "postgresql" else self._file_lock
        held = acquire(key, waiting)
        try:
            yield
        finally:
            held()

    # ------------------------------------------------------------ plumbing

    def _prepare(self) -> None:
        with self.lock("schema"), self._transaction() as connection:
            table.meta.create(connection, checkfirst=True)
            found = connection.scalar(select(table.meta.c.value).where(table.meta.c.key == "format"))
            if found is not None and int(found) > FORMAT:
                raise FormatVersionError(self.name, int(found), FORMAT)
            if found is not None and int(found) < FORMAT:
                migrate(connection, int(found), FORMAT)
            table.schema.create_all(connection)
            mark = table.insert(self.engine, table.meta).values(key="format", value=str(FORMAT))
            told = {"value": str(FORMAT)}
            connection.execute(mark.on_conflict_do_update(index_elements=[table.meta.c.key], set_=told))

    def _add(self, target: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows in one transaction; those whose key is there already stay as they are."""
        if rows:
            with self._transaction() as connection:
                connection.execute(table.insert(self.engine, target).on_conflict_do_nothing(), rows)

    def _sum(self, *conditions: ColumnElement[bool]) -> float:
        with self._transaction() as connection:
            return float(connection.scalar(select(func.sum(table.spend.c.amount)).where(*conditions)) or 0)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A transaction that is on disk, whole, when it ends."""
        with self._reachable(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            cause = str(error.orig).strip().splitlines()[0]
            remedy = "See that it can be reached and written and that the disk has room, then `tunegate resume`."
            raise ResumableError(f"The ledger {self.name}", cause, remedy) from None  # its further lines quote rows

    def _file_lock(self, key: str, waiting: Callable[[], None]) -> Callable[[], None]:
        """Beside the database, so that everybody who shares the one shares the other."""
        folder = Path(str(self.engine.url.database)).parent / "locks"
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = FileLock(folder / f"{key}.lock", mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        return lock.release

    def _advisory_lock(self, key: str, waiting: Callable[[], None]) -> Callable[[], None]:
        """Held by a session of its own: closing it, or losing it, lets the lock go."""
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)
        with self._reachable():
            session = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not session.scalar(select(func.pg_try_advisory_lock(number))):
                waiting()
                session.execute(select(func.pg_advisory_lock(number)))
        return session.close
