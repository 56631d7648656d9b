"""Purging a run: what the provider holds of it goes, unless it is in production; told and proven by the provider."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from data_contracts.money import Submission
from flows import commands, display
from tasks import workspace
from tasks.errors import ConfigurationError, ProviderRefusedError, ResumableError
from tasks.register.mlflow_registry import Registry
from tasks.run_folder import RunFolder
from tasks.steps import money
from tasks.workspace import Workspace, edge_of
from tests.embedded import RunningServer, embedded_server
from tests.small_use_case import small_use_case
from tests.stepwise import begin, registered, take_data_steps


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("purge")
    with embedded_server(folder / "server") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def use_case(place: RunningServer) -> Path:
    return small_use_case(place.state.parent / "case")


@pytest.fixture(scope="module")
def trial(use_case: Path) -> Workspace:
    """A trial whose tune won and is in production; the tests below take it from there, in their order."""
    return workspace.reopen(registered(use_case).run)


def test_the_uploaded_files_went_when_the_job_had_ended(trial: Workspace, place: RunningServer) -> None:
    assert len(place.log("files.create")) == len(place.log("files.delete")) == 2
    (intent,) = edge_of(trial).ledger.intents()
    assert [(item.kind, item.proven) for item in edge_of(trial).ledger.deletions(intent.key)] == [("file", True)] * 2


def test_the_model_in_production_is_not_purged(trial: Workspace) -> None:
    with pytest.raises(ConfigurationError, match=r"answers as champion of small \(version \d+\)"):
        commands.purge(trial.folder.run)


def test_a_champion_is_known_by_its_purchase_whatever_it_is_called(
    trial: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Registry("small").champion()
    renamed = found.candidate.model_copy(update={"model": "its-deployment", "tuned_model": ""})
    monkeypatch.setattr(Registry, "champion", lambda registry: replace(found, candidate=renamed))
    with pytest.raises(ConfigurationError, match="answers as champion"):
        commands.purge(trial.folder.run)
    own = found.candidate.model_copy(update={"model": "its-deployment"})
    monkeypatch.setattr(Registry, "champion", lambda registry: replace(found, candidate=own, intent=""))
    with pytest.raises(ConfigurationError, match="answers as champion"):
        commands.purge(trial.folder.run)


@pytest.fixture
def dethroned(trial: Workspace) -> Workspace:
    registry = Registry("small")
    registry.client.delete_registered_model_alias(registry.name, "champion")
    return trial


def test_a_purchase_that_another_run_is_at_work_with_stays(dethroned: Workspace, place: RunningServer) -> None:
    other = RunFolder(dethroned.folder.path.parent / "20990101-000000-small-0000")
    other.write_json("submission.json", dethroned.folder.read_json("submission.json", Submission))
    edge_of(dethroned).ledger.record_run(other.run, "small", "started", {})
    other.claim()
    with pytest.raises(ConfigurationError, match=f"run {other.run} is at work with the same purchase"):
        commands.purge(dethroned.folder.run)
    other.release()
    assert not place.log("models.delete")


def test_a_run_in_progress_is_not_purged(dethroned: Workspace) -> None:
    with FileLock(dethroned.folder.path / ".lock"), pytest.raises(ResumableError, match="in progress"):
        commands.purge(dethroned.folder.run)


def test_a_model_that_is_no_champion_goes_and_is_seen_to_be_gone(dethroned: Workspace, place: RunningServer) -> None:
    purged = commands.purge(dethroned.folder.run)
    deleted = purged["deleted"]
    assert purged["stays"] == []
    assert [(item["kind"], item["proven"]) for item in deleted] == [("file", True), ("file", True), ("model", True)]
    assert len(place.log("models.delete")) == 1


def test_purging_again_deletes_nothing_more(trial: Workspace, place: RunningServer) -> None:
    assert len(commands.purge(trial.folder.run)["deleted"]) == 3
    assert len(place.log("models.delete")) == 1


def test_the_same_purchase_is_not_attached_to_any_more(trial: Workspace, use_case: Path) -> None:
    again = take_data_steps(begin(use_case))
    with pytest.raises(ProviderRefusedError, match=r"purged.*raise `fine_tune\.generation`"):
        money.estimate(again, edge_of(again), train=True)


def test_a_run_that_bought_nothing_says_so(trial: Workspace, use_case: Path) -> None:
    with pytest.raises(ConfigurationError, match="it bought nothing"):
        commands.purge(begin(use_case).folder.run)


def test_what_only_a_person_can_delete_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    display.purge({"deleted": [], "stays": [{"kind": "model", "id": "ft:kept"}]})
    told = capsys.readouterr().out
    assert "ft:kept: stays; it can only be deleted in the provider's portal" in told and "holds nothing" not in told
    display.purge({"deleted": [], "stays": []})
    assert "The provider holds nothing of this run." in capsys.readouterr().out
