"""Every provider keeps the protocol: its methods by name, parameter and type, and its properties."""

import inspect
from importlib import import_module
from typing import Any, Protocol, get_type_hints

import pytest

from data_contracts import money
from data_contracts.provider import ProviderSettings
from tasks.providers.connect import connect_for_prices
from tasks.providers.protocol import Capabilities, Provider

CLASSES = {
    "tasks.providers.openai_wire": "OpenAIWire",
    "tasks.providers.embedded": "Embedded",
    "tasks.providers.together": "Together",
    "tasks.providers.aws.bedrock": "Bedrock",
    "tasks.providers.aws.sagemaker": "SageMaker",
}
METHODS = [name for name, _ in inspect.getmembers(Provider, inspect.isfunction) if not name.startswith("_")]


def unkept(provider: type[Any]) -> list[str]:
    """What a class has otherwise than the protocol, or not at all."""
    return [name for name in METHODS if _shape(getattr(provider, name, None)) != _shape(getattr(Provider, name))]


def _shape(method: Any) -> object:
    if not inspect.isfunction(method):
        return None
    parameters = [(one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()]
    return parameters, get_type_hints(method, localns=vars(money))  # which the protocol imports for its types only


@pytest.mark.parametrize(("module", "name"), CLASSES.items(), ids=CLASSES.values())
def test_a_provider_has_every_method_as_the_protocol_states_it(module: str, name: str) -> None:
    assert unkept(getattr(import_module(module), name)) == []


@pytest.mark.parametrize(("module", "name"), CLASSES.items(), ids=CLASSES.values())
def test_every_method_of_a_provider_says_what_it_does(module: str, name: str) -> None:
    provider = getattr(import_module(module), name)
    assert [method for method in METHODS if not inspect.getdoc(getattr(provider, method))] == []


def test_a_missing_method_and_another_parameter_are_noticed() -> None:
    class Half(Protocol):
        def cancel(self, job: str) -> None: ...

    assert set(unkept(Half)) == set(METHODS)


@pytest.mark.parametrize("name", ["openai", "nebius", "crusoe", "together"])
def test_a_connected_provider_says_who_it_is_and_what_it_can_do(name: str) -> None:
    provider = connect_for_prices(ProviderSettings.model_validate({"name": name}))
    assert provider.name == name
    assert provider.base_url.startswith("https://")
    assert provider.account
    assert isinstance(provider.capabilities, Capabilities)
