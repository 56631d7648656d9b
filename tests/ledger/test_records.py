"""Answers, partitions, openings, money and runs: kept once, and for ever."""

import hashlib
import math
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.exc import StatementError

from data_contracts.answers import AnswerStore, StoredAnswer
from tasks.errors import ResumableError
from tasks.ledger import Ledger
from tasks.ledger.rows import Approval, Deletion
from tests.fake_clock import FakeClock

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


def test_what_only_some_answers_have_comes_back_too(ledger: Ledger) -> None:
    timed = replace(ANSWER, ttft_ms=3.25, confidence=0.875)
    ledger.store_answers([timed])
    assert ledger.stored_answers(["r1"]) == {"r1": timed}


def test_an_answer_that_nobody_timed_has_no_latency(ledger: Ledger) -> None:
    ledger.store_answers([replace(ANSWER, latency_ms=math.nan)])
    assert math.isnan(ledger.stored_answers(["r1"])["r1"].latency_ms)


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


def test_a_million_texts_would_be_remembered_in_seconds(ledger: Ledger) -> None:
    """Measured on 100,000: as many times as long as hashing as many texts, whatever the machine is busy with."""
    texts = {hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest(): "train" for number in range(100_000)}
    started = time.process_time()
    for text in texts:
        hashlib.sha256(text.encode()).digest()
    limit, started = time.process_time() - started, time.process_time()
    ledger.remember("support", texts, "run-1")
    assert ledger.history("support") == texts
    assert (time.process_time() - started) / limit < 30


def test_an_opening_says_which_test_set_a_hash_stands_for_and_without_a_note_it_is_the_first(ledger: Ledger) -> None:
    ledger.record_test_set("support", "5ea1", 2, "run-2")
    ledger.record_test_set("support", "5ea1", 3, "run-3")
    ledger.record_test_set("billing", "0ld", 4, "run-4")
    for sha256 in ("0ld", "5ea1"):
        ledger.record_opening("support", sha256, "run-2", ["best-prompt"])
    assert {opening.test_sha256: opening.test_set for opening in ledger.openings("support")} == {"0ld": 1, "5ea1": 2}


# ---------------------------------------------------------------- uploads


def test_an_upload_counts_once_and_its_fingerprints_come_back_to_the_byte(ledger: Ledger, clock: FakeClock) -> None:
    blobs = [bytes(range(256)) * 100, b""]
    for run, sha256, blob in (("run-1", "b", blobs[0]), ("run-2", "b", b"other"), ("run-3", "a", blobs[1])):
        ledger.record_upload("support", run, sha256, blob, len(blob))
        clock.advance(1)
    found = ledger.uploads("support")
    assert [(upload.run, upload.sha256, upload.rows) for upload in found] == [("run-1", "b", 25_600), ("run-3", "a", 0)]
    assert [upload.fingerprints for upload in found] == blobs
    assert ledger.uploads("billing") == []


def test_an_upload_shown_in_a_log_does_not_show_its_fingerprints(ledger: Ledger) -> None:
    ledger.record_upload("support", "run-1", "b", b"fingerprints of rows", 1)
    assert "of rows" not in repr(ledger.uploads("support"))


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


def test_a_sum_reads_an_index_alone_however_many_payments_there_are(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for of in ("use_case", "run"):
        query = f"EXPLAIN QUERY PLAN SELECT sum(amount) FROM spend WHERE {of} = 'x' AND spent_at >= 1.0"
        with ledger.engine.connect() as connection:
            plan = connection.execute(sqlalchemy.text(query)).one()[-1]
        assert f"USING COVERING INDEX ix_spend_of_{of} " in plan


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


def test_an_estimate_is_settled_by_what_was_paid_and_stays_in_its_month(ledger: Ledger, clock: FakeClock) -> None:
    ledger.record_spend("training a", "support", "run-1", "training", 9.0)
    ledger.record_spend("training b", "support", "run-1", "training", 1.0)
    bought = clock.now()
    clock.advance(60)
    ledger.settle_spend("training a", 6.5)
    assert ledger.spent("support", since=bought) == ledger.spent_in_run("run-1") == 7.5
    assert ledger.spent("support", since=clock.now()) == 0


# ---------------------------------------------------------------- approvals, deletions, webhooks


def approval(sha256: str = "a" * 64, by: str = "Ada") -> Approval:
    return Approval("run-1", "spending", sha256, 12.5, by, 1000.0, "as discussed")


def test_an_approval_holds_for_exactly_what_was_approved(ledger: Ledger) -> None:
    ledger.approve(approval())
    assert ledger.approval("run-1", "spending", "a" * 64) == approval()
    assert ledger.approval("run-1", "spending", "b" * 64) is None
    assert ledger.approval("run-2", "spending", "a" * 64) is None


def test_the_first_yes_to_the_same_content_stays(ledger: Ledger) -> None:
    ledger.approve(approval())
    ledger.approve(approval(by="Bob"))
    assert ledger.approval("run-1", "spending", "a" * 64) == approval()


def test_a_deletion_that_is_proven_later_counts(ledger: Ledger) -> None:
    first = Deletion("a" * 64, "file", "file-1", 1000.0, proven=False)
    ledger.record_deletion(first)
    ledger.record_deletion(replace(first, deleted_at=1060.0, proven=True))
    assert ledger.deletions("a" * 64) == [replace(first, deleted_at=1060.0, proven=True)]
    assert ledger.deletions("b" * 64) == []


def test_each_nudge_is_told_from_the_one_before(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.nudged_at("job-1") is None
    ledger.nudge("job-1", "succeeded")
    first = ledger.nudged_at("job-1")
    clock.advance(1)
    ledger.nudge("job-1", "succeeded")
    assert first is not None and ledger.nudged_at("job-1") == first + 1
