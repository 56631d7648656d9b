"""One registry line a use case, on a real MLflow store: whoever answers best stands behind `champion`, and says why."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from data_contracts.candidate import Candidate
from data_contracts.contest import Comparison, Registration, Verdict
from data_contracts.money import JobEvent
from data_contracts.trial import TrialRecord
from data_contracts.use_case import TextPolicy
from tasks.errors import ConfigurationError, ResumableError
from tasks.register import figures
from tasks.register.mlflow_registry import Registry
from tests.small_use_case import small_rows
from tests.stepwise import Finished

MODEL = "tunegate.small"
SHOWN_ONLY_BY_POLICY = {"report.html", "examples.parquet"}


@pytest.fixture
def registry(home: Path) -> Registry:
    return Registry("small")


@pytest.fixture(scope="module")
def promoted(
    finished: Finished, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Registration]:
    """The home in which the finished trial, whose tune is promoted, is registered. For reading only."""
    home = tmp_path_factory.mktemp("promoted")
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        return home, register(Registry("small"), finished.record)


@pytest.fixture
def reading(own_home: Path, promoted: tuple[Path, Registration], monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of the promoted trial."""
    monkeypatch.setenv("TUNEGATE_HOME", str(promoted[0]))
    return Registry("small")


def register(registry: Registry, record: TrialRecord) -> Registration:
    return registry.register(record, registry.open_trial(record.run, {}))


def versions(registry: Registry) -> dict[int, str]:
    """Version to kind."""
    found = registry.client.search_model_versions(f"name = '{MODEL}'")
    return {int(version.version): version.tags["tunegate.kind"] for version in found}


def aliased(registry: Registry, alias: str) -> int:
    return int(registry.client.get_model_version_by_alias(MODEL, alias).version)


def kept(record: TrialRecord) -> TrialRecord:
    """The trial as if its tune had not been good enough."""
    verdict = record.verdict.model_dump() | {
        "decision": "keep",
        "winner": named(record, "best-prompt").model_dump(),
        "challenger": named(record, "tune-minimal").model_dump(),
    }
    return replace(record, verdict=Verdict.model_validate(verdict))


def named(record: TrialRecord, name: str) -> Candidate:
    return next(item.candidate for item in record.comparison.candidates if item.candidate.name == name)


def with_policy(record: TrialRecord, **policy: bool) -> TrialRecord:
    use_case = record.case.use_case.model_copy(update={"text_policy": TextPolicy(**policy)})
    return replace(record, case=record.case.model_copy(update={"use_case": use_case}))


# ---------------------------------------------------------------- versions and aliases


def test_the_best_prompt_is_version_1_and_the_promoted_tune_version_2(reading: Registry) -> None:
    assert versions(reading) == {1: "prompt", 2: "tune"}
    assert aliased(reading, "champion") == 2


def test_the_challenger_is_the_last_one_that_was_tried_also_where_it_won(
    reading: Registry, promoted: tuple[Path, Registration]
) -> None:
    assert aliased(reading, "challenger") == 2
    assert (promoted[1].champion_version, promoted[1].challenger_version) == (2, 2)


def test_the_champion_comes_back_as_the_candidate_it_was(reading: Registry, finished: Finished) -> None:
    assert reading.champion() == named(finished.record, "tune-minimal")


def test_without_a_model_or_without_the_alias_there_is_no_champion(registry: Registry) -> None:
    assert registry.champion() is None
    registry.client.create_registered_model(MODEL)
    assert registry.champion() is None


def test_a_registry_out_of_reach_is_not_one_without_a_champion(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ResumableError, match="MLFLOW_TRACKING_URI") as stopped:
        Registry("small").champion()
    assert stopped.value.exit_code == 75
    assert "hunter2" not in str(stopped.value)


def test_registering_a_trial_twice_makes_each_version_and_each_figure_once(
    registry: Registry, finished: Finished
) -> None:
    first, again = register(registry, finished.record), register(registry, finished.record)
    assert again == first
    assert versions(registry) == {1: "prompt", 2: "tune"}
    runs = registry.client.search_runs([registry.store.experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted(
        [finished.record.run, *(item.candidate.name for item in finished.record.comparison.candidates)]
    )
    parent = registry.client.get_run(first.run_id)
    assert len(parent.inputs.dataset_inputs) == 3
    table = answers_of(registry, next(run.info.run_id for run in runs if run.info.run_name == "tune-minimal"))
    assert len(table["data"]) == len(finished.space.partitions.test)


def answers_of(registry: Registry, run_id: str) -> Any:
    return json.loads(Path(registry.client.download_artifacts(run_id, "answers.json")).read_text())


class DyingRegistry(Registry):
    """Is killed when it is about to move an alias, after so many moves."""

    moves = 0

    def _point(self, alias: str, version: int) -> None:
        if self.moves == 0:
            raise KeyboardInterrupt
        self.moves -= 1
        super()._point(alias, version)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_kill_between_version_and_alias_is_mended_by_registering_again(
    home: Path, finished: Finished, moves: int
) -> None:
    dying = DyingRegistry("small")
    dying.moves = moves
    with pytest.raises(KeyboardInterrupt):
        register(dying, finished.record)
    registry = Registry("small")
    register(registry, finished.record)
    assert versions(registry) == {1: "prompt", 2: "tune"}
    assert aliased(registry, "champion") == 2


def test_keep_leaves_the_champion_and_notes_the_challenger(registry: Registry, finished: Finished) -> None:
    register(registry, kept(finished.record))
    assert versions(registry) == {1: "prompt", 2: "tune"}
    assert (aliased(registry, "champion"), aliased(registry, "challenger")) == (1, 2)


def test_a_challenger_of_yesterday_is_promoted_without_a_new_version(registry: Registry, finished: Finished) -> None:
    register(registry, kept(finished.record))
    register(registry, finished.record)
    assert versions(registry) == {1: "prompt", 2: "tune"}
    assert aliased(registry, "champion") == 2


def test_a_champion_that_stays_is_still_the_same_version_under_another_name(
    registry: Registry, finished: Finished
) -> None:
    register(registry, finished.record)
    champion = named(finished.record, "tune-minimal").model_copy(update={"name": "champion"})
    comparison = finished.record.comparison.model_dump() | {"reference": "champion"}
    comparison["candidates"][1]["candidate"]["name"] = "champion"
    verdict = finished.record.verdict.model_dump() | {
        "decision": "keep",
        "winner": champion.model_dump(),
        "reference": "champion",
        "challenger": named(finished.record, "tune-full").model_dump(),
        "first_champion": False,
    }
    answers = finished.record.answers
    later = replace(
        finished.record,
        run="20990101-000000-small-0000",
        tuned=None,
        comparison=Comparison.model_validate(comparison),
        verdict=Verdict.model_validate(verdict),
        answers=answers.assign(candidate=answers["candidate"].replace("tune-minimal", "champion")),
    )
    result = register(registry, later)
    assert (result.champion_version, result.challenger_version) == (2, 3)
    assert "tunegate.job" in registry.client.get_model_version(MODEL, "2").tags
    assert "tunegate.job" not in registry.client.get_model_version(MODEL, "3").tags, "this trial trained nothing"


# ---------------------------------------------------------------- what stands in MLflow


def test_a_version_says_what_it_is_and_why(reading: Registry, finished: Finished) -> None:
    version = reading.client.get_model_version(MODEL, "2")
    record, tags = finished.record, version.tags
    assert tags["tunegate.verdict"] == "promote"
    assert tags["tunegate.digest"] == named(record, "tune-minimal").digest
    assert tags["tunegate.test_sha256"] == record.comparison.test_sha256
    assert (tags["tunegate.intent"], tags["tunegate.job"]) == (
        record.tuned.submission.intent,
        record.tuned.submission.job_id,
    )
    assert float(tags["tunegate.accuracy"]) == pytest.approx(record.comparison.candidates[1].accuracy)
    assert version.description == record.verdict.markdown


def test_a_prompt_carries_no_job(reading: Registry) -> None:
    assert "tunegate.job" not in reading.client.get_model_version(MODEL, "1").tags


def test_no_pickle_stands_anywhere(reading: Registry) -> None:
    files = list(artifacts(reading))
    assert any(file.name == "served_model.py" for file in files)
    assert not [file.name for file in files if file.suffix in {".pkl", ".pickle", ".joblib"}]
    assert not [file.name for file in files if file.read_bytes()[:1] == b"\x80"]


def test_row_text_stands_only_where_the_text_policy_admits_it(reading: Registry) -> None:
    texts = [row["text"].encode() for row in small_rows(400, seed=1)]
    database = Path(reading.store.uri.removeprefix("sqlite:///"))
    for file in [database, *artifacts(reading)]:
        content = file.read_bytes()
        if file.name not in SHOWN_ONLY_BY_POLICY:
            assert not any(text in content for text in texts), file.name


def test_a_use_case_that_forbids_it_has_no_row_text_in_mlflow_at_all(registry: Registry, finished: Finished) -> None:
    from tasks.register.report import render

    strict = with_policy(finished.record, few_shot_in_registry=False, excerpts_in_report=False)
    folder = home_of(registry) / "strict"
    shutil.copytree(strict.folder, folder)
    (folder / "report.html").write_text(render(strict))
    register(registry, replace(strict, folder=str(folder)))
    texts = [row["text"].encode() for row in small_rows(400, seed=1)]
    files = list(artifacts(registry))
    assert {file.name for file in files} >= {"report.html", "decision.json"}
    assert "examples.parquet" not in {file.name for file in files}
    assert not [file.name for file in files if any(text in file.read_bytes() for text in texts)]


def home_of(registry: Registry) -> Path:
    return Path(registry.store.uri.removeprefix("sqlite:///")).parent


def artifacts(registry: Registry) -> Iterator[Path]:
    return (path for path in (home_of(registry) / "mlartifacts").rglob("*") if path.is_file())


def test_no_key_stands_in_mlflow(home: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-that-must-not-be-seen")
    registry = Registry("small")
    register(registry, finished.record)
    for file in [home / "mlflow.db", *artifacts(registry)]:
        assert b"sk-a-key" not in file.read_bytes(), file.name


def unpriced(record: TrialRecord, *names: str) -> TrialRecord:
    """The trial as if nobody knew what these candidates cost."""
    plain = record.comparison.model_dump()
    for item in plain["candidates"]:
        if item["candidate"]["name"] in names:
            item["cost_per_request"] = None
    return replace(record, comparison=Comparison.model_validate(plain))


def test_an_unknown_price_is_no_point_at_zero(finished: Finished) -> None:
    drawn = figures.of_trial(unpriced(finished.record, "tune-full"))["cost_against_quality"]
    assert [text.get_text() for text in drawn.axes[0].texts] == ["best-prompt", "tune-minimal"]
    every = [item.candidate.name for item in finished.record.comparison.candidates]
    assert set(figures.of_trial(unpriced(finished.record, *every))) == {"candidates", "confusion_of_winner"}


def test_an_unknown_price_is_no_metric(registry: Registry, finished: Finished) -> None:
    result = register(registry, unpriced(finished.record, "tune-full"))
    metrics = registry.client.get_run(result.run_id).data.metrics
    assert "best-prompt/cost_per_request_usd" in metrics
    assert "tune-full/cost_per_request_usd" not in metrics


# ---------------------------------------------------------------- what is served


@pytest.mark.parametrize("version", [1, 2])
def test_a_prompt_and_a_tune_answer_alike_behind_one_predict(reading: Registry, version: int) -> None:
    rows = small_rows(20, seed=77)
    answers = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").predict([row["text"] for row in rows])
    assert sum(answer == row["label"] for answer, row in zip(answers, rows, strict=True)) >= 13
    assert set(answers) <= {"fruit", "tools", "music", "ships"}


def test_no_proxy_is_asked_for_a_provider_on_this_machine(reading: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict(["violin cello flute drum"]) == ["music"]


def test_nothing_asked_is_nothing_answered(reading: Registry) -> None:
    assert mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict([]) == []


def test_examples_kept_out_of_the_registry_are_read_from_the_run_folder(
    registry: Registry, finished: Finished, tmp_path: Path
) -> None:
    strict = with_policy(finished.record, few_shot_in_registry=False)
    examples = shutil.copy(strict.train_examples, tmp_path / "examples.parquet")
    register(registry, kept(replace(strict, train_examples=str(examples))))
    assert "examples.parquet" not in {file.name for file in artifacts(registry)}
    rows = small_rows(5, seed=78)
    answers = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict([row["text"] for row in rows])
    assert sum(answer == row["label"] for answer, row in zip(answers, rows, strict=True)) >= 3
    Path(examples).unlink()
    with pytest.raises(ConfigurationError, match="text policy keeps few-shot examples out of the registry"):
        mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")


# ---------------------------------------------------------------- a waiting job


def test_events_that_a_resumed_run_sees_again_are_still_one_point_a_step(registry: Registry) -> None:
    run_id = registry.open_trial("20260101-000000-small-0000", {})
    events = [
        JobEvent(id=f"e{step}", created_at=100.0 + step, level="info", message="step", metrics=metrics)
        for step in range(3)
        for metrics in [{"step": step, "total_steps": 3, "train_loss": 1.0 / (step + 1)}]
    ]
    registry.log_events(run_id, events)
    registry.log_events(run_id, events)
    points = registry.client.get_metric_history(run_id, "job/train_loss")
    assert [(point.step, point.value) for point in points] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]


def test_a_trial_that_is_resumed_goes_on_in_its_run(registry: Registry) -> None:
    first = registry.open_trial("20260101-000000-small-0000", {"tunegate.flow_run": "one"})
    registry.close(first, "FAILED")
    again = registry.open_trial("20260101-000000-small-0000", {"tunegate.flow_run": "two"})
    assert again == first
    assert registry.client.get_run(again).info.status == "RUNNING"
