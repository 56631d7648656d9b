"""The served model: what it takes, what it logs where somebody asks for it, and whom it follows."""

import json
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from openai import BadRequestError

from data_contracts.contest import Registration
from data_contracts.monitoring import MonitorReport
from data_contracts.production import ProductionRecord
from data_contracts.provider import ProviderSettings
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.register import monitored, production_log
from tasks.register.following import LOOK_S, VARIABLE, Following
from tasks.register.mlflow_registry import Registry
from tasks.register.winner import Winner
from tests.embedded import embedded_server
from tests.fake_clock import FakeClock
from tests.stepwise import Finished

MODEL = "tunegate.small"
NOTES = ["violin cello flute drum", "hammer chisel drill plane"]


@pytest.fixture(scope="module")
def promoted(
    finished: Finished, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Registration]:
    """The home in which the finished trial, whose tune is promoted, is registered."""
    home = tmp_path_factory.mktemp("served")
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        registry = Registry("small")
        with Ledger().lock("registry small"):
            done = registry.register(finished.record, registry.open_trial(finished.record.run, {}))
    return home, done


@pytest.fixture
def registry(own_home: Path, promoted: tuple[Path, Registration], monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("TUNEGATE_HOME", str(promoted[0]))
    return Registry("small")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(production_log.VARIABLE, str(tmp_path / "logs" / "production.jsonl"))
    return tmp_path / "logs" / "production.jsonl"


def logged(log: Path) -> list[ProductionRecord]:
    return [ProductionRecord.model_validate_json(line) for line in log.read_bytes().splitlines()]


def served(version: str = "@champion") -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(f"models:/{MODEL}{version}")


# ---------------------------------------------------------------- what it takes


def test_a_text_a_record_and_chat_messages_are_answered_alike(registry: Registry) -> None:
    chat = [{"role": "user", "content": NOTES[0]}]
    asked = [NOTES[0], {"input": NOTES[0], "id": "q1"}, {"messages": chat}]
    assert served().predict(asked) == ["music"] * 3


def test_records_of_a_frame_are_answered(registry: Registry) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "input": NOTES})
    assert served().predict(frame.to_dict("records")) == ["music", "tools"]


@pytest.mark.parametrize("item", [{"text": "violin"}, {"messages": []}, 7])
def test_what_is_no_question_is_refused_with_what_is_one(registry: Registry, item: object) -> None:
    winner = served().unwrap_python_model().following.winner
    with pytest.raises(ConfigurationError, match="`input` or `messages`"):
        winner.answer([item])


# ---------------------------------------------------------------- what it logs


def test_nothing_is_logged_unless_a_file_is_named(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    served().predict(NOTES)
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_an_answer_is_logged_as_the_monitor_reads_it(registry: Registry, log: Path) -> None:
    served().predict([{"input": NOTES[0], "id": "q1", "group": "g", "fields": {"length": "short"}}, NOTES[1]])
    first, second = logged(log)
    assert (first.id, first.group, first.fields) == ("q1", "g", {"length": "short"})
    assert (first.input, first.output, second.output) == (NOTES[0], "music", "tools")
    assert (first.version, first.model) == (2, registry.champion().candidate.model)
    assert first.latency_ms > 0
    assert first.prompt_tokens > first.completion_tokens > 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_several_processes_share_a_log_without_cutting_each_others_lines(log: Path) -> None:
    code = (
        "import sys; from tasks.register.production_log import append; "
        "from data_contracts.production import ProductionRecord as R; "
        "append(R(at=1, input=sys.argv[1] * 100_000, output='x') for _ in range(20))"
    )
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda sign: subprocess.run([sys.executable, "-c", code, sign], check=True), "abcd"))
    records = logged(log)
    assert len(records) == 80
    assert all(len(set(record.input)) == 1 for record in records)


def test_a_log_that_cannot_be_written_stops_no_answer(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(production_log.VARIABLE, str(tmp_path))
    assert served().predict(NOTES) == ["music", "tools"]


def test_a_request_that_fails_is_logged_before_its_error_is_raised(
    registry: Registry, log: Path, tmp_path: Path
) -> None:
    winner = served().unwrap_python_model().following.winner
    faults = [{"call": "chat.create", "times": None, "happens": "bad_request"}]
    with embedded_server(tmp_path / "server", faults=faults) as server, pytest.raises(BadRequestError):
        replace(winner, provider=elsewhere(server.url)).answer(NOTES)
    assert [record.outcome for record in logged(log)] == ["failed", "failed"]


def elsewhere(url: str) -> ProviderSettings:
    """Another endpoint on this machine, its key in a variable that is always set."""
    return ProviderSettings(name="openai", base_url=url, api_key_env="PATH", allow_private_address=True)


def test_a_home_is_needed_for_the_embedded_provider_only(registry: Registry, tmp_path: Path) -> None:
    winner = served().unwrap_python_model().following.winner
    with embedded_server(tmp_path / "server") as server, pytest.MonkeyPatch.context() as patch:
        patch.delenv("TUNEGATE_HOME")
        patch.chdir(tmp_path)
        base = winner.candidate.model_copy(update={"model": "local-base-small"})
        assert replace(winner, provider=elsewhere(server.url), candidate=base).answer(NOTES[:1])
    assert not (tmp_path / ".tunegate").exists()


# ---------------------------------------------------------------- whom it follows


def test_a_server_answers_through_the_new_champion_without_a_restart(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "champion")
    clock = FakeClock()
    following = Following(MODEL, served().unwrap_python_model().following.winner, clock)
    try:
        registry.client.set_registered_model_alias(MODEL, "champion", "1")
        assert following.now().version == 2  # it looks twice a minute
        clock.advance(LOOK_S)
        assert following.now().version == 1
        assert following.now().candidate.kind == "prompt"
        assert following.now().answer(["hammer chisel drill"]) == ["tools"]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        mlflow.set_tracking_uri("http://127.0.0.1:9")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        clock.advance(LOOK_S)
        assert following.now().version == 1
    finally:
        mlflow.set_tracking_uri(registry.store.uri)
        registry.client.set_registered_model_alias(MODEL, "champion", "2")


def test_without_the_variable_the_version_that_was_loaded_stays(registry: Registry) -> None:
    clock = FakeClock()
    following = Following(MODEL, served("/1").unwrap_python_model().following.winner, clock)
    clock.advance(LOOK_S)
    assert following.now().version == 1


# ---------------------------------------------------------------- what MLflow keeps of the watch


def test_every_look_is_a_point_in_the_one_run_of_the_version(registry: Registry) -> None:
    example = Path(__file__).parents[2] / "data_contracts" / "schemas" / "examples" / "monitor.json"
    report = MonitorReport.model_validate(json.loads(example.read_text()) | {"use_case": "small", "version": 2})
    later = report.model_copy(update={"until": report.until + 7200, "health": "healthy", "action": ""})
    runs = [monitored.opened(registry, one) for one in (report, later)]
    for run, one in zip(runs, (report, later), strict=True):
        monitored.keep(registry, run, one)
    assert len(set(runs)) == 1
    history = registry.client.get_metric_history(runs[0], "monitor.quality")
    assert [point.step for point in history] == [168, 170]
    run = registry.client.get_run(runs[0])
    assert run.data.tags["tunegate.health"] == "healthy"
    assert "monitor.cost" not in run.data.metrics
    assert {item.path for item in registry.client.list_artifacts(runs[0])} == {"monitor.json", "figures"}


def test_a_decision_record_tells_how_the_version_is_read_and_judged(registry: Registry, finished: Finished) -> None:
    found = monitored.decision(registry, 2)
    assert found.run == finished.record.run
    assert found.comparison == finished.record.comparison
    assert found.labels == finished.record.labels
    assert isinstance(served().unwrap_python_model().following.winner, Winner)
