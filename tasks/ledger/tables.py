"""The ledger's tables, and what SQLite and PostgreSQL each need for a durable transaction."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    URL,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    NullPool,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    func,
    literal,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from tasks.errors import ConfigurationError
from tasks.home import writable

FORMAT = 4
SQLITE_BUSY_S = 30


class ExactText(TypeDecorator[str]):
    """Text as UTF-8 bytes: a NUL or a lone surrogate in one answer must not cost a batch of paid answers."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Text to bytes."""
        return None if value is None else value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Bytes to text."""
        return None if value is None else bytes(value).decode("utf-8", "surrogatepass")


class Measured(TypeDecorator[float]):
    """A figure that may not have been measured: NaN outside, NULL inside, for SQLite knows no NaN."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """NaN to NULL."""
        return None if value is None or math.isnan(value) else value

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        """NULL to NaN."""
        return math.nan if value is None else value


schema = MetaData()

meta = Table("meta", schema, Column("key", String, primary_key=True), Column("value", String, nullable=False))

intents = Table(
    "intents",
    schema,
    Column("key", String, primary_key=True),
    Column("use_case", String, nullable=False, index=True),
    Column("run", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("training_file_id", String),
    Column("validation_file_id", String),
    Column("job_id", String),
    Column("model", String),
    Column("job_state", String),
    Column("request", JSON, nullable=False),  # what is bought: hashes and settings, no row text
    Column("updated_at", Float, nullable=False),
    Column("quote", Float),  # USD that the provider said the job would cost
)

answers = Table(
    "answers",
    schema,
    Column("request", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("output", ExactText, nullable=False),
    Column("outcome", String, nullable=False),
    Column("finish_reason", String, nullable=False),
    Column("latency_ms", Measured),  # NULL: in a batch, no answer is timed by itself
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("ttft_ms", Float),  # NULL: not streamed
    Column("confidence", Float),  # NULL: the provider gave no probabilities
)

memory = Table(
    "partition_memory",
    schema,
    Column("use_case", String, primary_key=True),
    Column("words", String, primary_key=True),
    Column("partition", String, nullable=False),
    Column("run", String, nullable=False),
)

openings = Table(
    "openings",
    schema,
    Column("use_case", String, primary_key=True),
    Column("test_sha256", String, primary_key=True),
    Column("run", String, primary_key=True),
    Column("candidates", JSON, nullable=False),
    Column("opened_at", Float, nullable=False),
)

test_sets = Table(
    "test_sets",
    schema,
    Column("use_case", String, primary_key=True),
    Column("test_sha256", String, primary_key=True),
    Column("test_set", Integer, nullable=False),
    Column("run", String, nullable=False),
    Column("sealed_at", Float, nullable=False),
)

uploads = Table(
    "uploads",
    schema,
    Column("use_case", String, primary_key=True),
    Column("sha256", String, primary_key=True),
    Column("run", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("fingerprints", LargeBinary, nullable=False),  # of texts: hashes, no text
    Column("uploaded_at", Float, nullable=False),
)

spend = Table(
    "spend",
    schema,
    Column("key", String, primary_key=True),
    Column("use_case", String, nullable=False),
    Column("run", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("amount", Float, nullable=False),
    Column("spent_at", Float, nullable=False),
)

# A sum reads the index alone: a month may have a million rows, and every 200 answers ask for it.
spend_of_use_case = Index("ix_spend_of_use_case", spend.c.use_case, spend.c.spent_at, spend.c.amount)
spend_of_run = Index("ix_spend_of_run", spend.c.run, spend.c.spent_at, spend.c.amount)

approvals = Table(  # what a person said yes to: other content, no approval
    "approvals",
    schema,
    Column("run", String, primary_key=True),
    Column("kind", String, primary_key=True),  # spending, promotion
    Column("sha256", String, primary_key=True),
    Column("amount", Float),  # USD; NULL is unknown
    Column("approved_by", String, nullable=False),
    Column("approved_at", Float, nullable=False),
    Column("note", String, nullable=False),
    Column("how", String),  # self-declared in a form, or at the command line; NULL is from before it was kept
)

deletions = Table(  # what was deleted at a provider, and whether it was seen to be gone
    "deletions",
    schema,
    Column("intent", String, primary_key=True),
    Column("kind", String, primary_key=True),  # file, model, deployment
    Column("id", String, primary_key=True),
    Column("deleted_at", Float, nullable=False),
    Column("proven", Boolean, nullable=False),
)

nudges = Table(  # a webhook said that a job moved: look now, and believe only what the provider then says
    "nudges",
    schema,
    Column("job", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("received_at", Float, nullable=False),
)

runs = Table(
    "runs",
    schema,
    Column("run", String, primary_key=True),
    Column("use_case", String, nullable=False),
    Column("state", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)


def connect(url: str | URL) -> Engine:
    """An engine whose commit is on disk when it returns. No connection outlives its transaction."""
    _refuse_unusable(url)
    try:
        # hide_parameters: a database error must not quote an answer's text
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        remedy = 'Install the driver: pip install "tunegate[postgres]".'
        raise ConfigurationError("TUNEGATE_LEDGER_URL", f"{error.name} is not installed", remedy) from error
    if engine.dialect.name == "sqlite":
        _make_private(Path(str(engine.url.database)))
        event.listen(engine, "connect", _durable_sqlite)
        event.listen(engine, "begin", _lock_sqlite_for_writing)
    return engine


def insert(engine: Engine, table: Table) -> postgresql.Insert | sqlite.Insert:
    """INSERT in the form of both databases that knows ON CONFLICT."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def listed(engine: Engine, values: Sequence[str]) -> ColumnElement[str]:
    """Values as rows of a SELECT: one JSON text a statement, since a parameter a row takes both databases minutes."""
    each = func.json_array_elements_text if engine.dialect.name == "postgresql" else func.json_each
    return each(literal(list(values), JSON)).table_valued("value").c.value


def _refuse_unusable(url: str | URL) -> None:
    remedy = "Use sqlite:///folder/ledger.db or postgresql://user@host/database."
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("TUNEGATE_LEDGER_URL", "is not a database address", remedy) from error
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        problem = f"{parsed.get_backend_name()} cannot hold a ledger"
        raise ConfigurationError("TUNEGATE_LEDGER_URL", problem, remedy)
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError("TUNEGATE_LEDGER_URL", "a ledger in memory forgets what was paid", remedy)


def _make_private(path: Path) -> None:
    """Create the file before SQLite does: its journal takes over the mode."""
    with writable(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _durable_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    connection.isolation_level = None  # transactions begin where `_lock_sqlite_for_writing` says
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_S * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL would flush a WAL only at checkpoints


def _lock_sqlite_for_writing(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes cannot fail half-way as busy."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
