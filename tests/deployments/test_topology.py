"""The services of deployments/compose.yaml without containers: a trial from the API ends with a champion."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import postgres
from tests.deployments.topology import PASSWORDS, Topology, clean_environment, topology
from tests.embedded import embedded_server
from tests.flows.worker import Prefect, at_prefect, await_that, deployed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not postgres.installed(), reason="PostgreSQL is not on this machine"),
]
ANSWER = "import mlflow; print(mlflow.pyfunc.load_model('models:/tunegate.small_one@champion').predict(['plum pear']))"


@dataclass
class Finished:
    """A trial that a worker of the pool took from the API to its end."""

    place: Topology
    prefect: Prefect
    provider: str

    def told(self, *words: str) -> dict[str, Any]:
        """What `tunegate ... --json` says, with the worker's variables."""
        said = self.said("-c", "from flows.cli import main; main()", *words, "--json")
        plain: dict[str, Any] = json.loads(said)
        return plain

    def said(self, *command: str) -> str:
        variables = {**self.place.variables("worker"), "TUNEGATE_PROVIDER_URL": self.provider}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.place.project,
            env={**clean_environment(), **variables},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

    root = tmp_path_factory.mktemp("topology")
    with topology(root) as place, embedded_server(root / "provider") as provider:
        deployed(place.project, "small_one")
        auth = temporary_settings({PREFECT_API_AUTH_STRING: f"admin:{PASSWORDS['PREFECT_PASSWORD']}"})
        with auth, at_prefect(place.prefect) as prefect:
            this = Finished(place, prefect, provider.url)
            this.said("-m", "deployments.publish")
            assert place.start("deploy", place.project).wait(timeout=300) == 0, place.log("deploy").read_text()
            worker = place.start("worker", place.project, TUNEGATE_PROVIDER_URL=provider.url)
            try:
                prefect.await_state(prefect.start("small_one"), "Completed")
                yield this
            finally:
                worker.terminate()
                worker.wait(timeout=60)


def test_the_champion_of_a_trial_from_the_api_answers(finished: Finished) -> None:
    assert "fruit" in finished.said("-c", ANSWER)


def test_artifacts_are_in_the_object_store_and_the_ledger_in_postgres(finished: Finished) -> None:
    kept = finished.place.artifacts()
    assert any(key.endswith("report.html") for key in kept)
    assert any(key.endswith("MLmodel") for key in kept)
    status = finished.told("status")
    assert status["ledger"].startswith("postgresql")
    assert [run["state"] for run in status["runs"]] == ["finished"]
    assert not list((finished.place.folder / "home").glob("*.db")), "nothing was kept on this machine instead"


def test_neither_server_answers_who_does_not_say_who_he_is(finished: Finished) -> None:
    places = {f"{finished.place.prefect}/deployments/count": b"{}", f"{finished.place.mlflow}{EXPERIMENT}": None}
    for url, body in places.items():
        assert _status(url, body) == 401
        assert _status(url, body, authorization=_basic("admin", "a wrong password")) == 401


def test_mlflow_answers_under_the_names_that_the_file_allows_and_no_other(finished: Finished) -> None:
    url = f"{finished.place.mlflow}{EXPERIMENT}"
    known = _basic("admin", PASSWORDS["MLFLOW_PASSWORD"])
    assert _status(url, None, authorization=known, host="mlflow:5000") == 200
    assert _status(url, None, authorization=known, host="elsewhere.example") == 403


def test_no_password_reaches_logs_the_run_folder_or_what_a_server_shows(finished: Finished) -> None:
    place = finished.place
    files = [*place.folder.glob("*.log"), *(place.folder / "home" / "runs").rglob("*")]
    shown = {str(path): path.read_bytes() for path in files if path.is_file()}
    client = finished.prefect.client
    served = [*client.read_deployments(), *client.read_work_pools(), *client.read_logs()]
    shown["Prefect"] = json.dumps([item.model_dump(mode="json") for item in served]).encode()
    told = {name for name, text in shown.items() for word in PASSWORDS.values() if word.encode() in text}
    assert told == set()


def test_the_doctor_has_nothing_broken_to_say(finished: Finished) -> None:
    findings = finished.told("doctor", "small_one")["findings"]
    assert [item for item in findings if item["state"] == "broken"] == []
    assert not any(word in str(findings) for word in PASSWORDS.values())


def test_a_worker_says_that_it_is_well(finished: Finished) -> None:
    port = finished.place.variables("worker")["PREFECT_WORKER_WEBSERVER_PORT"]
    await_that(lambda: _status(f"http://127.0.0.1:{port}/health", None) == 200)


EXPERIMENT = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=small_one"


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _status(url: str, body: bytes | None, **headers: str) -> int:
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        return refused.code
