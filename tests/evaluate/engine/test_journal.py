"""A store of answers in one file: what it was told is there again, whatever killed whoever wrote it."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from data_contracts.answers import AnswerStore
from tasks.evaluate.engine.journal import FileJournal
from tests.evaluate.scripted_endpoint import Arrival, echo, scripted_endpoint
from tests.evaluate.test_answer import ask, questions
from tests.ledger.test_records import ANSWER

REPOSITORY = Path(__file__).parents[3]
ODD = replace(ANSWER, request="r2", output="half a pair \ud800, a\nline\x00", ttft_ms=1.5, confidence=0.25)


def test_what_was_stored_is_there_for_the_next_process(tmp_path: Path) -> None:
    store: AnswerStore = FileJournal(tmp_path / "deep" / "journal.jsonl")
    store.store_answers([ANSWER])
    store.store_answers([ODD])
    again = FileJournal(tmp_path / "deep" / "journal.jsonl")
    assert again.stored_answers(["r1", "r2", "r3"]) == {"r1": ANSWER, "r2": ODD}


def test_an_answer_that_is_written_at_once_outlives_a_kill_before_any_flush(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _KILLED, tmp_path / "j"]
    assert subprocess.run(program, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    assert FileJournal(tmp_path / "j").stored_answers(["r1", "r2"]) == {"r1": ANSWER, "r2": ODD}


_KILLED = """
import os, signal, sys
from tasks.evaluate.engine.journal import FileJournal
from tests.evaluate.engine.test_journal import ANSWER, ODD
journal = FileJournal(sys.argv[1])
journal.write(ANSWER)
journal.write(ODD)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_each_answer_is_in_the_file_before_its_worker_asks_the_next_question(tmp_path: Path) -> None:
    lines: list[int] = []

    async def script(arrival: Arrival) -> web.Response:
        lines.append((tmp_path / "j").read_bytes().count(b"\n"))
        return await echo(arrival)

    with scripted_endpoint(script) as server:
        ask(questions(30), server, FileJournal(tmp_path / "j"), max_concurrency=1)
    assert lines == [*range(30)]


def test_the_first_answer_to_a_request_stays(tmp_path: Path) -> None:
    store = FileJournal(tmp_path / "j")
    for output in ("first", "second"):
        store.store_answers([replace(ANSWER, output=output)])
    assert FileJournal(tmp_path / "j").stored_answers(["r1"])["r1"].output == "first"


@pytest.mark.parametrize("torn", [1, 20, 100])
def test_a_line_that_was_torn_is_cut_and_the_file_goes_on(tmp_path: Path, torn: int) -> None:
    FileJournal(tmp_path / "j").store_answers([ANSWER, ODD])
    with (tmp_path / "j").open("r+b") as file:
        file.truncate((tmp_path / "j").stat().st_size - torn)
    mended = FileJournal(tmp_path / "j")
    assert set(mended.stored_answers(["r1", "r2"])) == {"r1"}
    mended.store_answers([ODD])
    assert FileJournal(tmp_path / "j").stored_answers(["r1", "r2"]) == {"r1": ANSWER, "r2": ODD}


def test_answers_are_for_their_user_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        FileJournal(tmp_path / "j")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600


def test_a_batch_that_cannot_be_written_ends_the_run_and_is_not_half_there(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _SMALL_DISK, tmp_path / "j"]
    run = subprocess.run(program, cwd=REPOSITORY, capture_output=True, check=False)
    assert b"ResumableError: The journal" in run.stderr, run.stderr
    kept = FileJournal(tmp_path / "j").stored_answers(["r1", *(f"x{number}" for number in range(50))])
    assert kept == {"r1": ANSWER}


_SMALL_DISK = """
import resource, signal, sys
from dataclasses import replace
from tasks.evaluate.engine.journal import FileJournal
from tests.ledger.test_records import ANSWER
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = FileJournal(sys.argv[1])
journal.store_answers([ANSWER])
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
journal.store_answers([replace(ANSWER, request=f"x{number}") for number in range(50)])
"""


def test_a_killed_run_pays_for_nothing_twice_when_it_comes_back(tmp_path: Path) -> None:
    async def script(arrival: Arrival) -> web.Response:
        await asyncio.sleep(0.05)
        return await echo(arrival)

    with scripted_endpoint(script) as server:
        run = [sys.executable, "-c", _RUN, tmp_path / "j", server.url]
        process = subprocess.Popen(run, cwd=REPOSITORY)
        while len(server.arrivals) < 80:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = set(FileJournal(tmp_path / "j").stored_answers([one.request for one in questions(120)]))
        before = len(server.arrivals)
        answers = ask(questions(120), server, FileJournal(tmp_path / "j"))
    asked_again = [arrival.body["messages"][-1]["content"] for arrival in server.arrivals[before:]]
    assert len(kept) >= 80 - 8, "all but what was in flight"
    assert sorted(asked_again) == sorted(answer.case for answer in answers if answer.request not in kept)


_RUN = """
import sys
from tasks.evaluate.engine.journal import FileJournal
from tests.evaluate.scripted_endpoint import Scripted
from tests.evaluate.test_answer import ask, questions
ask(questions(120), Scripted(sys.argv[2]), FileJournal(sys.argv[1]))
"""
