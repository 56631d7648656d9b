"""What `tunegate doctor` finds: each thing that is known to break, broken on purpose."""

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import text

from data_contracts.load import load
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import FineTune
from flows.doctor import examine
from flows.doctor.finding import Finding
from flows.doctor.installation import LIMITS, home_is_private, packages, python
from flows.doctor.prefect_server import prefect_server as examine_prefect
from flows.doctor.prefect_server import server_findings
from flows.doctor.provider import _outlived, lifetimes, provider, training, tunable
from flows.doctor.stores import ledger, mlflow_store
from flows.doctor.use_case_files import source
from tasks.ledger import Ledger
from tasks.providers.protocol import ModelInfo, TrainingAccess
from tests.command import Shell
from tests.embedded import RunningServer, embedded_server
from tests.prefect_server import prefect_server
from tests.small_use_case import USE_CASE, small_use_case

TODAY = dt.date(2026, 11, 22)
KEY = "sk-" + "not-a-real-key-0123456789"
TESTED = {"fastapi": "0.150.0", "sqlalchemy": "2.0.58", "prefect": "3.8.8", "mlflow": "3.17.2"}


def states(findings: Iterator[Finding]) -> dict[str, str]:
    """What to state, the worst one where there are several."""
    order = ["fine", "note", "broken"]
    return {item.what: item.state for item in sorted(findings, key=lambda item: order.index(item.state))}


def versions(**changed: str) -> Callable[[str], str]:
    return lambda package: ({**TESTED, "great-expectations": "1.24.1"} | changed)[package]


# ------------------------------------------------------------ the installation


def test_the_tested_versions_are_fine() -> None:
    assert states(packages(versions())) == {"packages": "fine"}
    assert states(packages()) == {"packages": "fine"}, "the lock installs no version that is known to break"


@pytest.mark.parametrize(
    ("package", "release", "state"),
    [
        ("fastapi", "0.155.0", "broken"),
        ("fastapi", "1.0", "broken"),
        ("sqlalchemy", "2.1.0b1", "broken"),
        ("prefect", "3.9.1", "note"),
        ("mlflow", "4.0", "note"),
    ],
)
def test_a_version_that_breaks_or_that_nobody_tried_is_named_with_its_bound(
    package: str, release: str, state: str
) -> None:
    [found] = packages(versions(**{package: release}))
    assert found.state == state
    assert f"{package} {release}" in found.finding
    assert f"'{package}<" in found.fix


def test_versions_just_below_a_limit_are_fine() -> None:
    below = {limit.package: f"{limit.below[0]}.{limit.below[1] - 1}.99" for limit in LIMITS}
    assert states(packages(lambda package: below[package])) == {"packages": "fine"}


@pytest.mark.parametrize(
    ("running", "state"), [((3, 10), "broken"), ((3, 11), "fine"), ((3, 14), "fine"), ((3, 15), "note")]
)
def test_python_is_judged_by_its_version(running: tuple[int, int], state: str) -> None:
    assert states(python(running)) == {"python": state}


def test_a_home_or_a_ledger_that_others_may_read_is_broken_until_the_fix_is_applied(home: Path) -> None:
    Ledger()
    assert states(home_is_private()) == {"permissions": "fine"}
    home.chmod(0o750)
    (home / "ledger.db").chmod(0o644)
    fixes = [found.fix for found in home_is_private()]
    assert fixes == [f"Run: chmod 700 {home}", f"Run: chmod 600 {home / 'ledger.db'}"]


# ------------------------------------------------------------ ledger and MLflow


def test_a_ledger_of_a_newer_release_is_broken(home: Path) -> None:
    with Ledger().engine.begin() as connection:
        connection.execute(text("update meta set value = '99' where key = 'format'"))
    [found] = ledger()
    assert found.state == "broken"
    assert "Install a newer tunegate" in found.finding


def test_a_ledger_that_is_no_database_is_broken(home: Path) -> None:
    home.mkdir()
    (home / "ledger.db").write_text("no database at all, but some text that is long enough to be looked at\n" * 20)
    assert states(ledger()) == {"ledger": "broken"}


def test_a_store_that_is_not_there_yet_is_fine(home: Path) -> None:
    assert states(mlflow_store()) == {"mlflow": "fine"}
    assert not (home / "mlflow.db").exists(), "looking creates nothing"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "./mlruns", "sqlite:///{home}/empty.db"])
def test_a_store_that_does_not_open_is_broken(uri: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "empty.db").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(home=home))
    assert states(mlflow_store()) == {"mlflow": "broken"}


def test_artifacts_that_only_a_server_can_hand_out_or_whose_folder_is_gone_are_broken(
    home: Path, tmp_path: Path
) -> None:
    from tasks.register.store import Store

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert Store("ours").experiment_id
    client = Store("others").client
    client.create_experiment("served", artifact_location="mlflow-artifacts:/7")
    client.create_experiment("moved", artifact_location=elsewhere.as_uri())
    expected = {"mlflow": "fine", "artifacts of ours": "fine", "artifacts of served": "broken"}
    assert states(mlflow_store()) == {**expected, "artifacts of moved": "fine"}
    shutil.rmtree(elsewhere)
    assert states(mlflow_store()) == {**expected, "artifacts of moved": "broken"}


# ------------------------------------------------------------ Prefect


def test_no_prefect_server_is_a_note(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    [found] = examine_prefect()
    assert (found.what, found.state) == ("prefect", "note")
    assert "tunegate up" in found.fix


def test_a_prefect_server_that_does_not_answer_is_broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert states(examine_prefect()) == {"prefect": "broken"}


def test_a_server_as_it_should_be_is_fine_but_for_secrets_that_ask_for_no_password(
    prefect_api: str, home: Path
) -> None:
    from prefect.blocks.system import Secret

    _deploy("monthly")
    fine = dict.fromkeys(("prefect", "prefect access", "prefect settings", "scheduler", "secrets"), "fine")
    assert states(examine_prefect()) == fine
    Secret(value="hidden-in-the-page-only").save("mine", overwrite=True)
    assert states(examine_prefect()) == {**fine, "secrets": "note"}


@pytest.mark.slow
def test_a_server_without_scheduler_batches_or_password_shows_what_is_wrong(
    prefect_api: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    settings = {
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "1",
        "PREFECT_SERVER_API_AUTH_STRING": "admin:password",
    }
    with prefect_server(tmp_path / "prefect", **settings) as api:
        monkeypatch.setenv("PREFECT_API_URL", api)
        asks = {"prefect access": "fine", "prefect": "broken"}
        assert states(examine_prefect()) == asks, "it asks for a password"
        with temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: "admin:password"}):
            _deploy("monthly")
            _deploy("talkative", note=KEY)
            assert states(examine_prefect())["scheduler"] == "fine", "a schedule that was made a moment ago has time"
            with get_client(sync_client=True) as client:
                found = list(server_findings(client, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))
    assert states(iter(found)) == {"prefect settings": "note", "scheduler": "broken", "secrets": "broken"}
    told = {item.what: item for item in found}
    assert "monthly" in told["scheduler"].finding
    assert "sqlalchemy<2.1" in told["scheduler"].fix
    assert "talkative" in told["secrets"].finding
    assert KEY not in str(found)


def _deploy(name: str, **parameters: str) -> None:
    from prefect import flow
    from prefect.schedules import Cron

    @flow(name="doctored")
    def doctored(note: str = "") -> None:
        """Never run."""

    first_of_month = Cron("0 5 1 * *", timezone="UTC")
    deployment: Any = doctored.to_deployment(name=name, parameters=parameters, schedules=[first_of_month])
    deployment.apply()


# ------------------------------------------------------------ the provider


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    with embedded_server(tmp_path / "server") as running:
        monkeypatch.setenv("TUNEGATE_PROVIDER_URL", running.url)
        yield running


def test_the_embedded_provider_answers(server: RunningServer, home: Path) -> None:
    [found] = provider(ProviderSettings())
    assert found.state == "fine"
    assert {line["call"] for line in server.log()} <= {"health", "models.list"}


def test_a_key_that_is_not_set_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEBIUS_API_KEY", raising=False)
    [found] = provider(ProviderSettings(name="openai", api_key_env="NEBIUS_API_KEY"))
    assert found.state == "broken"
    assert "NEBIUS_API_KEY" in found.fix


def test_a_key_that_is_refused_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "a wrong key")
    with embedded_server(tmp_path / "server", api_key="the right key") as running:
        [found] = provider(ProviderSettings(name="openai", base_url=running.url, api_key_env="SOME_KEY"))
    assert found.state == "broken"
    assert "wrong key" not in str(found)


@pytest.mark.parametrize(
    ("shutdown", "state"),
    [(None, "fine"), ("2027-02-21", "fine"), ("2027-02-20", "note"), ("2026-11-23", "note"), ("2026-11-22", "broken")],
)
def test_a_base_model_is_judged_by_its_shutdown_date(shutdown: str | None, state: str) -> None:
    [found] = lifetimes(["gpt"], [ModelInfo("gpt", 0, "somebody", shutdown)], TODAY)
    assert found.state == state
    assert shutdown is None or shutdown in found.finding


def test_a_base_model_that_the_provider_does_not_offer_is_broken() -> None:
    [found] = lifetimes(["gpt"], [ModelInfo("gpt-2", 0, "somebody")], TODAY)
    assert found.state == "broken"


MINI = ModelInfo("mini", 0, "somebody", tunable=True, training_until="2027-01-06")
TUNE = FineTune(base_model="mini")


@pytest.mark.parametrize(("opened", "state"), [(True, "fine"), (None, "fine"), (False, "broken")])
def test_training_that_is_closed_is_broken_with_where_else_to_go(opened: bool | None, state: str) -> None:
    found = training(TrainingAccess(opened, "closed on 2027-01-06"))
    assert (found.what, found.state) == ("training", state)
    assert "closed on 2027-01-06" in found.finding
    assert state == "fine" or "nebius" in found.fix


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "note", "45 days"),
        ({"training_until": "2027-12-31"}, "fine", "2027-12-31"),
        ({"training_until": None}, "fine", "no end given"),
        ({"training_until": None, "tunable": None}, "fine", "not said"),
        ({"training_until": "2026-11-22"}, "broken", "takes no fine-tuning jobs"),
        ({"tunable": False}, "broken", "takes no fine-tuning jobs"),
        ({"id": "another"}, "note", "only a job would tell"),
    ],
)
def test_a_base_model_is_judged_by_whether_and_how_long_it_is_trained(
    changes: dict[str, Any], state: str, said: str
) -> None:
    maxi = ModelInfo("maxi", 0, "somebody", tunable=True)
    [found] = tunable(TUNE, [replace(MINI, **changes), maxi], TODAY)
    assert (found.state, said in found.finding) == (state, True)
    assert state == "fine" or "maxi" in found.fix


def test_a_base_model_that_is_trained_longer_than_it_answers_is_not_reported_as_gone() -> None:
    gone = ModelInfo("mini", 0, "somebody", "2026-10-14", tunable=True, training_until="2027-04-14")
    assert _outlived(TUNE, [gone], TODAY)
    assert not _outlived(TUNE, [replace(gone, shutdown_date="2027-01-14")], TODAY)
    assert not _outlived(TUNE, [replace(gone, training_until=None)], TODAY)


# ------------------------------------------------------------ a use case


def test_each_endpoint_is_looked_at_with_the_models_that_are_asked_there(
    server: RunningServer, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "any")
    endpoints = {"other": {"name": "openai", "base_url": server.url, "api_key_env": "OTHER_KEY"}}
    models = ["local-base-small", {"model": "gone-model", "endpoint": "other"}]
    path = small_use_case(
        tmp_path / "case", endpoints=endpoints, prompts={**USE_CASE["prompts"], "base_models": models}
    )
    found = {item["what"]: item for item in examine(str(path))["findings"]}
    assert found["endpoint other"]["state"] == "fine"
    assert found["training"]["state"] == found["tunable base"]["state"] == "fine"
    assert "gone-model" in found["base model"]["finding"]


def test_a_use_case_in_order_has_nothing_broken(server: RunningServer, home: Path, tmp_path: Path) -> None:
    found = examine(str(small_use_case(tmp_path / "case")))["findings"]
    assert [item for item in found if item["state"] == "broken"] == []
    assert {"use case", "source", "provider embedded", "base model"} <= {item["what"] for item in found}


def test_a_base_model_about_to_go_is_a_note_for_the_use_case(server: RunningServer, home: Path, tmp_path: Path) -> None:
    soon = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    server.change_settings(models={"local-base-small-2026-06-01": {"shutdown_date": soon.isoformat()}})
    found = examine(str(small_use_case(tmp_path / "case")))["findings"]
    assert [item["state"] for item in found if item["what"] == "base model"] == ["note"]


@pytest.mark.parametrize("file", ["small.yaml", "contract.yaml", "prompts/minimal.yaml"])
def test_a_key_in_a_file_of_the_use_case_is_broken_and_not_repeated(
    file: str, server: RunningServer, home: Path, tmp_path: Path
) -> None:
    path = small_use_case(tmp_path / "case")
    leaking = tmp_path / "case" / file
    leaking.write_text(f"# {KEY}\n{leaking.read_text()}")
    said = examine(str(path))
    broken = [item["finding"] for item in said["findings"] if item["state"] == "broken"]
    assert broken == [f"{leaking} holds a key in clear"]
    assert KEY not in json.dumps(said)


def test_a_source_that_leads_nowhere_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    try:
        host, port = store.get_host_and_port()
        files = [{"path": "s3://no-such-bucket/rows"}, {"path": "no-such-file.jsonl"}, {"path": "rows.jsonl"}]
        places = {"files": files, "endpoint_url": f"http://{host}:{port}"}
        found = list(source(load(str(small_use_case(tmp_path / "case", source=places)))))
    finally:
        store.stop()
    assert [item.state for item in found] == ["broken", "broken", "fine"]
    assert "no-such-bucket" in found[0].finding


def test_a_file_that_the_monitor_will_collect_need_not_be_there_yet(tmp_path: Path) -> None:
    files = {"files": [{"path": "rows.jsonl"}, {"path": "collected.jsonl"}]}
    case = load(str(small_use_case(tmp_path, source=files, monitor={"collect": "collected.jsonl"})))
    assert [item.state for item in source(case)] == ["fine", "fine"]
    assert "collected no row yet" in list(source(case))[1].finding


# ------------------------------------------------------------ the command


def test_the_command_exits_with_0_where_nothing_is_broken(server: RunningServer, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "work", {"TUNEGATE_PROVIDER_URL": server.url})
    done = shell("doctor")
    assert done.returncode == 0, done.stdout
    assert "permissions" in done.stdout


def test_the_command_exits_with_1_and_gives_every_finding_its_fix(server: RunningServer, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "work", {"TUNEGATE_PROVIDER_URL": server.url})
    path = small_use_case(tmp_path / "case", splitt={})
    done = shell("doctor", path, "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert [item["what"] for item in found if item["state"] == "broken"] == ["use case"]
    assert all(item["fix"].endswith(".") for item in found if item["state"] != "fine")


def test_the_command_exits_with_2_where_there_is_no_such_use_case(tmp_path: Path) -> None:
    done = Shell(tmp_path / "work")("doctor", "no_such_use_case")
    assert (done.returncode, done.stdout) == (2, "")
