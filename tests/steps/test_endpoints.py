"""Prompts may answer at another endpoint than the one that trains, with a key of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_contracts.contest import PromptSearch
from data_contracts.load import load
from tasks.errors import ConfigurationError, CredentialsError
from tasks.steps import money, prompt_search
from tasks.workspace import Workspace, edge_of
from tests.embedded import RunningServer, embedded_server
from tests.small_use_case import USE_CASE, small_use_case
from tests.stepwise import begin, take_data_steps, unseen

KEY = "sk-other-0123456789abcdef"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Another vendor: it wants its own key."""
    with embedded_server(tmp_path_factory.mktemp("other"), api_key=KEY) as server:
        yield server


@pytest.fixture
def use_case(tmp_path: Path, other: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OTHER_KEY", KEY)
    models = ["local-base-small", {"model": "local-base-large", "endpoint": "other"}]
    return small_use_case(
        tmp_path / "case",
        prompts=USE_CASE["prompts"] | {"base_models": models, "search_rows": 20},
        endpoints={"other": {"name": "openai", "base_url": other.url, "api_key_env": "OTHER_KEY"}},
    )


@pytest.fixture
def space(use_case: Path, own_home: Path) -> Workspace:
    return take_data_steps(begin(use_case))


def test_each_variant_is_asked_where_its_model_is(space: Workspace, other, shared_provider) -> None:
    edge = edge_of(space)
    before = len(shared_provider.log("chat.create"))
    found = prompt_search.search(space, edge, unseen)
    models = {item.candidate.endpoint: item.candidate.model for item in found.tried}
    assert models == {"": "local-base-small", "other": "local-base-large"}
    asked = len(shared_provider.log("chat.create")) - before
    assert len(other.log("chat.create")) == asked == 3 * 20


def test_its_answers_are_paid_for_once(space: Workspace, other) -> None:
    prompt_search.search(space, edge_of(space), unseen)
    before = len(other.log("chat.create"))
    assert isinstance(prompt_search.search(take_data_steps(begin(_path(space))), edge_of(space), unseen), PromptSearch)
    assert len(other.log("chat.create")) == before


def test_its_models_are_looked_for_there(space: Workspace, use_case: Path) -> None:
    wrong = {"prompts.base_models": [{"model": "gone", "endpoint": "other"}]}
    broken = take_data_steps(begin(use_case, settings=wrong))
    edge = edge_of(broken)
    with pytest.raises(ConfigurationError, match="endpoint other has no model gone"):
        money.require_budget(broken, edge, money.estimate(broken, edge, train=False), approved=True)


def test_a_missing_key_names_its_variable(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER_KEY")
    with pytest.raises(CredentialsError, match="OTHER_KEY is not set"):
        prompt_search.search(space, edge_of(space), unseen)


def test_an_endpoint_that_is_not_there_is_a_configuration_error(use_case: Path) -> None:
    wrong = {"prompts.base_models": [{"model": "local-base-small", "endpoint": "nowhere"}]}
    with pytest.raises(ConfigurationError, match="there is no endpoint nowhere under `endpoints`"):
        load(str(use_case), wrong)


def _path(space: Workspace) -> Path:
    return space.case.folder / "small.yaml"
