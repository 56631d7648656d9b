"""The table of dialects, and what it refuses before anything is sent: by the field of the use case."""

from typing import Any

import pytest

from data_contracts.provider import Aws, Foundry, ProviderSettings
from tasks.errors import ConfigurationError, CredentialsError
from tasks.providers.connect import connect
from tasks.providers.dialects import Dialect, dialect_name, dialects
from tasks.providers.job_body import job_body
from tests.providers.speaking import LAMBDA, order

WIRES = ("openai", "foundry", "nebius", "crusoe", "bedrock_openai")


@pytest.mark.parametrize(("name", "dialect"), dialects().items())
def test_every_dialect_says_where_it_is_written_when_that_was_read_and_what_is_not(name: str, dialect: Dialect):
    assert all(source.url.startswith("https://") and source.page and source.read for source in dialect.sources)
    assert dialect.unknown or name == "embedded"


def test_no_dialect_is_a_renamed_base_url():
    told = {name: dialects()[name].model_dump(exclude={"base_url", "key_env", "sources", "unknown"}) for name in WIRES}
    assert all(told[one] != told[other] for one in WIRES for other in WIRES if one < other)


@pytest.mark.parametrize("name", WIRES)
def test_what_a_run_asks_before_it_buys_comes_from_the_table(name: str):
    can, table = dialects()[name].capabilities, dialects()[name]
    assert can.methods == set(table.methods)
    assert (can.min_examples, can.max_suffix) == (table.min_examples, table.max_suffix)
    assert can.deploys == (name in ("foundry", "nebius", "crusoe"))


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [  # dialect, what is ordered, field, what to do instead
    ("nebius", {"method": "dpo"}, "fine_tune.method", "openai, embedded, foundry, together"),
    ("crusoe", {"method": "reinforcement", "grader": LAMBDA}, "fine_tune.method", "bedrock_openai"),
    ("bedrock_openai", {"method": "supervised", "grader": None}, "fine_tune.method", "nebius"),
    ("bedrock_openai", {"grader": {"type": "string_check"}}, "fine_tune.grader", "openai or foundry"),
    ("bedrock_openai", {"suffix": "mine"}, "fine_tune.suffix", "Leave it out"),
    ("foundry", {"suffix": "x" * 19}, "fine_tune.suffix", "Shorten it"),
    ("foundry", {"suffix": "v1.0"}, "fine_tune.suffix", "other characters"),
    (
        "nebius",
        {"learning_rate_multiplier": 2.0},
        "fine_tune.learning_rate_multiplier",
        "hyperparameters.learning_rate",
    ),
    ("crusoe", {"batch_size": 24}, "fine_tune.batch_size", "16, 32"),
    ("crusoe", {"hyperparameters": {"lora_r": 8}}, "fine_tune.hyperparameters", "lora_rank"),
    ("openai", {"hyperparameters": {"lora_r": 8}}, "fine_tune.hyperparameters", "compute_multiplier"),
]


@pytest.mark.parametrize(("name", "ordered", "field", "instead"), REFUSED)
def test_what_a_dialect_cannot_do_is_refused_by_its_field_with_what_to_do(name, ordered, field, instead):
    with pytest.raises(ConfigurationError) as refusal:
        job_body(order(name, "file-1", **ordered), dialects()[name], name, {})
    assert refusal.value.where == field
    assert instead in refusal.value.remedy


PLACED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("openai", {"method": "dpo", "beta": 0.3}, {"dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.3}}}),
    (
        "foundry",
        {"method": "reinforcement", "grader": {"type": "string_check"}, "hyperparameters": {"eval_samples": 2}},
        {"reinforcement": {"hyperparameters": {"n_epochs": 2, "eval_samples": 2}, "grader": {"type": "string_check"}}},
    ),
    ("nebius", {}, {"supervised": {"hyperparameters": {"lora": True, "n_epochs": 2}}}),
    (
        "nebius",
        {"hyperparameters": {"lora": False}},
        {"supervised": {"hyperparameters": {"lora": False, "n_epochs": 2}}},
    ),
    (
        "crusoe",
        {"hyperparameters": {"lora_rank": 8}},
        {"supervised": {"hyperparameters": {"n_epochs": 2, "lora_rank": 8}}},
    ),
    ("bedrock_openai", {}, {"reinforcement": {"hyperparameters": {"n_epochs": 2}, "grader": LAMBDA}}),
]


@pytest.mark.parametrize(("name", "ordered", "method"), PLACED)
def test_method_beta_grader_and_hyperparameters_stand_where_the_dialect_reads_them(name, ordered, method):
    body = job_body(order(name, "file-1", **ordered), dialects()[name], name, {})
    assert body["method"] == {"type": next(iter(method)), **method}


def test_a_job_carries_only_the_fields_that_its_dialect_has():
    bodies = {name: job_body(order(name, "file-1"), dialects()[name], name, {}) for name in WIRES}
    assert {name for name, body in bodies.items() if "metadata" in body} == {"openai", "foundry"}
    assert {name for name, body in bodies.items() if "seed" in body} == {"openai", "foundry", "nebius"}


# ------------------------------------------------------------ connecting

FOUNDRY = Foundry(subscription="s", resource_group="g", account="resource")
ADDRESSES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "openai"}, "OPENAI_API_KEY", "https://api.openai.com/v1"),
    ({"name": "foundry", "foundry": FOUNDRY}, "AZURE_OPENAI_API_KEY", "https://resource.openai.azure.com/openai/v1"),
    ({"name": "nebius"}, "NEBIUS_API_KEY", "https://api.tokenfactory.nebius.com/v1"),
    ({"name": "crusoe"}, "CRUSOE_API_KEY", "https://api.intelligence.crusoecloud.com/v1"),
    (
        {"name": "bedrock_openai", "aws": Aws(region="us-west-2")},
        "AWS_BEARER_TOKEN_BEDROCK",
        "https://bedrock-mantle.us-west-2.api.aws/v1",
    ),
]


@pytest.mark.parametrize(("settings", "variable", "address"), ADDRESSES)
def test_each_has_its_own_address_and_its_own_key(settings, variable, address, monkeypatch):
    for _, other, _ in ADDRESSES:
        monkeypatch.delenv(other, raising=False)
    with pytest.raises(CredentialsError, match=variable):
        connect(ProviderSettings(**settings))
    monkeypatch.setenv(variable, "a-key-of-its-own")
    assert connect(ProviderSettings(**settings)).base_url == address


@pytest.mark.parametrize(("name", "field"), [("foundry", "provider.foundry.account"), ("bedrock_openai", "aws.region")])
def test_an_address_that_lacks_its_part_names_the_field(name, field, monkeypatch):
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(ConfigurationError, match=field):
        connect(ProviderSettings(name=name))


def test_keys_go_in_the_header_of_the_dialect_and_answers_to_its_host(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.setenv("CRUSOE_API_KEY", "crusoe-key")
    azure = connect(ProviderSettings(name="foundry", foundry=FOUNDRY)).answer_endpoint()
    crusoe = connect(ProviderSettings(name="crusoe", project="p")).answer_endpoint()
    assert azure.headers == {"api-key": "azure-key"}
    assert crusoe.url == "https://api.inference.crusoecloud.com/v1/chat/completions"
    assert crusoe.headers == {"Authorization": "Bearer crusoe-key"}


def test_the_organisation_in_the_environment_is_told_to_openai_only(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_API_KEY", "openai-key")
    monkeypatch.setenv("NEBIUS_API_KEY", "nebius-key")
    assert connect(ProviderSettings(name="openai")).answer_endpoint().headers["OpenAI-Organization"] == "org-1"
    assert "OpenAI-Organization" not in connect(ProviderSettings(name="nebius")).answer_endpoint().headers


def test_openai_at_another_address_is_taken_as_compatible_and_not_as_openai():
    assert dialect_name(ProviderSettings(name="openai")) == "openai"
    assert dialect_name(ProviderSettings(name="openai", base_url="https://api.openai.com/v1")) == "openai"
    assert dialect_name(ProviderSettings(name="openai", base_url="https://gateway.example/v1")) == "compatible"
