"""Answers deleted from the ledger because a person asked for it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select, text

from tasks.ledger import tables as table
from tasks.ledger.database import Database
from tasks.storage.sqlite_file import compact

CHUNK = 500  # values in one IN (...)
BATCH = 10_000  # answers read at a time


class Erasing(Database):
    """Deletes answers, and has the database keep no copy. What they cost stays on record."""

    def delete_answers(self, requests: Iterable[str]) -> int:
        """Delete the answers to these requests; how many there were."""
        with self._transaction() as connection:
            return _delete(connection, sorted(set(requests)))

    def delete_answers_that(self, hold: Callable[[str], bool]) -> int:
        """Delete the answers whose text is such, to whatever they answer; how many there were."""
        with self._transaction() as connection:
            return _delete(connection, [request for request, output in _answers(connection) if hold(output)])

    def compact(self) -> None:
        """Overwrite what was deleted. Raises ResumableError where the database is too busy for it."""
        if self.engine.dialect.name == "sqlite":
            compact(Path(str(self.engine.url.database)))
            return
        with self._reachable(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM FULL answers"))


def _answers(connection: Connection) -> Iterator[Any]:
    columns = table.answers.c
    last = ""
    while True:
        query = select(columns.request, columns.output).where(columns.request > last).order_by(columns.request)
        found = connection.execute(query.limit(BATCH)).all()
        if not found:
            return
        yield from found
        last = found[-1].request


def _delete(connection: Connection, requests: list[str]) -> int:
    column, deleted = table.answers.c.request, 0
    for start in range(0, len(requests), CHUNK):
        chosen = column.in_(requests[start : start + CHUNK])
        deleted += connection.execute(delete(table.answers).where(chosen)).rowcount
    return deleted
