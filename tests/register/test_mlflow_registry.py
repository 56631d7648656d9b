"""One registry line a use case, on a real MLflow store: whoever answers best stands behind `champion`, and says why."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from filelock import FileLock, Timeout

from data_contracts.candidate import Candidate
from data_contracts.contest import Comparison, Registration, Verdict
from data_contracts.money import JobEvent
from data_contracts.trial import TrialRecord
from data_contracts.use_case import TextPolicy
from tasks.errors import ConfigurationError, ResumableError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Incumbent, Registry
from tasks.run_folder import RunFolder
from tasks.steps import conclusion, data_page
from tasks.workspace import Workspace
from tests.small_use_case import small_rows
from tests.stepwise import Finished, forget

MODEL = "tunegate.small"
SHOWN_ONLY_BY_POLICY = {"report.html", "data.html", "examples.parquet"}


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
    bought = finished.record.tuned.submission.intent
    assert reading.champion() == Incumbent(named(finished.record, "tune-minimal"), version=2, intent=bought)
    assert reading.challenger() == reading.champion()


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
        [
            "promote: tune-minimal, " + finished.record.started[:16].replace("T", " "),
            *(item.candidate.name for item in finished.record.comparison.candidates),
        ]
    )
    parent = registry.client.get_run(first.run_id)
    assert len(parent.inputs.dataset_inputs) == 3
    table = answers_of(registry, next(run.info.run_id for run in runs if run.info.run_name == "tune-minimal"))
    assert len(table["data"]) == len(finished.space.partitions.test)


def answers_of(registry: Registry, run_id: str) -> Any:
    return json.loads(Path(registry.client.download_artifacts(run_id, "answers.json")).read_text())


class DyingClient:
    """MLflow's client in a process that is killed when it is about to set an alias, after so many of them."""

    def __init__(self, client: Any, moves: int) -> None:
        self.client, self.moves = client, moves

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def set_registered_model_alias(self, *said: str) -> None:
        if self.moves == 0:
            raise KeyboardInterrupt
        self.moves -= 1
        self.client.set_registered_model_alias(*said)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_kill_between_version_and_alias_is_mended_by_registering_again(
    home: Path, finished: Finished, moves: int
) -> None:
    dying = Registry("small")
    dying.client = DyingClient(dying.client, moves)
    with pytest.raises(KeyboardInterrupt):
        register(dying, finished.record)
    registry = Registry("small")
    register(registry, finished.record)
    assert versions(registry) == {1: "prompt", 2: "tune"}
    assert aliased(registry, "champion") == 2
    assert [(one.action, one.version, one.former) for one in Ledger().moves("small")] == [
        ("first", 1, None),
        ("promote", 2, 1),
    ]


def test_keep_leaves_the_champion_and_notes_the_challenger(registry: Registry, finished: Finished) -> None:
    register(registry, kept(finished.record))
    assert versions(registry) == {1: "prompt", 2: "tune"}
    assert (aliased(registry, "champion"), aliased(registry, "challenger")) == (1, 2)


def test_a_challenger_of_yesterday_is_promoted_without_a_new_version(registry: Registry, finished: Finished) -> None:
    register(registry, kept(finished.record))
    register(registry, finished.record)
    assert versions(registry) == {1: "prompt", 2: "tune"}
    assert aliased(registry, "champion") == 2


def test_a_version_tells_of_the_trial_that_gave_it_its_role(registry: Registry, finished: Finished) -> None:
    yesterday, today = replace(kept(finished.record), run="20260101-000000-small-0000"), finished.record
    register(registry, yesterday)
    assert told(registry, 2) == ("challenger", "keep", yesterday.run, yesterday.verdict.markdown)
    register(registry, today)
    assert told(registry, 1) == ("reference", "promote", today.run, today.verdict.markdown)
    assert told(registry, 2) == ("winner", "promote", today.run, today.verdict.markdown)


def told(registry: Registry, number: int) -> tuple[str, str, str, str]:
    version = registry.client.get_model_version(MODEL, str(number))
    role, verdict, run = (version.tags[f"tunegate.{name}"] for name in ("role", "verdict", "run"))
    return role, verdict, run, version.description.partition("\n\n")[2]


def staying(record: TrialRecord) -> TrialRecord:
    """A later trial, without a tune of its own, in which the promoted tune stays champion."""
    champion = named(record, "tune-minimal").model_copy(update={"name": "champion"})
    comparison = record.comparison.model_dump() | {"reference": "champion"}
    comparison["candidates"][1]["candidate"]["name"] = "champion"
    verdict = record.verdict.model_dump() | {
        "decision": "keep",
        "winner": champion.model_dump(),
        "reference": "champion",
        "challenger": named(record, "tune-full").model_dump(),
        "first_champion": False,
    }
    answers = record.answers
    return replace(
        record,
        run="20990101-000000-small-0000",
        tuned=None,
        comparison=Comparison.model_validate(comparison),
        verdict=Verdict.model_validate(verdict),
        answers=answers.assign(candidate=answers["candidate"].replace("tune-minimal", "champion")),
    )


def test_a_champion_that_stays_is_still_the_same_version_under_another_name(
    registry: Registry, finished: Finished
) -> None:
    register(registry, finished.record)
    result = register(registry, staying(finished.record))
    assert (result.champion_version, result.challenger_version) == (2, 3)
    assert "tunegate.job" in registry.client.get_model_version(MODEL, "2").tags
    assert registry.champion().intent == finished.record.tuned.submission.intent
    assert "tunegate.job" not in registry.client.get_model_version(MODEL, "3").tags, "this trial trained nothing"


def test_a_tune_that_answers_by_its_deployments_name_tells_of_its_purchase(
    registry: Registry, finished: Finished
) -> None:
    plain = finished.record.comparison.model_dump_json(), finished.record.verdict.model_dump_json()
    tuned = finished.record.tuned.model_copy(update={"answers_as": "its-deployment"})
    old, new = f'"model":"{tuned.model}"', '"model":"its-deployment"'
    comparison, verdict = (text.replace(old, new) for text in plain)
    deployed = replace(
        finished.record,
        tuned=tuned,
        comparison=Comparison.model_validate_json(comparison),
        verdict=Verdict.model_validate_json(verdict),
    )
    register(registry, deployed)
    champion = registry.champion()
    assert (champion.candidate.model, champion.candidate.tuned_model) == ("its-deployment", tuned.model)
    assert champion.intent == tuned.submission.intent


def test_keep_moves_no_alias_also_where_somebody_else_moved_it(registry: Registry, finished: Finished) -> None:
    register(registry, finished.record)
    registry.client.set_registered_model_alias(MODEL, "champion", "1")
    assert register(registry, staying(finished.record)).champion_version == 1
    assert aliased(registry, "champion") == 1


@pytest.fixture
def moved(registry: Registry, finished: Finished) -> Registry:
    """Version 3, which no trial of these promoted, stands behind the champion alias."""
    register(registry, finished.record)
    register(registry, staying(finished.record))
    registry.client.set_registered_model_alias(MODEL, "champion", "3")
    return registry


def test_a_promotion_does_not_overrule_a_champion_that_the_trial_never_met(moved: Registry, finished: Finished) -> None:
    with pytest.raises(ResumableError, match="points to version 3, not to 1: another run moved it"):
        moved.register(finished.record, moved.open_trial(finished.record.run, {}), found=1)
    assert aliased(moved, "champion") == 3


def test_a_champion_whose_model_is_gone_gives_way_to_the_best_prompt(moved: Registry, finished: Finished) -> None:
    record = kept(finished.record)
    assert moved.register(record, moved.open_trial(record.run, {}), found=3).champion_version == 1
    assert aliased(moved, "champion") == 1


class WatchedRegistry(Registry):
    """Notes whether it is alone while it registers."""

    alone = False

    def register(self, *said: Any) -> Registration:
        with pytest.raises(Timeout):
            FileLock(home_of(self) / "locks" / "registry small.lock").acquire(timeout=0)
        self.alone = True
        return super().register(*said)


def test_trials_of_a_use_case_register_one_after_the_other(home: Path, finished: Finished) -> None:
    space, watched = own_copy(finished, home), WatchedRegistry("small")
    ref = finished.ref.model_copy(update={"mlflow_run_id": watched.open_trial(finished.record.run, {})})
    conclusion.register(space, ref, finished.record, watched)
    assert watched.alone


def own_copy(finished: Finished, home: Path) -> Workspace:
    folder = home / "runs" / finished.record.run
    shutil.copytree(finished.record.folder, folder)
    return Workspace(RunFolder(folder))


# ---------------------------------------------------------------- a champion's own examples


@pytest.mark.parametrize("in_registry", [True, False])
def test_a_champion_brings_the_examples_it_won_with(
    registry: Registry, finished: Finished, home: Path, in_registry: bool
) -> None:
    register(registry, kept(with_policy(finished.record, few_shot_in_registry=in_registry)))
    space = with_other_examples(own_copy(finished, home))
    champion = conclusion.champion(space, registry)
    assert champion == named(finished.record, "best-prompt")
    assert space.folder.read_bytes("champion_examples.parquet") == Path(finished.record.train_examples).read_bytes()


def with_other_examples(space: Workspace) -> Workspace:
    """The run as if its train rows were others, before it looked for a champion."""
    space.folder.write_frame("examples.parquet", space.folder.read_frame("examples.parquet").head(20))
    forget(space, "champion.json")
    return Workspace(space.folder)


def test_a_champion_whose_examples_are_gone_does_not_answer_with_others(
    registry: Registry, finished: Finished, home: Path, tmp_path: Path
) -> None:
    gone = Path(shutil.copy(finished.record.train_examples, tmp_path / "examples.parquet"))
    record = replace(with_policy(finished.record, few_shot_in_registry=False), train_examples=str(gone))
    register(registry, kept(record))
    gone.unlink()
    space = with_other_examples(own_copy(finished, home))
    with pytest.raises(ResumableError, match=f"champion version 1 are neither in it nor in {gone}"):
        conclusion.champion(space, registry)


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
    line, _, story = version.description.partition("\n\n")
    assert line.startswith("tune-minimal, accuracy 0.")
    assert story == record.verdict.markdown


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
    kept = RunFolder(folder)
    kept.write_json("use_case.json", strict.case)
    (folder / "data.html").write_text(data_page.render(kept))
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


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://store"])
def test_a_store_out_of_reach_stops_resumably(uri: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ResumableError, match="MLFLOW_TRACKING_URI"):
        Registry("small").open_trial("run", {})
