"""What the vendors' own deployment APIs may say besides yes: failed, refused, silent, gone."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from data_contracts.provider import Foundry, ProviderSettings
from tasks.errors import ConfigurationError, CredentialsError, ProviderUnavailableError
from tasks.providers.dialects import dialects
from tasks.providers.openai_wire import OpenAIWire
from tests.fake_clock import FakeClock

MODEL = "gpt-4.1-mini-2025-04-14.ft-0123456789abcdef"
Said = tuple[int, dict[str, Any]]


class Scripted(ThreadingHTTPServer):
    """Answers each method and path's ending with the next line of its script; the last one stays."""

    daemon_threads = True

    def __init__(self, script: dict[tuple[str, str], list[Said]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.heard = script, list[tuple[str, str, Any]]()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, method: str, path: str, body: Any) -> Said:
        self.heard.append((method, path, body))
        plain = path.partition("?")[0]
        for (wanted, ending), lines in self.script.items():
            if wanted == method and ending in plain:
                return lines.pop(0) if len(lines) > 1 else lines[0]
        return 404, {"error": {"code": "ResourceNotFound", "message": "none"}}


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, document = self.server.says(self.command, self.path, body)
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def scripted(request: pytest.FixtureRequest) -> Iterator[Any]:
    servers: list[Scripted] = []

    def start(script: dict[tuple[str, str], list[Said]]) -> Scripted:
        servers.append(Scripted(script))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", "arm-token-0123456789")


def foundry(server: Scripted, **more: Any) -> OpenAIWire:
    section = Foundry(subscription="s 1", resource_group="g", account="a", management_url=server.root, **more)
    settings = ProviderSettings(name="foundry", foundry=section)
    return OpenAIWire(settings, f"{server.root}/openai/v1", "azure-key-0123456789", FakeClock())


def provisioning(state: str, **more: Any) -> Said:
    return 200, {"properties": {"provisioningState": state, **more}}


GET, PUT, CHAT = ("GET", "/deployments/"), ("PUT", "/deployments/"), ("POST", "/chat/completions")


def test_a_deployment_is_asked_for_as_azure_documents_it(scripted):
    server = scripted({PUT: [(201, {"properties": {"provisioningState": "Creating"}})]})
    found = foundry(server, sku="Standard", capacity=7).serve(MODEL)
    [(_, _, _), (_, path, body)] = server.heard
    assert path.startswith("/subscriptions/s%201/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a/")
    assert path.endswith(f"/deployments/{found.model}?api-version=2024-10-01")
    assert body["sku"] == {"name": "Standard", "capacity": 7}
    assert body["properties"]["model"] == {"format": "OpenAI", "name": MODEL, "version": "1"}
    assert found.state == "starting"


def test_the_name_follows_from_the_model_alone(scripted):
    server = scripted({PUT: [(201, {"properties": {"provisioningState": "Creating"}})]})
    names = {foundry(server).serve(MODEL).model for _ in range(2)} | {foundry(server).serve(MODEL + "x").model}
    assert len(names) == 2
    assert all(len(name) <= 64 for name in names)


@pytest.mark.parametrize(
    ("model", "publisher"), [("gpt-oss-20b.ft-1", "OpenAI-OSS"), ("Ministral-3B.ft-1", "Mistral AI")]
)
def test_an_open_weight_model_is_deployed_under_its_publisher(model, publisher, scripted):
    server = scripted({PUT: [(201, {"properties": {"provisioningState": "Creating"}})]})
    foundry(server).serve(model)
    assert server.heard[-1][2]["properties"]["model"]["format"] == publisher


def test_the_developer_tier_needs_another_version_of_the_api(scripted):
    server = scripted({PUT: [(201, {"properties": {"provisioningState": "Creating"}})]})
    foundry(server, sku="DeveloperTier").serve(MODEL)
    assert server.heard[-1][1].endswith("api-version=2025-07-01-preview")


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ("Accepted", "starting"),
        ("Creating", "starting"),
        ("Deleting", "starting"),
        ("Moving", "starting"),
        ("Resharding", "starting"),
        ("Failed", "failed"),
        ("Canceled", "failed"),
        ("Disabled", "failed"),
    ],
)
def test_each_provisioning_state_is_a_state_of_serving_and_an_unknown_one_is_no_end(says, state, scripted):
    found = foundry(scripted({GET: [provisioning(says)]})).serve(MODEL)
    assert found.state == state
    assert says in found.reason


def test_a_failure_is_told_in_azures_words(scripted):
    told = {"code": "InternalServerError", "message": "no capacity in this region"}
    found = foundry(scripted({GET: [provisioning("Failed", error=told)]})).serve(MODEL)
    assert "no capacity in this region" in found.reason


def test_a_deployment_that_azure_refuses_has_failed_with_its_reason(scripted):
    refusal = {"error": {"code": "InsufficientQuota", "message": "This needs more quota"}}
    found = foundry(scripted({PUT: [(400, refusal)]})).serve(MODEL)
    assert found.state == "failed"
    assert "InsufficientQuota" in found.reason and "more quota" in found.reason


def test_ready_is_what_answers_and_not_what_resource_manager_says(scripted):
    not_yet = (404, {"error": {"code": "DeploymentNotFound", "message": "wait"}})
    server = scripted({GET: [provisioning("Succeeded")], CHAT: [not_yet, (200, {"choices": []})]})
    provider = foundry(server)
    assert provider.serve(MODEL).state == "starting"
    assert provider.serve(MODEL).state == "ready"


def test_a_model_that_refuses_the_question_is_there(scripted):
    refusal = {"error": {"code": "unsupported_parameter", "message": "max_completion_tokens"}}
    server = scripted({GET: [provisioning("Succeeded")], CHAT: [(400, refusal)]})
    assert foundry(server).serve(MODEL).state == "ready"


def test_one_that_azure_deleted_for_idleness_is_deployed_again(scripted):
    gone = (404, {"error": {"code": "ResourceNotFound", "message": "gone"}})
    made = (201, {"properties": {"provisioningState": "Creating"}})
    server = scripted({GET: [provisioning("Succeeded"), gone], PUT: [made], CHAT: [(200, {"choices": []})]})
    provider = foundry(server)
    ready = provider.serve(MODEL)
    assert (ready.state, "15 days without a request" in ready.reason) == ("ready", True)
    assert provider.serve(MODEL).state == "starting"
    assert [method for method, *_ in server.heard].count("PUT") == 1


def test_a_token_that_ran_out_names_its_variable_and_how_to_get_another(scripted):
    server = scripted({GET: [(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}})]})
    with pytest.raises(CredentialsError, match=r"AZURE_MANAGEMENT_TOKEN.*az account get-access-token"):
        foundry(server).serve(MODEL)


def test_without_its_section_a_tune_cannot_be_deployed():
    settings = ProviderSettings(name="foundry", base_url="https://a.openai.azure.com/openai/v1")
    with pytest.raises(ConfigurationError, match=r"provider\.foundry"):
        OpenAIWire(settings, "https://a.openai.azure.com/openai/v1", "key").serve(MODEL)


def test_a_resource_manager_in_a_private_network_is_refused(scripted):
    section = Foundry(subscription="s", resource_group="g", account="a", management_url="https://169.254.169.254")
    settings = ProviderSettings(name="foundry", foundry=section)
    with pytest.raises(ConfigurationError, match="management_url"):
        OpenAIWire(settings, "https://a.openai.azure.com/openai/v1", "key").serve(MODEL)


# ------------------------------------------------------------ Nebius and Crusoe

JOB = {"id": "ftjob-1", "model": "meta-llama/Llama-3.3-70B-Instruct", "status": "succeeded"}
LIST, MAKE = ("GET", "/v0/models"), ("POST", "/v0/models")


def nebius(server: Scripted) -> OpenAIWire:
    settings = ProviderSettings(name="nebius", project="aiproject-1")
    return OpenAIWire(settings, f"{server.root}/v1", "nebius-key-0123", FakeClock(), dialects()["nebius"])


def test_a_lost_answer_at_nebius_makes_no_second_model(scripted):
    server = scripted({LIST: [(200, {"data": []})], MAKE: [(500, {})], ("GET", "/jobs/"): [(200, JOB)]})
    assert nebius(server).serve("ftjob-1:ftckpt_1").state == "starting"
    assert [method for method, *_ in server.heard].count("POST") == 1


def test_nebius_gets_the_project_with_every_call(scripted):
    server = scripted({LIST: [(200, {"data": []})], MAKE: [(422, {"detail": "no"})], ("GET", "/jobs/"): [(200, JOB)]})
    found = nebius(server).serve("ftjob-1:ftckpt_1")
    assert (found.state, "no" in found.reason) == ("failed", True)
    assert all("ai_project_id=aiproject-1" in path for _, path, _ in server.heard)


def crusoe(server: Scripted, project: str | None = "p1") -> OpenAIWire:
    settings = ProviderSettings(name="crusoe", project=project)
    return OpenAIWire(settings, f"{server.root}/v1", "crusoe-key-0123", FakeClock(), dialects()["crusoe"])


ADAPTERS = ("GET", "/v1/projects/p1/foundry/loras")


@pytest.mark.parametrize(
    ("status", "state"), [("downloading", "starting"), ("ready", "ready"), ("failed", "failed"), (None, "starting")]
)
def test_each_status_of_an_adapter_is_a_state_of_serving(status, state, scripted):
    adapter = {"id": "lora-1", "model_id": "ftmodel-1", "status": status, "last_error": "no room"}
    found = crusoe(scripted({ADAPTERS: [(200, {"lora_adapters": [adapter]})]})).serve("ftmodel-1")
    assert found.state == state
    assert found.state != "failed" or found.reason == "no room"


def test_an_adapter_that_has_expired_is_loaded_again(scripted):
    expired = {"id": "lora-1", "model_id": "ftmodel-1", "status": "expired"}
    loaded = {"id": "lora-2", "status": "pending"}
    server = scripted({ADAPTERS: [(200, {"lora_adapters": [expired]})], ("POST", "/loras"): [(201, loaded)]})
    assert crusoe(server).serve("ftmodel-1").state == "starting"
    assert server.heard[-1][2] == {"model_id": "ftmodel-1"}


def test_serving_at_crusoe_needs_a_project(scripted):
    with pytest.raises(ConfigurationError, match=r"provider\.project"):
        crusoe(scripted({}), project=None).serve("ftmodel-1")


@pytest.mark.parametrize(
    ("estimate", "price"),
    [({"estimated_price": "0.12"}, 0.12), ({"total_cost": 3}, 3.0), ({"tokens": 9}, None), ({"price": "free"}, None)],
)
def test_an_estimate_is_read_by_whatever_is_called_a_price_or_a_cost(estimate, price, scripted):
    from tests.providers.speaking import order

    server = scripted({("POST", "/estimate_price"): [(200, estimate)], ("GET", "/models"): [(200, {"data": []})]})
    assert crusoe(server).quote(order("crusoe", "file-1")) == price


def test_a_provider_that_is_down_is_only_unavailable(scripted):
    with pytest.raises(ProviderUnavailableError):
        crusoe(scripted({ADAPTERS: [(503, {})]})).serve("ftmodel-1")
