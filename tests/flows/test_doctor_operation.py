"""What `tunegate doctor` says of automations, workers, notifications and open servers, each broken on purpose."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import AutomationCore

from data_contracts.load import read_yaml
from flows.doctor.exposure import mlflow_exposure, prefect_exposure
from flows.doctor.finding import Finding
from flows.doctor.operation import automations, notification_blocks, workers
from flows.doctor.prefect_server import server_findings
from flows.housekeeping import AUTOMATIONS, create_automations
from tests.flows.worker import deployed

SHIPPED = read_yaml(AUTOMATIONS)["automations"]
KEY = "sk-" + "not-a-real-key-0123456789"


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def created(client: SyncPrefectClient) -> Iterator[dict[str, Any]]:
    """The shipped automations by their name; as shipped again for the next test."""
    create_automations(client)
    found = {item.name: item for item in client.read_automations()}
    yield found
    for item in client.read_automations():
        client.delete_automation(item.id)


# ------------------------------------------------------------ automations


def test_automations_as_they_are_shipped_are_fine(client: SyncPrefectClient, created: dict[str, Any]) -> None:
    assert set(created) == {plain["name"] for plain in SHIPPED}
    [found] = automations(client)
    assert found.state == "fine"


@pytest.mark.parametrize("name", [plain["name"] for plain in SHIPPED])
def test_one_that_is_missing_is_broken_and_creating_them_mends_it(
    name: str, client: SyncPrefectClient, created: dict[str, Any]
) -> None:
    client.delete_automation(created[name].id)
    [found] = automations(client)
    assert (found.state, name in found.finding) == ("broken", True)
    assert "prefect automation create --from-file" in found.fix
    create_automations(client)
    assert [item.state for item in automations(client)] == ["fine"]


def test_one_that_is_paused_is_noted(client: SyncPrefectClient, created: dict[str, Any]) -> None:
    name = SHIPPED[0]["name"]
    client.pause_automation(created[name].id)
    [found] = automations(client)
    assert (found.state, found.finding.startswith(f"{name} is paused")) == ("note", True)


def test_one_of_an_older_release_is_noted_and_left_as_it_is(client: SyncPrefectClient, created: dict[str, Any]) -> None:
    plain = SHIPPED[0]
    older = {**plain, "trigger": {**plain["trigger"], "within": 300}}
    client.update_automation(created[plain["name"]].id, AutomationCore.model_validate(older))
    assert create_automations(client) == []
    [found] = automations(client)
    assert found.state == "note"
    assert "not the one that this release ships" in found.finding


# ------------------------------------------------------------ workers


def test_a_work_pool_that_nobody_works_for_is_broken_until_a_worker_looks_at_it(client: SyncPrefectClient) -> None:
    pool = _pool(client, "lonely")
    assert _states(workers(client, [_deployment(client, pool)])) == ["broken"]
    client.send_worker_heartbeat(work_pool_name=pool, worker_name="mine", heartbeat_interval_seconds=30)
    assert _states(workers(client, [_deployment(client, pool)])) == ["fine"]


def test_a_work_pool_that_is_paused_is_broken(client: SyncPrefectClient) -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate

    pool = _pool(client, "resting")
    client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))
    [found] = workers(client, [_deployment(client, pool)])
    assert (found.state, "paused" in found.finding) == ("broken", True)


def test_a_key_in_a_work_pools_template_is_a_secret_in_clear(client: SyncPrefectClient) -> None:
    import datetime as dt

    env = {"properties": {"env": {"type": "object", "default": {"OPENAI_API_KEY": KEY}}}}
    pool = _pool(client, "talkative", base_job_template={"job_configuration": {"env": "{{ env }}"}, "variables": env})
    findings = list(server_findings(client, dt.datetime.now(dt.UTC)))
    client.delete_work_pool(pool)
    [found] = [item for item in findings if "talkative" in item.finding]
    assert (found.what, found.state) == ("secrets", "broken")
    assert KEY not in str(findings)


# ------------------------------------------------------------ who is told


def test_a_notification_block_that_is_named_and_missing_is_broken(
    client: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.blocks.notifications import SlackWebhook

    deployed(tmp_path, "small_one", approvals={"notify": ["slack-webhook/the-team"]})
    monkeypatch.chdir(tmp_path)
    [found] = notification_blocks(client)
    assert found.state == "broken"
    assert "slack-webhook/the-team" in found.finding
    assert "small_one" in found.fix
    SlackWebhook(url="https://hooks.example/services/not-a-real-one").save("the-team")
    assert _states(notification_blocks(client)) == ["fine"]


# ------------------------------------------------------------ open servers


@pytest.mark.parametrize(
    ("listens", "address", "state"),
    [
        ("127.0.0.1", "127.0.0.1", "fine"),
        ("0.0.0.0", "127.0.0.1", "broken"),
        ("0.0.0.0", "0.0.0.0", "broken"),
    ],
)
def test_a_prefect_server_that_asks_for_no_password_belongs_on_loopback(listens: str, address: str, state: str) -> None:
    with _answering(200, {"server": {"api": {"host": listens}}}) as port:
        [found] = prefect_exposure(f"http://{address}:{port}/api")
    assert found.state == state
    assert state == "fine" or "PREFECT_SERVER_API_AUTH_STRING" in found.fix


@pytest.mark.parametrize(
    ("status", "address", "state"),
    [(200, "127.0.0.1", "fine"), (200, "0.0.0.0", "broken"), (404, "0.0.0.0", "broken"), (401, "0.0.0.0", "fine")],
)
def test_an_mlflow_server_that_asks_for_no_password_belongs_on_loopback(status: int, address: str, state: str) -> None:
    with _answering(status, {}) as port:
        [found] = mlflow_exposure(f"http://{address}:{port}")
    assert found.state == state
    assert state == "fine" or "basic-auth" in found.fix


def test_a_server_that_asks_for_a_password_may_listen_anywhere() -> None:
    with _answering(401, {}) as port:
        assert _states(prefect_exposure(f"http://0.0.0.0:{port}/api")) == ["fine"]


@contextmanager
def _answering(status: int, content: dict[str, Any]) -> Iterator[int]:
    """A server that gives one answer to everything; its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("0.0.0.0", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _pool(client: SyncPrefectClient, name: str, **template: Any) -> str:
    client.create_work_pool(WorkPoolCreate(name=name, type="process", **template), overwrite=True)
    return name


def _deployment(client: SyncPrefectClient, pool: str) -> DeploymentResponse:
    """One of ours, in a pool."""
    from prefect import flow

    @flow(name="pooled")
    def pooled() -> None:
        """Never run."""

    made: Any = pooled.to_deployment(name=pool, tags=["tunegate"])
    made.work_pool_name = pool
    found = client.read_deployment(made.apply())
    client.delete_deployment(found.id)
    return found


def _states(findings: Iterator[Finding]) -> list[str]:
    return [item.state for item in findings]
