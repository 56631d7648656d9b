"""The whole trial, on real servers: Prefect, MLflow on SQLite, the embedded provider on a socket."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from data_contracts.contest import VerdictRef
from data_contracts.trial import TrialOptions
from tasks import workspace
from tasks.ledger import Ledger
from tasks.steps import audit
from tests.embedded import RunningServer, embedded_server
from tests.small_use_case import small_rows, small_use_case


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[RunningServer]:
    """A home with a provider of its own, shared by the tests below in their order."""
    folder = tmp_path_factory.mktemp("trial")
    with embedded_server(folder / "server") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def use_case(place: RunningServer) -> Path:
    """The small use case, which a tune wins: its notes hold words that no description names."""
    return small_use_case(place.state.parent / "case")


@pytest.fixture(scope="module")
def first(place: RunningServer, use_case: Path) -> VerdictRef:
    """The first trial of the use case."""
    return run(use_case)


@pytest.fixture(scope="module")
def second(first: VerdictRef, place: RunningServer, use_case: Path) -> tuple[VerdictRef, list[dict[str, Any]]]:
    """The same question again, and what the provider was asked for it."""
    before = len(place.log())
    return run(use_case), place.log()[before:]


def run(use_case: Path, **options: Any) -> VerdictRef:
    from flows.trial import trial

    return trial(str(use_case), TrialOptions(**options))


def test_a_first_trial_ends_with_a_verdict_and_a_registered_champion(first: VerdictRef) -> None:
    assert first.decision == "promote"
    assert first.winner.startswith("tune-")
    assert first.winner_model.startswith("ft:local-base-small-")


def test_the_champion_answers_through_mlflow(first: VerdictRef) -> None:
    champion = mlflow.pyfunc.load_model("models:/tunegate.small@champion")
    rows = small_rows(20, seed=99)
    answers = champion.predict([row["text"] for row in rows])
    assert sum(answer == row["label"] for answer, row in zip(answers, rows, strict=True)) >= 15


def test_the_best_prompt_was_champion_first_and_still_answers(first: VerdictRef) -> None:
    versions = mlflow.MlflowClient().search_model_versions("name = 'tunegate.small'")
    assert sorted((version.version, version.tags["tunegate.kind"]) for version in versions) == [
        (1, "prompt"),
        (2, "tune"),
    ]
    answers = mlflow.pyfunc.load_model("models:/tunegate.small/1").predict(["hammer chisel drill"])
    assert answers == ["tools"]


def test_a_version_carries_its_decision(first: VerdictRef) -> None:
    version = mlflow.MlflowClient().get_model_version_by_alias("tunegate.small", "champion")
    assert version.tags["tunegate.verdict"] == "promote"
    assert version.tags["tunegate.run"] == first.run
    assert float(version.tags["tunegate.accuracy"]) > 0.8
    assert "beats best-prompt" in version.description


def test_mlflow_holds_one_run_a_trial_one_nested_run_a_candidate_and_the_loss_curve(first: VerdictRef) -> None:
    client = mlflow.MlflowClient()
    parent = client.get_run(first.mlflow_run_id)
    nested = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{first.mlflow_run_id}'")
    assert {child.info.run_name for child in nested} >= {"best-prompt", "tune-minimal"}
    assert {item.tags[0].value for item in parent.inputs.dataset_inputs} == {"train", "validation", "test"}
    losses = client.get_metric_history(first.mlflow_run_id, "job/train_loss")
    assert len(losses) > 5
    assert losses[-1].value < losses[0].value
    curves = {"train_loss", "valid_loss", "train_mean_token_accuracy", "valid_mean_token_accuracy"}
    assert {f"job/{name}" for name in curves} <= set(parent.data.metrics)


def test_no_row_text_and_no_pickle_stand_in_mlflow(first: VerdictRef) -> None:
    store = Path(first.run_folder).parents[1]
    texts = [row["text"] for row in small_rows(400, seed=1)]
    database = (store / "mlflow.db").read_bytes()
    assert not any(text.encode() in database for text in texts)
    assert not list((store / "mlartifacts").rglob("*.pkl"))


def test_the_run_folder_adds_up(first: VerdictRef) -> None:
    space = workspace.reopen(first.run)
    assert audit.problems(space) == []
    answers = pd.read_parquet(Path(first.run_folder) / "answers.parquet")
    assert (answers.groupby("candidate").size() == len(space.partitions.test)).all()


def test_the_report_stands_alone(first: VerdictRef) -> None:
    page = Path(first.report).read_text()
    assert "promote" in page
    assert "no language model" in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_test_set_was_opened_once_and_its_rows_never_uploaded(first: VerdictRef) -> None:
    assert [opening.run for opening in Ledger().openings("small")][:1] == [first.run]
    training = (Path(first.run_folder) / "training.jsonl").read_text()
    tested = workspace.reopen(first.run).rows("test")["input"]
    assert not any(text in training for text in tested)


def test_the_same_question_again_buys_nothing(
    first: VerdictRef, second: tuple[VerdictRef, list[dict[str, Any]]], place: RunningServer
) -> None:
    again, asked = second
    assert again.attached
    assert again.spent == 0
    assert again.decision != "promote"
    assert again.winner_model == first.winner_model
    assert not [line for line in asked if line["call"] in {"jobs.create", "files.create", "chat.create"}]
    assert len(place.log("jobs.create")) == 1


def test_a_trial_without_training_compares_prompts_with_the_champion(first: VerdictRef, use_case: Path) -> None:
    result = run(use_case, train=False)
    assert result.decision == "keep"
    candidates = json.loads((Path(result.run_folder) / "comparison.json").read_text())["candidates"]
    assert {item["candidate"]["name"] for item in candidates} == {"champion", "best-prompt"}


@pytest.mark.slow
def test_a_tune_on_shuffled_labels_is_not_promoted(place: RunningServer) -> None:
    """Labels of train rotated, those of validation and test right: whoever learns them is wrong."""
    folder = place.state.parent / "shuffled"
    files = [{"path": f"{name}.jsonl", "partition": name} for name in ("train", "validation", "test")]
    path = small_use_case(folder, name="shuffled", source={"files": files}, split={"method": "given"})
    rows, labels = small_rows(400, seed=5), ["fruit", "tools", "music", "ships"]
    wrong = [row | {"label": labels[number % 4]} for number, row in enumerate(rows[:240])]
    for name, part in {"train": wrong, "validation": rows[240:300], "test": rows[300:]}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    result = run(path)
    assert result.decision != "promote"
    assert result.winner == "best-prompt"
