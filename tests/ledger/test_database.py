"""Where the ledger lies, who may read it, and what it refuses."""

import math
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text, update

from tasks.errors import ConfigurationError, FormatVersionError, ResumableError
from tasks.ledger import Ledger
from tasks.ledger import tables as ledger_tables
from tasks.ledger.rows import IntentState
from tests.embedded import REPOSITORY
from tests.ledger.test_records import ANSWER

KEY = "a" * 64
FORMER_RELEASE = Path(__file__).with_name("release_0_1_a.sql")


def test_a_ledger_of_a_newer_release_is_refused(ledger: Ledger, url: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(update(ledger_tables.meta).values(value=str(ledger_tables.FORMAT + 1)))
    with pytest.raises(FormatVersionError, match="Install a newer tunegate"):
        Ledger(url)


def test_a_ledger_of_the_former_release_goes_on(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.executescript(FORMER_RELEASE.read_text())
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert ledger.history("support") == {"w1": "test", "w2": "train"}
    assert [(opening.run, opening.test_set) for opening in ledger.openings("support")] == [("run-1", 1)]
    assert ledger.uploads("support") == []
    assert ledger.stored_answers(["r1"])["r1"].confidence is None
    ledger.record_upload("support", "run-2", "a" * 64, b"fingerprints", 1)
    ledger.record_test_set("support", "5ea2", 2, "run-2")
    assert len(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}").uploads("support")) == 1


TAKEN_BACK = {
    1: ["ALTER TABLE intents DROP COLUMN quote"],
    2: [
        "ALTER TABLE answers DROP COLUMN ttft_ms",
        "ALTER TABLE answers DROP COLUMN confidence",
        "ALTER TABLE answers ADD COLUMN latency FLOAT NOT NULL DEFAULT 12.5",
        "ALTER TABLE answers DROP COLUMN latency_ms",
        "ALTER TABLE answers RENAME COLUMN latency TO latency_ms",
        "DROP INDEX ix_spend_of_use_case",
        "DROP INDEX ix_spend_of_run",
        "CREATE INDEX ix_spend_use_case ON spend (use_case)",
        "CREATE INDEX ix_spend_run ON spend (run)",
    ],
    4: ["ALTER TABLE approvals DROP COLUMN how"],
}


def take_back(ledger: Ledger, wanted: int) -> None:
    """Make a ledger of an older format of today's: a step a format, the last first."""
    with ledger.engine.begin() as connection:
        for number in sorted(TAKEN_BACK, reverse=True):
            for statement in TAKEN_BACK[number] if number >= wanted else ():
                connection.execute(text(statement))
        connection.execute(update(ledger_tables.meta).values(value=str(wanted)))


def shape(ledger: Ledger) -> dict[str, tuple[set[str], set[str]]]:
    """The columns and indexes of each table."""
    found = inspect(ledger.engine)
    return {
        name: (
            {column["name"] for column in found.get_columns(name)},
            {str(i["name"]) for i in found.get_indexes(name)},
        )
        for name in found.get_table_names()
    }


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_a_ledger_of_an_older_format_becomes_todays_when_it_is_opened(ledger: Ledger, url: str, wanted: int) -> None:
    today = shape(ledger)
    take_back(ledger, wanted)
    assert shape(ledger) != today
    assert shape(Ledger(url)) == today


def test_what_an_older_format_held_is_there_after_the_migration(ledger: Ledger, url: str) -> None:
    ledger.open_intent(KEY, "support", "run-1", {})
    ledger.store_answers([ANSWER])
    take_back(ledger, 1)
    migrated = Ledger(url)
    assert migrated.advance(KEY, IntentState.UPLOADED, quote=2.5).quote == 2.5
    assert migrated.stored_answers(["r1"]) == {"r1": ANSWER}
    timed = replace(ANSWER, request="r2", ttft_ms=4.5, confidence=0.25)
    migrated.store_answers([timed, replace(ANSWER, request="r3", latency_ms=math.nan)])
    found = Ledger(url).stored_answers(["r2", "r3"])
    assert found["r2"] == timed
    assert math.isnan(found["r3"].latency_ms)


def test_a_migration_that_is_cut_short_leaves_the_old_format_whole(
    ledger: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_back(ledger, 1)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger_tables.schema, "create_all", die)
        with pytest.raises(KeyboardInterrupt):
            Ledger(url)
    columns = {column["name"] for column in inspect(ledger.engine).get_columns("intents")}
    assert "quote" not in columns
    Ledger(url).open_intent(KEY, "support", "run-1", {})


def test_several_processes_may_create_the_ledger_at_the_same_time(url: str) -> None:
    program = f"""from tasks.ledger import Ledger
print('ready', flush=True)
input()
Ledger({url!r}).record_spend('k', 'support', 'run', 'training', 1.0)"""
    starts = [
        subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdout is not None and start.stdout.readline() == b"ready\n"
    for start in starts:
        assert start.stdin is not None
        start.stdin.write(b"\n")
        start.stdin.flush()
    assert [start.wait(60) for start in starts] == [0, 0, 0, 0]
    assert Ledger(url).spent_in_run("run") == 1.0


def test_the_ledger_at_home_is_private_and_flushed_at_each_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TUNEGATE_LEDGER_URL", raising=False)
    old = os.umask(0)
    try:
        ledger = Ledger()
        with ledger.engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2, "2 is FULL"
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").glob("ledger.db*")}
    finally:
        os.umask(old)
    assert modes["ledger.db"] == 0o600 and set(modes.values()) == {0o600}, modes


def test_the_environment_says_where_the_ledger_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEGATE_LEDGER_URL", f"sqlite:///{tmp_path / 'shared' / 'ledger.db'}")
    Ledger().record_run("run-1", "support", "started", {})
    assert (tmp_path / "shared" / "ledger.db").exists()


def test_whoever_shares_a_ledger_file_shares_its_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, waited = f"sqlite:///{tmp_path / 'shared' / 'ledger.db'}", threading.Event()
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "one"))
    first = Ledger(address)
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "two"))
    second = Ledger(address)

    def wait_for_it() -> None:
        with second.lock(KEY, waited.set):
            pass

    with first.lock(KEY):
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        assert waited.wait(20)
    thread.join(20)


@pytest.mark.parametrize("address", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "not an address"])
def test_an_address_that_cannot_hold_a_ledger_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://"):
        Ledger(address)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ResumableError) as stopped:
        Ledger("postgresql://tunegate:s3cret@127.0.0.1:1/ledger")
    assert "s3cret" not in str(stopped.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"something else entirely, and long enough to be read as a header" * 20)
    with pytest.raises(ResumableError, match=r"ledger\.db"):
        Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
