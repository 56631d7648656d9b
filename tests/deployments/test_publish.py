"""What Prefect reads is what the use-case files say, and what a run is started with fits each type of work pool."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prefect_docker.worker import DockerWorkerJobConfiguration
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from data_contracts.load import bundled, load, read_yaml
from deployments.pools import STATE, TYPES, template
from deployments.publish import prefect_yaml, work_pool, write
from deployments.pull import enter_project
from flows.deployables import MODULES, deployables
from flows.environment import OTHERS
from tasks.errors import ConfigurationError

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
KEY = "not-a-real-key-0123456789"


def test_prefect_yaml_is_what_the_use_case_files_say() -> None:
    said = "run `python -m deployments.publish`"
    assert (DEPLOYMENTS / "prefect.yaml").read_text() == prefect_yaml(), said
    for kind in TYPES:
        assert (DEPLOYMENTS / "work_pools" / f"{kind}.json").read_text() == work_pool(kind), said


def test_every_use_case_has_its_four_deployments_and_the_watch_is_for_all() -> None:
    names = {"trial", "monitor", "promote", "rollback"}
    assert {item.path for item in deployables()} == {f"{flow}/{case}" for flow in names for case in bundled()} | {
        "watch/all"
    }


def test_every_schedule_has_a_slug_and_is_the_one_of_its_use_case() -> None:
    plain = {
        (item["entrypoint"], item["name"]): item for item in read_yaml(DEPLOYMENTS / "prefect.yaml")["deployments"]
    }
    assert all(each["slug"] for item in plain.values() for each in item["schedules"])
    for name in bundled():
        case = load(name).use_case
        looks = [each["cron"] for each in plain["flows.monitor.monitor", name]["schedules"]]
        assert looks == ([case.monitor.cron] if case.monitor.cron else [])
        assert case.schedule is not None
        [trial] = plain["flows.trial.trial", name]["schedules"]
        assert (trial["cron"], trial["timezone"]) == (case.schedule.cron, case.schedule.timezone)


def test_no_path_of_a_machine_and_no_block_stands_in_prefect_yaml() -> None:
    text = (DEPLOYMENTS / "prefect.yaml").read_text()
    assert str(Path.home()) not in text
    assert str(DEPLOYMENTS.parent) not in text
    assert "prefect.blocks" not in text


def test_a_working_folder_of_ones_own_gets_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "mine.yaml").symlink_to(DEPLOYMENTS / "order_mails.yaml")
    monkeypatch.chdir(tmp_path)
    write(Path("deployments"))
    named = {item["name"] for item in read_yaml(tmp_path / "deployments" / "prefect.yaml")["deployments"]}
    assert named == {"mine", "all", *bundled()}


@pytest.mark.parametrize("flow", MODULES)
def test_every_flow_is_where_its_entrypoint_says(flow: str) -> None:
    from prefect.flows import load_flow_from_entrypoint

    assert load_flow_from_entrypoint(f"{MODULES[flow]}.{flow}").name == flow


# ------------------------------------------------------------ work pools


@pytest.mark.parametrize("kind", TYPES)
def test_the_defaults_of_a_pool_fit_its_own_schema_and_every_placeholder_has_a_variable(kind: str) -> None:
    plain = template(kind)
    variables = plain["variables"]["properties"]
    defaults = {name: item["default"] for name, item in variables.items() if "default" in item}
    jsonschema.validate(defaults, plain["variables"])
    asked = {word.partition("}}")[0].strip() for word in json.dumps(plain["job_configuration"]).split("{{")[1:]}
    assert asked <= set(variables)


@pytest.mark.parametrize("kind", TYPES)
def test_every_pool_starts_a_run_with_the_settings_of_the_command_line(kind: str) -> None:
    assert OTHERS.items() <= template(kind)["variables"]["properties"]["env"]["default"].items()


def test_a_container_gets_state_on_a_volume_and_secrets_from_its_worker_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = json.loads((DEPLOYMENTS / "work_pools" / "docker.json").read_text())
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TUNEGATE_LEDGER_URL", f"postgresql://tunegate:{KEY}@postgres/tunegate")
    monkeypatch.delenv("NEBIUS_API_KEY", raising=False)
    started = _started(DockerWorkerJobConfiguration, plain, {"env": {"MORE": "1"}})
    assert started.env["OPENAI_API_KEY"] == KEY
    assert KEY in str(started.env["TUNEGATE_LEDGER_URL"])
    assert started.env["NEBIUS_API_KEY"] == "", "which counts as not set"
    assert (started.env["TUNEGATE_HOME"], started.env["MORE"]) == (STATE, "1")
    assert started.volumes == [f"tunegate-home:{STATE}"]
    assert started.image.startswith("tunegate:")
    assert KEY not in json.dumps(plain), "the server has the name of the variable only"


def test_a_pod_gets_state_on_a_claim_secrets_from_a_secret_and_is_nobody_special() -> None:
    plain = json.loads((DEPLOYMENTS / "work_pools" / "kubernetes.json").read_text())
    values = {"volume_claim": "ours", "memory_request": "4Gi"}
    started = _started(KubernetesWorkerJobConfiguration, plain, values)
    pod: dict[str, Any] = started.job_manifest["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["volumes"] == [{"name": "state", "persistentVolumeClaim": {"claimName": "ours"}}]
    assert container["volumeMounts"] == [{"name": "state", "mountPath": STATE}]
    assert container["envFrom"] == [{"secretRef": {"name": "tunegate"}}]
    assert container["resources"]["requests"]["memory"] == "4Gi"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert started.env["TUNEGATE_HOME"] == STATE


def _started(kind: Any, plain: dict[str, Any], values: dict[str, Any]) -> Any:
    """As a worker prepares a run; no server is asked, since nothing refers to a block."""
    from prefect.client.orchestration import PrefectClient

    nobody = PrefectClient("http://127.0.0.1:1/api")
    return asyncio.run(kind.from_template_and_values(plain, values, client=nobody))


# ------------------------------------------------------------ where a run starts


def test_a_run_starts_in_the_folder_of_the_use_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNEGATE_PROJECT", str(tmp_path))
    assert enter_project() == {"directory": str(tmp_path)}


@pytest.mark.parametrize(
    ("name", "value"), [("TUNEGATE_HOME", ""), ("TUNEGATE_HOME", ".tunegate"), ("TUNEGATE_PROJECT", "/not/there")]
)
def test_a_run_does_not_start_where_its_state_would_be_lost(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        enter_project()
