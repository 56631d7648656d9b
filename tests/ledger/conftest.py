"""An empty ledger for each test, once in SQLite and once in PostgreSQL."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tasks.ledger import Ledger
from tests import postgres
from tests.fake_clock import FakeClock


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    if not postgres.installed():
        pytest.skip("PostgreSQL is not installed")
    with postgres.postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    address, name = request.getfixturevalue("server"), f"ledger_{uuid.uuid4().hex}"
    administration = create_engine(f"{address}postgres", isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    administration.dispose()
    return f"{address}{name}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(url: str, clock: FakeClock) -> Ledger:
    return Ledger(url, clock)
