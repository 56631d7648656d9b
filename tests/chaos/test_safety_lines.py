"""Each line that keeps a purchase safe is missed: without it, in a copy of the source, a public test fails."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("flows", "tasks", "data_contracts", "deployments", "tests", "pyproject.toml")
LOST = "tests/finetune/test_lost_answers.py::"
SUBMIT = "tests/finetune/test_submit.py::"
WIRE = "tests/providers/test_openai_wire.py::"
EGRESS = "tests/safety/test_egress.py::test_a_redirect_carries_nothing_elsewhere"
TESTS_FAILED = 1  # pytest's exit code; a copy that cannot even be imported would end with another


@dataclass(frozen=True)
class Line:
    """A safety line: where it stands, what stands there without it, and the test that then fails."""

    file: str
    old: str
    new: str
    fails: str


LINES = {
    "the intent is written before the paid request": Line(
        "tasks/finetune/submit.py",
        "        intent = self.ledger.advance(intent.key, IntentState.SUBMITTING)\n",
        "",
        f"{LOST}test_submitting_is_on_disk_before_the_request_leaves",
    ),
    "who finds a request under way looks for its job": Line(
        "tasks/finetune/submit.py",
        "        if intent.state is IntentState.SUBMITTING:\n            return self._reconcile(intent)\n",
        "",
        f"{LOST}test_a_parked_purchase_is_never_repeated_by_itself",
    ),
    "a lost answer is looked for": Line(
        "tasks/finetune/submit.py",
        "        except AmbiguousAnswerError:\n",
        "        except ZeroDivisionError:\n",
        f"{LOST}test_a_job_whose_answer_was_lost_is_found_and_counts_as_bought_now",
    ),
    "the provider is searched before the first request": Line(
        "tasks/finetune/submit.py",
        "        if jobs := patiently(lambda: _jobs(self.provider, intent), self.clock):\n",
        "        if jobs := []:\n",
        f"{SUBMIT}test_a_job_bought_from_a_ledger_that_was_lost_is_found_before_the_first_request",
    ),
    "one purchase at a time": Line(
        "tasks/finetune/submit.py",
        '    with ledger.lock(key, lambda: log.warning("another run is buying %s: waiting to attach to it", key)):\n',
        "    if True:\n",
        f"{SUBMIT}test_a_run_that_comes_second_waits_and_attaches",
    ),
    "what is not found is parked": Line(
        "tasks/finetune/submit.py",
        'if self.order.fine_tune.when_unknown == "park" or intent.attempt >= RESUBMISSIONS:',
        "if intent.attempt >= RESUBMISSIONS:",
        f"{LOST}test_no_job_within_the_settling_time_parks_the_purchase",
    ),
    "of several jobs all but one are cancelled": Line(
        "tasks/finetune/submit.py",
        "        provider.cancel(surplus.id)\n    return (alive or list(jobs))[0]\n",
        "        pass\n    return (alive or list(jobs))[0]\n",
        f"{SUBMIT}test_of_several_jobs_the_oldest_living_one_is_kept_and_the_others_are_cancelled",
    ),
    "paid jobs are counted at the end": Line(
        "tasks/finetune/submit.py",
        "    if len(paid) > 1:\n        raise SeveralJobsError(submission.intent, [job.id for job in paid])\n",
        "",
        f"{SUBMIT}test_two_paid_jobs_of_one_intent_are_an_error",
    ),
    "a training file is what it was when it was hashed": Line(
        "tasks/finetune/submit.py",
        "        if hashlib.sha256(content).hexdigest() != file.sha256:\n",
        "        if False:\n",
        f"{SUBMIT}test_a_training_file_that_changed_is_not_uploaded",
    ),
    "the ledger lets nobody submit twice": Line(
        "tasks/ledger/rows.py",
        "    IntentState.SUBMITTING: (IntentState.UPLOADED,),\n",
        "    IntentState.SUBMITTING: (IntentState.UPLOADED, IntentState.SUBMITTING),\n",
        "tests/ledger/test_purchases.py",
    ),
    "a commit is on disk": Line(
        "tasks/ledger/tables.py",
        '"PRAGMA synchronous = FULL"',
        '"PRAGMA synchronous = OFF"',
        "tests/chaos/test_durability.py::test_a_commit_of_the_ledger_is_on_disk_when_it_returns",
    ),
    "a file is flushed before it is renamed": Line(
        "tasks/storage/__init__.py",
        "            os.fsync(stream.fileno())\n",
        "",
        "tests/chaos/test_durability.py::test_a_files_bytes_are_flushed_to_disk_before_it_takes_its_name",
    ),
    "a file is written beside and renamed": Line(
        "tasks/storage/__init__.py",
        '    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")\n',
        "    temporary = path\n",
        "tests/test_storage.py::test_a_write_that_fails_leaves_the_old_file",
    ),
    "the SDK retries nothing": Line(
        "tasks/providers/asking.py",
        "            max_retries=0,\n",
        "            max_retries=2,\n",
        f"{WIRE}test_an_answer_that_got_lost_is_ambiguous_and_the_job_is_asked_for_once",
    ),
    "redirects are not followed": Line(
        "tasks/providers/asking.py",
        "follow_redirects=False,",
        "follow_redirects=True,",
        f"{EGRESS}[307]",
    ),
    "answers to questions follow no redirect either": Line(
        "tasks/evaluate/engine/exchange.py",
        "allow_redirects=False",
        "allow_redirects=True",
        f"{EGRESS}[308]",
    ),
    "an answer about another object is refused": Line(
        "tasks/providers/asking.py",
        '            raise ValueError("another object than the one asked for")\n',
        "            pass\n",
        "tests/providers/test_openai_wire.py",
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree."""
    folder = tmp_path_factory.mktemp("source")
    for name in COPIED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
        else:
            shutil.copy(path, folder / name)
    return folder


@pytest.mark.parametrize("name", LINES)
def test_the_line_stands_where_it_is_looked_for(name: str) -> None:
    line = LINES[name]
    assert (ROOT / line.file).read_text().count(line.old) == 1


@pytest.mark.slow
def test_with_all_lines_in_place_those_tests_pass(source: Path) -> None:
    done = run_tests(source, *dict.fromkeys(line.fails for line in LINES.values()))
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_without_the_line_a_test_fails(name: str, source: Path) -> None:
    line = LINES[name]
    path = source / line.file
    whole = path.read_text()
    path.write_text(whole.replace(line.old, line.new))
    try:
        done = run_tests(source, "-x", line.fails)
    finally:
        path.write_text(whole)
    assert done.returncode == TESTS_FAILED, done.stdout[-3000:]


def run_tests(source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=300)
