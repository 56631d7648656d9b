"""A purchase moves one way, by one hand at a time, and outlives whoever began it."""

import signal
import subprocess
import sys
import threading

import pytest

from tasks.errors import ResumableError
from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState
from tests.embedded import REPOSITORY
from tests.fake_clock import FakeClock

KEY = "a" * 64


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
