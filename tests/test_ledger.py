"""The ledger remembers what was bought, answered, opened and spent, whatever dies, in SQLite and in PostgreSQL."""

import os
import signal
import stat
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text, update
from sqlalchemy.exc import StatementError

from data_contracts.answers import AnswerStore, StoredAnswer
from tasks import ledger_tables
from tasks.errors import ConfigurationError, FormatVersionError, ResumableError
from tasks.ledger import Ledger
from tasks.ledger_tables import IntentState
from tests import postgres
from tests.fake_clock import FakeClock

REPOSITORY = Path(__file__).parents[1]
KEY = "a" * 64
ANSWER = StoredAnswer(
    request="r1",
    model="local-base",
    output="refund",
    outcome="answered",
    finish_reason="stop",
    latency_ms=12.5,
    prompt_tokens=40,
    completion_tokens=2,
)


@pytest.fixture(scope="module")
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


def open_intent(ledger: Ledger, key: str = KEY, use_case: str = "support", run: str = "run-1") -> None:
    ledger.open_intent(key, use_case, run, {"base_model": "local-base"})


# ---------------------------------------------------------------- purchases


def test_an_intent_outlives_the_ledger_that_wrote_it(ledger: Ledger, url: str) -> None:
    open_intent(ledger)
    found = Ledger(url).intent(KEY)
    assert found is not None
    assert (found.state, found.run, found.request) == (IntentState.INTENT, "run-1", {"base_model": "local-base"})


def test_opening_an_intent_again_leaves_it_where_it_is(ledger: Ledger) -> None:
    open_intent(ledger)
    ledger.advance(KEY, IntentState.UPLOADED, training_file_id="file-1", validation_file_id=None)
    again = ledger.open_intent(KEY, "support", "run-2", {"base_model": "local-base"})
    assert (again.state, again.run, again.training_file_id) == (IntentState.UPLOADED, "run-1", "file-1")


def test_each_request_for_a_job_counts_as_an_attempt(ledger: Ledger) -> None:
    open_intent(ledger)
    for _ in range(2):
        ledger.advance(KEY, IntentState.UPLOADED)
        intent = ledger.advance(KEY, IntentState.SUBMITTING)
    assert intent.attempt == 2


def test_a_movement_is_dated_by_the_ledgers_clock(ledger: Ledger, clock: FakeClock) -> None:
    open_intent(ledger)
    clock.advance(60)
    assert ledger.advance(KEY, IntentState.UPLOADED).updated_at == clock.now()


def test_of_two_that_want_to_send_only_one_may(ledger: Ledger, url: str) -> None:
    open_intent(ledger)
    ledger.advance(KEY, IntentState.UPLOADED)
    Ledger(url).advance(KEY, IntentState.SUBMITTING)
    with pytest.raises(ResumableError, match="is SUBMITTING and cannot become SUBMITTING"):
        ledger.advance(KEY, IntentState.SUBMITTING)


def test_a_submitted_intent_never_goes_back(ledger: Ledger) -> None:
    open_intent(ledger)
    for state in (IntentState.UPLOADED, IntentState.SUBMITTING, IntentState.SUBMITTED):
        ledger.advance(KEY, state)
    for state in (IntentState.INTENT, IntentState.UPLOADED, IntentState.SUBMITTING):
        with pytest.raises(ResumableError):
            ledger.advance(KEY, state)


def test_an_unknown_intent_cannot_move(ledger: Ledger) -> None:
    with pytest.raises(ResumableError, match="not in the ledger"):
        ledger.advance(KEY, IntentState.UPLOADED)


def test_intents_are_listed_by_use_case(ledger: Ledger) -> None:
    open_intent(ledger, "a" * 64, "support")
    open_intent(ledger, "b" * 64, "billing")
    assert [intent.key[0] for intent in ledger.intents("billing")] == ["b"]
    assert len(ledger.intents()) == 2


# ---------------------------------------------------------------- lock


def test_a_second_holder_is_told_that_it_waits_and_then_gets_the_lock(ledger: Ledger, url: str) -> None:
    events: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with Ledger(url).lock(KEY, waiting.set):
            events.append("second")

    with ledger.lock(KEY):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        events.append("first")
    thread.join(20)
    assert events == ["first", "second"]


def test_different_keys_do_not_wait_for_each_other(ledger: Ledger, url: str) -> None:
    with ledger.lock("a" * 64), Ledger(url).lock("b" * 64):
        pass


def test_a_lock_dies_with_its_process(ledger: Ledger, url: str) -> None:
    program = (
        f"from tasks.ledger import Ledger\nwith Ledger({url!r}).lock({KEY!r}):\n print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with ledger.lock(KEY):
        pass


# ---------------------------------------------------------------- answers


def test_stored_answers_come_back_as_they_were(ledger: Ledger) -> None:
    store: AnswerStore = ledger
    store.store_answers([ANSWER])
    assert store.stored_answers(["r1", "r2"]) == {"r1": ANSWER}


def test_the_first_answer_to_a_request_stays(ledger: Ledger) -> None:
    ledger.store_answers([ANSWER])
    ledger.store_answers([replace(ANSWER, output="other"), replace(ANSWER, request="r2")])
    assert ledger.stored_answers(["r1"])["r1"].output == "refund"
    assert "r2" in ledger.stored_answers(["r2"])


@pytest.mark.parametrize("output", ["", "nul \x00 inside", "half a pair \ud800", "naïve 漢字 🙂\u2028"])
def test_no_text_is_too_odd_to_be_kept(ledger: Ledger, output: str) -> None:
    ledger.store_answers([replace(ANSWER, output=output)])
    assert ledger.stored_answers(["r1"])["r1"].output == output


def test_more_requests_than_one_query_holds_are_found(ledger: Ledger) -> None:
    requests = [f"r{number}" for number in range(1203)]
    ledger.store_answers(replace(ANSWER, request=request) for request in requests)
    assert set(ledger.stored_answers(requests)) == set(requests)


def test_no_answers_are_no_work(ledger: Ledger) -> None:
    ledger.store_answers([])
    assert ledger.stored_answers([]) == {}


def test_a_batch_is_stored_whole_or_not_at_all(ledger: Ledger) -> None:
    torn = replace(ANSWER, request="r2", outcome=None)  # type: ignore[arg-type]
    with pytest.raises(ResumableError) as stopped:
        ledger.store_answers([ANSWER, torn])
    assert ledger.stored_answers(["r1", "r2"]) == {}
    shown = "".join(traceback.format_exception(stopped.value))
    assert "local-base" not in shown, "an error must not quote what it could not store"


def test_a_value_of_the_wrong_type_is_not_quoted_either(ledger: Ledger) -> None:
    with pytest.raises(StatementError) as stopped:
        ledger.store_answers([replace(ANSWER, output=5)])  # type: ignore[arg-type]
    assert "local-base" not in str(stopped.value)


# ---------------------------------------------------------------- test sets


def test_a_text_keeps_the_partition_it_had_first(ledger: Ledger) -> None:
    ledger.remember("support", {"w1": "test", "w2": "train"}, "run-1")
    ledger.remember("support", {"w1": "train", "w3": "validation"}, "run-2")
    assert ledger.history("support") == {"w1": "test", "w2": "train", "w3": "validation"}


def test_each_use_case_remembers_for_itself(ledger: Ledger) -> None:
    ledger.remember("support", {"w1": "test"}, "run-1")
    assert ledger.history("billing") == {}


def test_an_opening_counts_once_a_run(ledger: Ledger, clock: FakeClock) -> None:
    for run in ("run-1", "run-1", "run-2"):
        ledger.record_opening("support", "5ea1", run, ["champion", "tune-full"])
        clock.advance(1)
    assert [opening.run for opening in ledger.openings("support")] == ["run-1", "run-2"]
    assert ledger.openings("support")[0].candidates == ("champion", "tune-full")
    assert ledger.openings("billing") == []


# ---------------------------------------------------------------- money


def test_a_payment_counts_once_however_often_it_is_recorded(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.record_spend("job-1", "support", "run-1", "training", 2.5)
    assert ledger.spent_in_run("run-1") == 2.5


def test_spending_is_summed_by_use_case_since_a_moment_and_by_run(ledger: Ledger, clock: FakeClock) -> None:
    ledger.record_spend("old", "support", "run-1", "training", 1.0)
    clock.advance(100)
    ledger.record_spend("new", "support", "run-2", "answers", 0.25)
    ledger.record_spend("other", "billing", "run-3", "answers", 8.0)
    assert ledger.spent("support", since=clock.now() - 50) == 0.25
    assert ledger.spent("support", since=0) == 1.25
    assert ledger.spent_in_run("run-2") == 0.25
    assert ledger.spent_in_run("run-9") == 0


# ---------------------------------------------------------------- runs


def test_a_runs_detail_is_gathered_over_its_life(ledger: Ledger, clock: FakeClock) -> None:
    ledger.record_run("run-1", "support", "started", {"file": "support.yaml"})
    started = clock.now()
    clock.advance(5)
    ledger.record_run("run-1", "support", "stopped", {"exit_code": 75, "message": "the provider is away"})
    run = ledger.run("run-1")
    assert run is not None
    assert (run.state, run.started_at, run.updated_at) == ("stopped", started, clock.now())
    assert run.detail == {"file": "support.yaml", "exit_code": 75, "message": "the provider is away"}


def test_runs_are_listed_oldest_first(ledger: Ledger, clock: FakeClock) -> None:
    for name in ("run-b", "run-a"):
        ledger.record_run(name, "support", "started", {})
        clock.advance(1)
    assert [run.run for run in ledger.runs()] == ["run-b", "run-a"]
    assert ledger.run("run-c") is None


def test_runs_that_write_at_the_same_time_do_not_disturb_each_other(ledger: Ledger, url: str) -> None:
    failures: list[Exception] = []

    def live(name: str) -> None:
        try:
            own = Ledger(url)
            for step in range(25):
                own.record_run(name, "support", "started", {f"step {step}": step})
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=live, args=(f"run-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert [len(run.detail) for run in ledger.runs()] == [25] * 4


# ---------------------------------------------------------------- the file itself


def test_a_ledger_of_a_newer_release_is_refused(ledger: Ledger, url: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(update(ledger_tables.meta).values(value=str(ledger_tables.FORMAT + 1)))
    with pytest.raises(FormatVersionError, match="Install a newer tunegate"):
        Ledger(url)


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
