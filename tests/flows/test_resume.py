"""What a kill leaves behind, and how a run goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.ledger import Ledger
from tests.embedded import embedded_server
from tests.small_use_case import small_use_case

TUNEGATE = Path(sys.executable).with_name("tunegate")
SLOW_JOB = {"latency": {"scale": 0}, "job_seconds": {"validating_files": 0.1, "queued": 0.1, "running": 600}}
QUICK_JOB = {"validating_files": 0.1, "queued": 0.1, "running": 0.1}
DEADLINE_S = 300  # for a machine with more to do than this


@pytest.mark.slow
def test_a_run_killed_while_its_job_trains_resumes_on_the_same_job(
    tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_server(tmp_path / "server", settings=SLOW_JOB) as server:
        monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        use_case = small_use_case(tmp_path / "case")
        killed = subprocess.Popen([TUNEGATE, "run", str(use_case)], stderr=subprocess.DEVNULL, start_new_session=True)
        _await(lambda: bool(server.log("jobs.retrieve")))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        run = Ledger().runs()[0].run
        server.change_settings(job_seconds=QUICK_JOB)
        resumed = subprocess.run([TUNEGATE, "resume", run], check=False, capture_output=True, text=True)
        assert resumed.returncode == 0, resumed.stderr
        assert "PROMOTE" in resumed.stdout
        assert len(server.log("jobs.create")) == 1
        assert len(server.log("files.create")) == 2
        assert Ledger().run(run).state == "finished"


@pytest.mark.slow
def test_a_run_ended_by_sigterm_while_its_job_trains_says_what_becomes_of_the_job_and_how_to_go_on(
    tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_server(tmp_path / "server", settings=SLOW_JOB) as server:
        monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        command = [TUNEGATE, "run", str(small_use_case(tmp_path / "case"))]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _await(lambda: bool(server.log("jobs.retrieve")))
        run.terminate()
        shown, said = run.communicate()
        [row] = Ledger().runs()
        assert (run.returncode, shown) == (75, ""), said
        assert "goes on at the provider, as `fine_tune.on_cancel: keep` says" in said
        assert said.endswith(f"Go on with: tunegate resume {row.run}\n")
        assert "Traceback" not in said
        assert (row.state, row.detail["exit_code"]) == ("stopped", 75)
        assert server.log("jobs.cancel") == []


def _await(condition: object) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.1)
