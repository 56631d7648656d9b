"""What a verdict on production leads to: a champion moved back, a trial asked for, or a word; once a promotion."""

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from data_contracts.monitoring import MonitorReport
from flows import monitoring, moving
from tasks.ledger import Ledger
from tasks.register import monitored
from tasks.register.mlflow_registry import Registry
from tests.embedded import RunningServer, embedded_server
from tests.monitored import Production, with_champion
from tests.small_use_case import small_rows
from tests.stepwise import Finished


@pytest.fixture(scope="module")
def registered_home(
    finished: Finished, shared_provider: RunningServer, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A home whose champion is the finished trial's tune, version 2; version 1 was it before. For copying only."""
    home = tmp_path_factory.mktemp("registered") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        patch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
        with_champion(finished, home)
    return home


@pytest.fixture
def home(
    registered_home: Path, shared_provider: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The same for a test of its own: MLflow's artifacts stay where they are, its database does not."""
    shutil.copytree(registered_home, tmp_path / "home", ignore=shutil.ignore_patterns("mlartifacts"))
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
    return tmp_path / "home"


def champion() -> int:
    found = Registry("small").champion()
    assert found is not None
    return found.version


def posted(api: str, path: str, body: dict[str, Any]) -> Any:
    asked = urllib.request.Request(f"{api}/{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


def events(api: str, name: str) -> list[dict[str, Any]]:
    """Events of that name at the Prefect server, which takes a moment to have them."""
    for _ in range(100):
        if found := posted(api, "events/filter", {"filter": {"event": {"name": [name]}}, "limit": 50})["events"]:
            return list(found)
        time.sleep(0.1)
    return []


def test_a_champion_whose_answers_got_worse_is_moved_back_once(home: Path, prefect_api: str, tmp_path: Path) -> None:
    production = Production.of(tmp_path / "case")
    production.answer(wrong=0.6)
    first = monitoring.monitor(str(production.path))
    assert (first["health"], champion()) == ("roll back", 2)
    assert "second look decides" in first["action"]
    found = monitoring.monitor(str(production.path))
    assert (found["health"], found["version"], champion()) == ("roll back", 2, 1)
    assert re.search(r"back to version 1 \(0\.\d{3} on the test cases of \S+\)\..*tunegate run", found["action"])
    move = Ledger().moves("small")[-1]
    assert (move.action, move.by, move.by_kind) == ("rollback", "monitor", "policy")
    assert "accuracy" in move.reason

    run = mlflow.MlflowClient().get_run(move.run)
    assert run.info.run_name == "monitor, version 2"
    assert run.data.tags["tunegate.health"] == "roll back"
    assert run.data.metrics["monitor.quality"] > 0.3
    told = mlflow.MlflowClient().get_model_version("tunegate.small", "2").tags["tunegate.monitor"]
    assert told.startswith("roll back: 150 answers")

    said = json.dumps(events(prefect_api, "tunegate.monitor.roll-back"))
    kept = Path(mlflow.artifacts.download_artifacts(run_id=move.run, artifact_path="monitor.json")).read_text()
    texts = [row["text"] for row in small_rows(150, 50)]
    assert '"version": 2' in said
    assert not any(text in said or text in kept or text in move.reason for text in texts)


def test_two_looks_that_are_not_in_a_row_move_nobody(home: Path, tmp_path: Path) -> None:
    production, log = Production.of(tmp_path / "case"), tmp_path / "case" / "production" / "log.jsonl"
    for wrong in (0.6, 0.0, 0.6):
        log.unlink(missing_ok=True)
        production.answer(wrong=wrong)
        found = monitoring.monitor(str(production.path))
    assert (found["health"], champion()) == ("roll back", 2)
    assert "second look decides" in found["action"]


def test_a_champion_that_was_moved_while_the_monitor_looked_is_left_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = Production.of(tmp_path / "case")
    production.answer(wrong=0.6)
    monitoring.monitor(str(production.path))
    keep = monitored.opened

    def moved_meanwhile(*args: Any) -> str:
        moving.rollback(str(production.path), None, "ana", "it answers nonsense")
        return keep(*args)

    monkeypatch.setattr("tasks.register.monitored.opened", moved_meanwhile)
    found = monitoring.monitor(str(production.path))
    assert "moved meanwhile" in found["action"]
    assert (champion(), Ledger().moves("small")[-1].by) == (1, "ana")


def test_policy_may_be_to_say_so(home: Path, tmp_path: Path) -> None:
    production = Production.of(tmp_path / "case", on_roll_back="tell")
    production.answer(wrong=0.6)
    first, second = (monitoring.monitor(str(production.path)) for _ in range(2))
    assert champion() == 2
    assert "tunegate rollback" in first["action"]
    assert "found before" in second["action"]


def test_with_nobody_to_go_back_to_a_trial_is_asked_for_where_policy_says_so(
    home: Path, prefect_api: str, tmp_path: Path
) -> None:
    production = Production.of(tmp_path / "case", on_degrade="trial")
    production.answer(wrong=0.6)
    for _ in range(2):
        monitoring.monitor(str(production.path))
    production.answer(seed=60, wrong=0.9)  # now of version 1
    monitoring.monitor(str(production.path))
    found = monitoring.monitor(str(production.path))
    assert (found["health"], found["version"], champion()) == ("roll back", 1, 1)
    assert "nobody to go back to" in found["action"]
    assert "A trial was asked for" in found["action"]
    asked = events(prefect_api, "tunegate.trial.wanted")
    (wanted,) = [event for event in asked if event["payload"]["use_case"] == str(production.path)]
    assert "version 1" in wanted["payload"]["options"]["reason"]


def test_after_the_window_nothing_is_done_by_itself(home: Path, tmp_path: Path) -> None:
    production = Production.of(tmp_path / "case", window_days=1e-9)
    production.answer(wrong=0.6)
    found = monitoring.monitor(str(production.path))
    assert found["window_over"]
    assert champion() == 2


def test_an_action_that_fails_is_tried_again_at_the_next_look(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = Production.of(tmp_path / "case")
    production.answer(wrong=0.6)
    monitoring.monitor(str(production.path))
    with monkeypatch.context() as patch:
        patch.setattr("flows.moving.rolled_back", _fail)
        with pytest.raises(OSError, match="out of reach"):
            monitoring.monitor(str(production.path))
    assert champion() == 2
    monitoring.monitor(str(production.path))
    assert champion() == 1


def test_a_look_that_died_between_alias_and_history_is_finished_by_the_next_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = Production.of(tmp_path / "case")
    production.answer(wrong=0.6)
    monitoring.monitor(str(production.path))  # the second look in a row decides
    with monkeypatch.context() as patch:
        patch.setattr("tasks.register.promotion._finish", _die)
        with pytest.raises(SystemExit):
            monitoring.monitor(str(production.path))
    assert (champion(), Ledger().moves("small")[-1].action) == (1, "promote")
    found = monitoring.monitor(str(production.path))
    assert (found["version"], champion()) == (1, 1)
    assert [move.action for move in Ledger().moves("small")][-2:] == ["promote", "rollback"]


def _die(*_: object) -> None:
    raise SystemExit


def _fail(*_: object, **__: object) -> None:
    raise OSError("out of reach")


def test_the_flow_shows_verdict_and_checks_as_artifacts(home: Path, prefect_api: str, tmp_path: Path) -> None:
    from flows.monitor import monitor

    production = Production.of(tmp_path / "case")
    production.answer()
    assert monitor(str(production.path)) == {"health": "healthy", "version": 2, "action": ""}
    shown = {item["key"]: item["data"] for item in posted(prefect_api, "artifacts/filter", {})}
    assert shown["small-monitor"].startswith("# healthy")
    assert {row["check"] for row in json.loads(shown["small-monitor-checks"])} >= {"quality", "latency"}
    texts = [row["text"] for row in small_rows(150, 50)]
    assert not any(text in str(shown) for text in texts)


def test_the_terminal_shows_the_verdict_first(capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "data_contracts" / "schemas" / "examples" / "monitor.json"
    monitoring.show(json.loads(example.read_text()))
    lines = capsys.readouterr().out.splitlines()
    assert "ROLL BACK" in lines[0]
    assert any("moved back to version 3" in line for line in lines)
    assert any("not measured" in line for line in lines)
    assert any("passed over: 1,204 asked before the promotion" in line for line in lines)
    assert "| quality | broken |" in monitoring.markdown(MonitorReport.model_validate(json.loads(example.read_text())))


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    with embedded_server(tmp_path / "server") as server:
        monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "whole"))
        monkeypatch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield server


@pytest.mark.slow
def test_a_served_champion_that_is_degraded_at_its_provider_is_rolled_back_and_the_former_one_answers(
    own_server: RunningServer, prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.stepwise import registered

    production = Production.of(tmp_path / "case", sources=[{"path": "served.jsonl"}, {"path": "production/*.jsonl"}])
    monkeypatch.setenv("TUNEGATE_PRODUCTION_LOG", str(tmp_path / "case" / "served.jsonl"))
    won = registered(production.path)
    own_server.change_settings(degraded={won.winner_model: {"answers": "wrong"}})
    rows = small_rows(150, seed=70)
    served = mlflow.pyfunc.load_model("models:/tunegate.small@champion")
    served.predict([{"input": row["text"], "id": row["id"], "fields": {"length": "short"}} for row in rows])
    production.log(*({"id": row["id"], "expected": row["label"]} for row in rows))
    assert monitoring.monitor(str(production.path))["health"] == "roll back"
    found = monitoring.monitor(str(production.path))
    assert (found["health"], champion()) == ("roll back", 1)
    again = mlflow.pyfunc.load_model("models:/tunegate.small@champion").predict([row["text"] for row in rows])
    assert sum(answer == row["label"] for answer, row in zip(again, rows, strict=True)) > 90
