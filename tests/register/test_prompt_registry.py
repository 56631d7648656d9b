"""Prompts in MLflow's prompt registry: a version for each, known by its hash, on a real SQLite store."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from data_contracts.candidate import Prompt
from data_contracts.trial import TrialRecord
from tasks.register.mlflow_registry import Registry
from tasks.register.prompt_registry import PromptRegistry
from tasks.register.store import Store
from tests.register.page import with_changes
from tests.small_use_case import small_rows
from tests.stepwise import Finished

NAME = "tunegate.small.prompt"


@pytest.fixture(scope="module")
def promoted(finished: Finished, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The home in which a first trial kept its best prompt, and a second promoted its tune; the champion's prompts."""
    home = tmp_path_factory.mktemp("prompts")
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        registry, standing = Registry("small"), []
        for record in (kept(finished.record), finished.record):
            registry.register(record, registry.open_trial(record.run, {}))
            champion = registry.client.get_prompt_version_by_alias(NAME, "champion")
            standing.append(champion.tags["tunegate.digest"])
        return home, standing


@pytest.fixture
def registered(own_home: Path, promoted: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of the promoted trial."""
    monkeypatch.setenv("TUNEGATE_HOME", str(promoted[0]))
    return Registry("small")


@pytest.fixture
def prompts(home: Path) -> PromptRegistry:
    """A prompt registry in which nothing stands yet."""
    return PromptRegistry(Store("small"))


def versions(registry: Registry | PromptRegistry) -> dict[int, Any]:
    return {int(one.version): one for one in registry.client.search_prompt_versions(NAME)}


def prompt_of(record: TrialRecord, candidate: str) -> Prompt:
    return next(item.candidate.prompt for item in record.comparison.candidates if item.candidate.name == candidate)


def kept(record: TrialRecord) -> TrialRecord:
    """The trial as if its tune had not been good enough."""
    prompt = record.comparison.candidates[0].candidate.model_dump()
    return with_changes(record, "verdict", lambda verdict: verdict.update(decision="keep", winner=prompt))


def test_every_prompt_of_the_final_comparison_is_a_version_by_its_hash(
    registered: Registry, finished: Finished
) -> None:
    digests = {prompt_of(finished.record, name).digest for name in ("best-prompt", "tune-minimal", "tune-full")}
    assert {one.tags["tunegate.digest"] for one in versions(registered).values()} == digests
    assert len(versions(registered)) == 2, "best-prompt and tune-full ask with the same one"


def test_a_version_is_the_whole_prompt_with_its_decoding_and_its_rule(registered: Registry) -> None:
    shown = next(one for one in versions(registered).values() if one.tags["tunegate.name"] == "shown")
    assert "You sort notes by topic." in shown.template
    assert "- fruit: about apple pear plum" in shown.template
    assert {"input", "examples"} <= shown.variables
    assert (shown.tags["tunegate.few_shot"], shown.tags["tunegate.seed"]) == ("3 similar", "7")
    assert (shown.tags["tunegate.temperature"], shown.tags["tunegate.top_p"]) == ("0.0", "not sent")
    assert shown.model_config == {"temperature": 0.0, "max_tokens": 256}


def test_the_same_prompt_is_never_registered_twice(prompts: PromptRegistry, finished: Finished) -> None:
    first = prompts.register(finished.record)
    assert prompts.register(replace(finished.record, run="20990101-000000-small-0000")) == first
    assert set(versions(prompts)) == {1, 2}


def test_other_labels_in_the_contract_make_another_text_of_the_same_prompt(
    prompts: PromptRegistry, finished: Finished
) -> None:
    case = finished.record.case
    contract = case.contract.model_copy(update={"labels": {**case.contract.labels, "birds": "about wings"}})
    changed = case.model_copy(update={"contract": contract})
    before = prompts.register(finished.record)
    after = prompts.register(replace(finished.record, case=changed, labels=[*finished.record.labels, "birds"]))
    shown, minimal = (prompt_of(finished.record, name).digest for name in ("best-prompt", "tune-minimal"))
    assert (after[minimal], after[shown]) == (before[minimal], 3)
    assert "- birds: about wings" in versions(prompts)[3].template


def test_the_alias_champion_goes_with_the_champion(promoted: tuple[Path, list[str]], finished: Finished) -> None:
    assert promoted[1] == [prompt_of(finished.record, name).digest for name in ("best-prompt", "tune-minimal")]


def test_a_champion_whose_prompt_is_not_there_moves_no_alias(prompts: PromptRegistry, finished: Finished) -> None:
    prompts.register(finished.record)
    prompts.follow({"tunegate.prompt_digest": "of a prompt that was never registered"})
    assert not [one for one in versions(prompts).values() if one.aliases]


def test_a_model_version_names_the_prompt_that_it_asks_with(registered: Registry, finished: Finished) -> None:
    found = registered.client.get_model_version("tunegate.small", "2")
    prompt = mlflow.genai.load_prompt(found.tags["tunegate.prompt_version"])
    assert prompt.tags["tunegate.digest"] == prompt_of(finished.record, "tune-minimal").digest
    assert "Answer with the topic." in prompt.format(input="a note about pears")


def test_a_candidates_run_leads_to_its_prompt(registered: Registry) -> None:
    run = registered.client.get_run(registered.store.find_run(tunegate__candidate="tune-minimal"))
    (linked,) = json.loads(run.data.tags["mlflow.linkedPrompts"])
    assert linked["name"] == NAME


def test_a_prompt_belongs_to_the_use_cases_experiment_alone(prompts: PromptRegistry, finished: Finished) -> None:
    prompts.register(finished.record)
    found = prompts.client.search_prompts(f"experiment_id = '{prompts.store.experiment_id}'")
    assert [one.name for one in found] == [NAME]
    assert list(prompts.client.search_prompts("experiment_id = '0'")) == [], "MLflow's own, which is active by default"


def test_no_example_of_a_few_shot_prompt_stands_there(registered: Registry) -> None:
    texts = [row["text"] for row in small_rows(400, seed=1)]
    assert not [text for one in versions(registered).values() for text in texts if text in one.template]


def test_a_prompt_too_long_for_the_registry_does_not_stop_a_trial(prompts: PromptRegistry, finished: Finished) -> None:
    case = finished.record.case
    contract = case.contract.model_copy(update={"labels": {**case.contract.labels, "birds": "wings " * 20_000}})
    found = prompts.register(replace(finished.record, case=case.model_copy(update={"contract": contract})))
    assert set(found) == {prompt_of(finished.record, "tune-minimal").digest}
