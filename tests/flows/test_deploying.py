"""`prefect deploy --all` of the shipped file, on a real server: everything is there, once, in a work pool."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse

from data_contracts.load import bundled, load
from deployments.publish import POOL
from flows.deployables import deployables
from flows.serve import require_unpooled
from tasks.errors import ConfigurationError
from tests.prefect_server import prefect_server

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: what is deployed here must not meet what other tests serve."""
    with prefect_server(tmp_path_factory.mktemp("deploying")) as api:
        yield api


@pytest.fixture(scope="module")
def client(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncPrefectClient]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", server)
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("client")))
        patch.setenv("TUNEGATE_HOME", str(tmp_path_factory.mktemp("home")))
        template = ROOT / "deployments" / "work_pools" / "process.json"
        _prefect("work-pool", "create", POOL, "--type", "process", "--base-job-template", str(template))
        _deploy()
        with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
            yield client


def test_every_deployment_is_made_and_made_once_however_often(client: SyncPrefectClient) -> None:
    first = _found(client)
    assert sorted(first) == sorted(item.path for item in deployables())
    _deploy()
    again = _found(client)
    assert {path: item.id for path, item in again.items()} == {path: item.id for path, item in first.items()}
    assert [len(item.schedules) for item in again.values()] == [len(item.schedules) for item in first.values()]


def test_a_trial_has_its_use_case_its_schedule_and_one_run_at_a_time(client: SyncPrefectClient) -> None:
    for name in bundled():
        found, case = _found(client)[f"trial/{name}"], load(name).use_case
        assert found.parameters == {"use_case": name}
        assert case.schedule is not None
        [schedule] = found.schedules
        assert (schedule.slug, schedule.schedule.cron) == ("use-case-file", case.schedule.cron)  # type: ignore[union-attr]
        limit: Any = found.global_concurrency_limit
        options: Any = found.concurrency_options
        assert (limit.limit, options.collision_strategy.value) == (1, "ENQUEUE")


def test_nothing_of_this_machine_and_no_secret_is_in_a_deployment(client: SyncPrefectClient) -> None:
    for item in _found(client).values():
        told = json.dumps(item.model_dump(mode="json"))
        assert str(ROOT) not in told
        assert str(Path.home()) not in told
        assert item.work_pool_name == POOL
        assert item.pull_steps == [{"deployments.pull.enter_project": {}}]
        assert not item.job_variables


def test_a_deployment_of_a_work_pool_is_not_served_as_well(client: SyncPrefectClient) -> None:
    with pytest.raises(ConfigurationError, match=r"belongs to the work pool tunegate. Start a worker"):
        require_unpooled(client)


def _deploy() -> None:
    _prefect("deploy", "--all", "--prefect-file", str(ROOT / "deployments" / "prefect.yaml"))


def _prefect(*words: str) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _found(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    flows = {flow.id: flow.name for flow in client.read_flows()}
    return {f"{flows[item.flow_id]}/{item.name}": item for item in client.read_deployments()}
