"""How a tuned model of Together comes to answer, what that costs by the hour, and how it is taken down."""

from collections.abc import Iterator

import pytest

from data_contracts.provider import OwnPrice, ProviderSettings
from data_contracts.provider import Together as ServingSettings
from tasks.errors import ConfigurationError, ProviderUnavailableError
from tasks.providers.connect import NO_KEY
from tasks.providers.together import Together
from tests.providers.together_account import HARDWARE, PROJECT, Account, Fault
from tests.providers.together_server import together_account
from tests.providers.together_setup import together, trained

DEDICATED = ServingSettings(serving="dedicated", hardware=HARDWARE)
SERVERLESS = ServingSettings(serving="serverless")
NOT_SERVERLESS = {"error": {"message": "Unable to access non-serverless model x.", "code": "model_not_available"}}


@pytest.fixture
def account() -> Iterator[Account]:
    with together_account() as found:
        yield found


@pytest.fixture
def provider(account: Account) -> Together:
    return together(account, together=DEDICATED)


@pytest.fixture
def model(provider: Together) -> str:
    return trained(provider)


def deployments(account: Account) -> int:
    return sum(len(endpoint["deployments"]) for endpoint in account.endpoints.values())


def test_a_serverless_model_answers_at_once_and_one_token_tells(account: Account) -> None:
    serving = together(account, together=SERVERLESS).serve("acct/tuned")
    assert (serving.state, serving.model) == ("ready", "acct/tuned")
    assert account.calls("chat")[0].sent["max_tokens"] == 1


def test_a_base_model_without_serverless_adapters_says_what_to_set(account: Account) -> None:
    account.chat_error = (400, NOT_SERVERLESS)
    serving = together(account, together=SERVERLESS).serve("acct/tuned")
    assert serving.state == "failed"
    assert "provider.together.serving: dedicated" in serving.reason


def test_a_serverless_model_that_is_not_known_yet_is_starting(account: Account) -> None:
    account.chat_error = (404, {"error": {"message": "no such model", "code": "model_not_found"}})
    assert together(account, together=SERVERLESS).serve("acct/tuned").state == "starting"


def test_a_dedicated_model_is_deployed_once_and_then_looked_at(
    account: Account, provider: Together, model: str
) -> None:
    first = provider.serve(model)
    assert (first.state, first.reason) == ("starting", f"on {HARDWARE}, $3.36 an hour")
    assert [provider.serve(model).state for _ in range(2)] == ["starting", "ready"]
    assert deployments(account) == len(account.calls("deployments.create")) == 1
    asked = account.calls("deployments.create")[0].sent
    assert asked["model"] == f"projects/{PROJECT}/models/ml_merged"
    assert asked["config"] == "projects/proj_public/configs/cr_disabled_0"
    assert asked["autoscaling"] == {"minReplicas": 1, "maxReplicas": 1}


def test_a_dedicated_model_answers_under_its_deployment_s_name(
    account: Account, provider: Together, model: str
) -> None:
    account.deployed = ["READY"]
    provider.serve(model)
    endpoint = next(iter(account.endpoints.values()))
    assert provider.serve(model).model == endpoint["deployments"][0]["name"]


@pytest.mark.parametrize("call", ["endpoints.create", "deployments.create"])
@pytest.mark.parametrize("kind", ["reset", "html", "status"])
def test_a_lost_answer_to_a_deployment_ends_in_one_deployment(
    account: Account, provider: Together, model: str, call: str, kind: str
) -> None:
    account.faults = [Fault(call, kind)]
    with pytest.raises(ProviderUnavailableError):
        provider.serve(model)
    provider.serve(model)
    assert (len(account.endpoints), deployments(account)) == (1, 1)


def test_a_deployment_that_failed_says_why(account: Account, provider: Together, model: str) -> None:
    provider.serve(model)
    account.deployed = ["FAILED"]
    serving = provider.serve(model)
    assert (serving.state, serving.reason) == ("failed", "failed: no capacity")


def test_a_deployment_that_was_stopped_is_started_again(account: Account, provider: Together, model: str) -> None:
    provider.serve(model)
    account.deployed = ["STOPPED"]
    assert provider.serve(model).state == "starting"
    assert account.calls("deployments.scale")[0].sent == {"autoscaling": {"minReplicas": 1, "maxReplicas": 1}}


def test_weights_that_are_not_registered_yet_are_waited_for(account: Account, provider: Together, model: str) -> None:
    account.jobs["ft-1"] |= {"status": "gone quiet", "model_object_id": None, "adapter_object_id": None}
    assert provider.serve(model).state == "starting"
    assert account.endpoints == {}


@pytest.mark.parametrize("hardware", ["", "1xnvidia-t4"])
def test_the_hardware_is_asked_for_where_there_is_a_choice(account: Account, model: str, hardware: str) -> None:
    account.configs = [HARDWARE, "2xnvidia-h100-80gb"]
    provider = together(account, together=ServingSettings(serving="dedicated", hardware=hardware))
    with pytest.raises(ConfigurationError, match=f"{HARDWARE}, 2xnvidia-h100-80gb") as refused:
        provider.serve(model)
    assert refused.value.where == "provider.together.hardware"
    assert account.endpoints == {}, "nothing is made before it is known how it runs"


def test_the_only_hardware_needs_no_setting(account: Account, model: str) -> None:
    provider = together(account, together=ServingSettings(serving="dedicated"))
    assert provider.serve(model).state == "starting"


def test_a_key_of_an_organisation_needs_a_project(account: Account, provider: Together, model: str) -> None:
    account.key_names_project = False
    with pytest.raises(ConfigurationError, match=r"provider\.project"):
        provider.serve(model)


def test_a_project_that_is_set_is_not_asked_for(account: Account, model: str) -> None:
    together(account, together=DEDICATED, project=PROJECT).serve(model)
    assert account.calls("whoami") == []


def test_a_withdrawn_model_leaves_nothing_that_costs(account: Account, provider: Together, model: str) -> None:
    provider.serve(model)
    provider.withdraw(model)
    provider.withdraw(model)
    assert account.endpoints == {}
    assert account.calls("deployments.scale")[0].sent == {"autoscaling": {"minReplicas": 0, "maxReplicas": 0}}


def test_a_deployment_that_is_still_stopping_is_deleted_a_little_later(
    account: Account, provider: Together, model: str
) -> None:
    provider.serve(model)
    account.faults = [Fault("deployments.delete", "status", accepted=False, status=400)]
    provider.withdraw(model)
    assert account.endpoints == {}


def test_a_dedicated_model_costs_by_the_hour_and_not_by_the_token(provider: Together) -> None:
    price = provider.price("acct/tuned", tuned=True)
    assert (price.input, price.output, price.hosting) == (0.0, 0.0, 3.36)


def test_without_a_key_no_hourly_price_is_asked_for(account: Account) -> None:
    settings = ProviderSettings(name="together", together=DEDICATED)
    assert Together(settings, f"{account.url}/v1", NO_KEY).price("acct/tuned", tuned=True).hosting is None
    assert account.log == []


def test_an_hourly_price_of_the_use_case_wins(account: Account) -> None:
    own = {"base": OwnPrice(hosting_per_hour=2.0)}
    assert together(account, together=DEDICATED, prices=own).price("base", tuned=True).hosting == 2.0
    assert account.log == []


def test_an_hourly_price_that_cannot_be_read_is_unknown(account: Account, provider: Together) -> None:
    account.faults = [Fault("hardware.list", "html")]
    assert provider.price("acct/tuned", tuned=True).hosting is None
