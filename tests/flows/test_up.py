"""`tunegate up`: one a home, it uses the servers that are named, and what it says in up.json stays true."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from filelock import FileLock

from flows.environment import answers
from flows.up import Place, keep_awake
from tests.command import TUNEGATE, Shell

DEADLINE_S = 180
PASSWORD = "not-a-real-password"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / ".tunegate").mkdir(mode=0o700)
    return Shell(tmp_path)


def test_a_second_one_of_the_same_home_is_refused(shell: Shell) -> None:
    with FileLock(shell.home / "up.lock"):
        done = shell("up")
    assert done.returncode == 2
    assert "runs already" in done.stderr


@pytest.mark.parametrize("name", ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"])
def test_a_server_that_is_named_and_does_not_answer_is_said_and_nothing_is_started(name: str, shell: Shell) -> None:
    done = Shell(shell.folder, {name: f"http://admin:{PASSWORD}@127.0.0.1:1/api"})("up")
    assert done.returncode == 2
    assert name in done.stderr
    assert PASSWORD not in done.stderr
    assert not (shell.home / "logs").exists()


def test_a_provider_that_was_started_again_is_found_at_its_new_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNEGATE_PROVIDER_URL", raising=False)
    place = Place("http://127.0.0.1:1/api", "http://127.0.0.1:2")
    seen = []
    for _ in range(2):
        keep_awake(place)
        seen.append(json.loads((home / "up.json").read_text())["provider"])
        assert answers(f"{seen[-1].removesuffix('/v1')}/health")
        os.kill(json.loads((home / "provider" / "server.json").read_text())["pid"], signal.SIGKILL)
    assert seen[0] != seen[1]


@pytest.mark.slow
def test_a_prefect_server_that_is_named_is_used_and_outlives_it(prefect_api: str, shell: Shell) -> None:
    environment = {**os.environ, "TUNEGATE_HOME": str(shell.home), "PREFECT_API_URL": prefect_api}
    command = [TUNEGATE, "up"]
    with subprocess.Popen(command, cwd=shell.folder, env=environment, stdout=subprocess.PIPE, text=True) as up:
        deadline = time.monotonic() + DEADLINE_S
        while not (shell.home / "up.json").exists():
            assert time.monotonic() < deadline
            assert up.poll() is None
            time.sleep(0.2)
        told = json.loads((shell.home / "up.json").read_text())
        up.terminate()
        shown, _ = up.communicate(timeout=60)
    assert told["prefect_api"] == prefect_api
    assert "named by PREFECT_API_URL" in shown
    assert "Ready in " in shown
    assert "watch/all" in shown
    assert not (shell.home / "logs" / "prefect.log").exists()
    assert answers(f"{prefect_api}/health")
