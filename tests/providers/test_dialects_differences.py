"""Every recorded difference matters: taken out of the table, the server of that dialect refuses, or nothing answers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from data_contracts.money import Job
from tasks.errors import ProviderRefusedError, TunegateError
from tasks.providers.openai_wire import OpenAIWire
from tests.embedded import RunningServer, embedded_server
from tests.providers.speaking import LAMBDA, TOKEN, ended, looks, order, rows, speaker

LARGE = "local-base-large-2026-06-01"  # stands for an open-weight model at Foundry


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("differences")) as running:
        yield running


@pytest.fixture(autouse=True)
def management_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", TOKEN)


def bought(server: RunningServer, name: str, ordered: dict[str, Any], **differences: Any) -> Job:
    """A job that is taken, and cancelled, so that none trains in vain."""
    provider = speaker(server, name, **differences)
    job = provider.create_job(order(name, provider.upload("a.jsonl", rows(name)), **ordered))
    provider.cancel(job.id)
    return job


ORDERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [  # (dialect, what is ordered, its table without this)
    ("foundry", {}, {"bom": False}),
    ("foundry", {"base_model": LARGE}, {"body": []}),
    ("foundry", {"suffix": "a" * 19}, {"max_suffix": 64}),
    ("foundry", {"suffix": "v1.0"}, {"suffix_pattern": ".*"}),
    ("nebius", {}, {"metadata": True}),
    ("nebius", {"learning_rate_multiplier": 2.0}, {"common": ["n_epochs", "batch_size", "learning_rate_multiplier"]}),
    ("nebius", {"hyperparameters": {"lora_rank": 8}}, {"hyperparameters": ["lora_rank"]}),
    ("crusoe", {}, {"metadata": True}),
    ("crusoe", {}, {"seed": True}),
    ("crusoe", {}, {"resolves_model": False}),
    ("crusoe", {"batch_size": 24}, {"choices": {}}),
    ("crusoe", {"hyperparameters": {"lora_r": 8}}, {"hyperparameters": ["lora_r"]}),
    ("crusoe", {"method": "dpo", "beta": 0.1}, {"methods": ["dpo"]}),
    ("bedrock_openai", {}, {"metadata": True}),
    ("bedrock_openai", {}, {"seed": True}),
    ("bedrock_openai", {"suffix": "mine"}, {"max_suffix": 64}),
    ("bedrock_openai", {"method": "supervised", "grader": None}, {"methods": ["supervised"]}),
    ("bedrock_openai", {"grader": {"type": "string_check"}}, {"graders": []}),
]


@pytest.mark.parametrize(("name", "ordered", "without"), ORDERS)
def test_a_job_ordered_without_minding_a_difference_is_refused(name, ordered, without, server):
    with pytest.raises(ProviderRefusedError):
        bought(server, name, ordered, **without)


@pytest.mark.parametrize("name", ["foundry", "nebius", "crusoe", "bedrock_openai"])
def test_with_its_differences_minded_the_same_job_is_taken(name, server):
    assert bought(server, name, {}).id


def test_an_open_weight_model_at_foundry_trains_with_a_training_type(server):
    assert bought(server, "foundry", {"base_model": LARGE}).id


def test_lora_hyperparameters_reach_nebius_and_crusoe_under_their_own_names(server):
    assert bought(server, "nebius", {"hyperparameters": {"lora_r": 8, "learning_rate": 1e-5}}).id
    assert bought(server, "crusoe", {"hyperparameters": {"lora_rank": 8}, "batch_size": 16}).id


def test_bedrock_takes_no_less_than_a_hundred_rows_as_its_table_says(server):
    provider = speaker(server, "bedrock_openai")
    few = provider.upload("few.jsonl", rows("bedrock_openai", provider.capabilities.min_examples - 1))
    with pytest.raises(ProviderRefusedError, match="100"):
        provider.create_job(order("bedrock_openai", few))


def test_a_file_that_foundry_still_imports_is_waited_for(server):
    def slowly(seconds: float, **differences: Any) -> OpenAIWire:
        provider = speaker(server, "foundry", **differences)
        server.change_settings(dialect="foundry", file_seconds=seconds)
        return provider

    hasty = slowly(5.0, waits_for_file=False)
    with pytest.raises(ProviderRefusedError, match="imported"):
        hasty.create_job(order("foundry", hasty.upload("hasty.jsonl", rows("foundry"))))
    patient = slowly(0.05)
    assert patient.create_job(order("foundry", patient.upload("patient.jsonl", rows("foundry")))).id


SERVED: list[tuple[str, dict[str, Any], Callable[[OpenAIWire, str], bool]]] = [
    ("foundry", {"azure": None}, lambda provider, model: provider.serve(model).model == model),
    ("nebius", {"defaults": {}}, lambda provider, model: [*looks(provider, model)][-1].state == "failed"),
    ("bedrock_openai", {"serving": "listed"}, lambda provider, model: provider.serve(model).state == "starting"),
]


@pytest.mark.parametrize(("name", "without", "shows"), SERVED)
def test_a_tune_is_not_served_without_minding_how(name, without, shows, server):
    provider = speaker(server, name, **without)
    job = provider.create_job(order(name, provider.upload("served.jsonl", rows(name)), grader=graded(name)))
    assert shows(provider, str(ended(provider, job.id).model))


def graded(name: str) -> dict[str, Any] | None:
    return LAMBDA if name == "bedrock_openai" else None


def test_only_the_wire_under_openai_v1_is_foundry(server):
    provider = speaker(server, "foundry")
    provider._client.base_url = server.url
    with pytest.raises(TunegateError):
        provider.models()


def test_resource_manager_takes_a_token_of_its_own_and_names_its_variable(server, monkeypatch):
    provider = speaker(server, "foundry")
    for token, said in (("", "AZURE_MANAGEMENT_TOKEN is not set"), ("not-of-arm", "token in AZURE_MANAGEMENT_TOKEN")):
        monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", token)
        with pytest.raises(TunegateError, match=said):
            provider.serve("any-model.ft-1")
