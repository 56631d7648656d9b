"""What happens after a trial, durable: moves of the champion, what a watch saw and told, what is forgotten."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import JSON, Column, Float, Integer, String, Table, delete, func, select, tuple_

from data_contracts.audit import Move
from tasks.ledger import tables as table
from tasks.ledger.database import Database

moves = Table(  # every move of a champion alias, in its order
    "moves",
    table.schema,
    Column("use_case", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("action", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("former", Integer),
    Column("by", String, nullable=False),
    Column("by_kind", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("run", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("moved_at", Float, nullable=False),
)

sightings = Table(  # what a watch last saw of something, so that the next one sees a change
    "sightings",
    table.schema,
    Column("use_case", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("facts", JSON, nullable=False),  # names, days and hashes, no row text
    Column("seen_at", Float, nullable=False),
)

notices = Table(  # what was told once and need not be told again
    "notices",
    table.schema,
    Column("use_case", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("told_at", Float, nullable=False),
)

forgotten = Table(  # rows that somebody asked to have deleted: no later trial takes them
    "forgotten",
    table.schema,
    Column("use_case", String, primary_key=True),
    Column("row", String, primary_key=True),  # sha256 of the row's id
    Column("words", String, primary_key=True),  # hash of its words, so that it is known under another id; may be empty
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("forgotten_at", Float, nullable=False),
)


@dataclass(frozen=True)
class Forgotten:
    """A row that must not come back. `row` is the sha256 of its id, `words` the hash of its words."""

    use_case: str
    row: str
    words: str
    by: str
    reason: str
    forgotten_at: float


class Operating(Database):
    """The part of the ledger that outlives a trial."""

    def record_move(self, move: Move) -> Move:
        """Keep a move of the champion alias; the move with its number. Call it under the registry's lock."""
        columns = moves.c
        with self._transaction() as connection:
            last = connection.scalar(select(func.max(columns.number)).where(columns.use_case == move.use_case))
            numbered = move.model_copy(update={"number": int(last or 0) + 1})
            connection.execute(moves.insert().values(numbered.model_dump()))
        return numbered

    def moves(self, use_case: str) -> list[Move]:
        """Every move of a use case's champion, oldest first."""
        query = select(moves).where(moves.c.use_case == use_case).order_by(moves.c.number)
        with self._transaction() as connection:
            return [Move.model_validate(dict(row._mapping)) for row in connection.execute(query)]

    def last_moves(self) -> list[Move]:
        """What made each use case's champion, by use case."""
        last = select(moves.c.use_case, func.max(moves.c.number)).group_by(moves.c.use_case)
        query = select(moves).where(tuple_(moves.c.use_case, moves.c.number).in_(last)).order_by(moves.c.use_case)
        with self._transaction() as connection:
            return [Move.model_validate(dict(row._mapping)) for row in connection.execute(query)]

    def see(self, use_case: str, subject: str, facts: Mapping[str, Any]) -> None:
        """Keep what a watch saw of a subject, in the place of what it saw before."""
        told = {"facts": dict(facts), "seen_at": self.clock.now()}
        added = table.insert(self.engine, sightings).values(use_case=use_case, subject=subject, **told)
        keys = [sightings.c.use_case, sightings.c.subject]
        with self._transaction() as connection:
            connection.execute(added.on_conflict_do_update(index_elements=keys, set_=told))

    def seen(self, use_case: str, subject: str) -> dict[str, Any] | None:
        """What a watch last saw of a subject."""
        columns = sightings.c
        same = (columns.use_case == use_case, columns.subject == subject)
        with self._transaction() as connection:
            facts = connection.scalar(select(columns.facts).where(*same))
        return dict(facts) if facts is not None else None

    def seen_of_all(self, subject: str) -> dict[str, dict[str, Any]]:
        """What a watch last saw of a subject, by use case."""
        columns = sightings.c
        query = select(columns.use_case, columns.facts).where(columns.subject == subject)
        with self._transaction() as connection:
            return {row.use_case: dict(row.facts) for row in connection.execute(query)}

    def told(self, use_case: str, key: str) -> bool:
        """Whether it was told already."""
        same = (notices.c.use_case == use_case, notices.c.key == key)
        with self._transaction() as connection:
            return connection.scalar(select(notices.c.key).where(*same)) is not None

    def tell_once(self, use_case: str, key: str) -> bool:
        """Whether this is the first time; from now on it is not."""
        added = table.insert(self.engine, notices).values(use_case=use_case, key=key, told_at=self.clock.now())
        with self._transaction() as connection:
            return bool(connection.execute(added.on_conflict_do_nothing()).rowcount)

    def untell(self, use_case: str, key: str) -> None:
        """Let it be told again: telling failed."""
        with self._transaction() as connection:
            connection.execute(delete(notices).where(notices.c.use_case == use_case, notices.c.key == key))

    def forget(self, rows: Iterable[Forgotten]) -> None:
        """Keep that rows must not come back; the first request stays."""
        self._add(forgotten, [asdict(row) for row in rows])

    def forgotten(self, use_case: str) -> list[Forgotten]:
        """Rows of a use case that must not come back, oldest first."""
        query = select(forgotten).where(forgotten.c.use_case == use_case).order_by(forgotten.c.forgotten_at)
        with self._transaction() as connection:
            return [Forgotten(**row._mapping) for row in connection.execute(query)]
