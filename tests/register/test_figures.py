"""MLflow gets the figures of the report: as metrics of the same names for each candidate, and as images."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_contracts.contest import Comparison
from data_contracts.trial import TrialRecord
from data_contracts.use_case import TextPolicy
from tasks.register import figures, metrics, runs
from tasks.register.mlflow_registry import Registry
from tasks.register.store import Store
from tests.register.filled import TERMS, filled
from tests.register.page import with_changes, with_use_case
from tests.stepwise import Finished


@pytest.fixture(scope="module")
def full(finished: Finished) -> TrialRecord:
    return filled(finished.record)


@pytest.fixture(scope="module")
def logged(full: TrialRecord, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The home in which the filled trial is logged, and its run."""
    home = tmp_path_factory.mktemp("logged")
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        return home, log(Registry("small"), full)


@pytest.fixture
def reading(own_home: Path, logged: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The store of the filled trial."""
    monkeypatch.setenv("TUNEGATE_HOME", str(logged[0]))
    return Registry("small")


def log(registry: Registry, record: TrialRecord) -> str:
    """Id of the parent run."""
    run_id = registry.open_trial(record.run, {})
    runs.log_trial(registry.store, record, run_id)
    for scores in record.comparison.candidates:
        runs.log_candidate(registry.store, record, scores, run_id)
    return run_id


def run_of(registry: Registry, candidate: str) -> Any:
    return registry.client.get_run(registry.store.find_run(tunegate__candidate=candidate))


def document(registry: Registry, run_id: str, name: str) -> Any:
    return json.loads(Path(registry.client.download_artifacts(run_id, name)).read_text())


def unpriced(record: TrialRecord, *names: str) -> TrialRecord:
    """The trial as if nobody knew what these candidates cost."""
    plain = record.comparison.model_dump()
    for item in plain["candidates"]:
        if item["candidate"]["name"] in names:
            item["cost_per_request"] = None
    return replace(record, comparison=Comparison.model_validate(plain))


# ---------------------------------------------------------------- metrics


def test_a_candidates_run_holds_every_figure_that_was_measured(reading: Registry, full: TrialRecord) -> None:
    found = run_of(reading, "tune-minimal").data.metrics
    scores = next(item for item in full.comparison.candidates if item.candidate.name == "tune-minimal")
    test = full.comparison.tests[0]
    assert found["latency_p95_ms"] == scores.latency_p95_ms
    assert found["ttft_p99_ms"] == scores.ttft_p99_ms
    assert found["consistency"] == scores.consistency.agreement
    assert found["calibration_error"] == scores.calibration.expected_error
    assert found["general_difference_low"] == pytest.approx(scores.general.difference.low)
    assert found["slice/length/long"] == scores.slices["length"]["long"].value
    assert found["chrf"] == scores.further["chrf"]
    assert found["against_reference/difference_high"] == test.difference.high
    assert found["against_reference/power"] == test.power
    assert found["against_reference/latency_times_high"] == pytest.approx(1.24)
    assert found["judge/preference"] == full.comparison.judge.pairs[0].preference.value
    assert found["failures/failed"] == full.failures.candidates[-1].failed


def test_the_trials_run_holds_worth_effort_and_the_judges_worth(
    reading: Registry, logged: tuple[Path, str], full: TrialRecord
) -> None:
    found = reading.client.get_run(logged[1]).data.metrics
    assert found["payback/months"] == full.verdict.payback.payback_months
    assert found["payback/monthly_saving_usd"] == full.verdict.payback.monthly_saving
    assert found["effort/prompt_tries"] == full.effort.prompt_tries
    assert found["judge/agrees_with_people"] == full.comparison.judge.human.share
    assert found["tune-minimal/consistency"] == found["tune-full/consistency"] + 0.02


def test_the_reference_has_no_figures_against_itself(full: TrialRecord) -> None:
    reference = full.comparison.candidates[0]
    assert not [name for name in metrics.of_candidate(full, reference) if name.startswith("against_reference/")]


def test_only_the_largest_slices_are_metrics_and_their_names_are_ones_that_mlflow_takes(
    home: Path, full: TrialRecord
) -> None:
    def many(comparison: Any) -> None:
        score = comparison["candidates"][0]["slices"]["length"]["long"]
        for item in comparison["candidates"]:
            item["slices"] = {"a/b, c": {f"{'.' * n}/ü%{n}": score | {"cases": n} for n in range(40)}, "x": {"": score}}

    store, changed = Store("small"), with_changes(full, "comparison", many)
    run_id = store.create_run("best-prompt", {})
    store.log(run_id, metrics.of_candidate(changed, changed.comparison.candidates[0]), {}, {})
    found = [name for name in store.client.get_run(run_id).data.metrics if name.startswith("slice/")]
    assert len(found) == metrics.MAX_SLICES
    assert not [name for name in found if name.endswith(("_1", "_2"))], "the smallest"


def test_an_unknown_price_is_no_metric(finished: Finished) -> None:
    found = metrics.of_trial(unpriced(finished.record, "tune-full"))
    assert "best-prompt/cost_per_request_usd" in found
    assert "tune-full/cost_per_request_usd" not in found


# ---------------------------------------------------------------- images and documents


def test_every_drawing_of_the_report_is_an_image(reading: Registry, logged: tuple[Path, str]) -> None:
    images = {file.path: file.file_size for file in reading.client.list_artifacts(logged[1], "figures")}
    drawn = ("calibration", "candidates", "confusion_of_winner", "cost_against_quality", "margins", "payback", "slices")
    assert set(images) == {f"figures/{name}.png" for name in drawn}
    assert min(images.values()) > 5000


def test_a_figure_without_anything_to_show_is_not_drawn(finished: Finished) -> None:
    def nothing(comparison: Any) -> None:
        comparison.update(margins=[], judge=None)
        for item in comparison["candidates"]:
            item.update(slices={}, calibration=None, cost_per_request=None)

    bare = with_changes(finished.record, "comparison", nothing)
    bare = with_changes(bare, "verdict", lambda verdict: verdict.update(payback=None))
    assert set(figures.of_trial(bare)) == {"candidates", "confusion_of_winner"}


def test_an_unknown_price_is_no_point_at_zero(finished: Finished) -> None:
    drawn = figures.of_trial(unpriced(finished.record, "tune-full"))["cost_against_quality"]
    assert [text.get_text() for text in drawn.axes[0].texts] == ["best-prompt", "tune-minimal"]


def test_failures_recommendation_and_effort_are_there_to_read(
    reading: Registry, logged: tuple[Path, str], full: TrialRecord
) -> None:
    assert document(reading, logged[1], "failures.json") == full.failures.model_dump()
    assert document(reading, logged[1], "recommendation.json")["action"] == "tune"
    assert document(reading, logged[1], "effort.json")["prompt_tries"] == full.effort.prompt_tries
    tags = reading.client.get_run(logged[1]).data.tags
    assert tags["tunegate.recommendation"] == "tune"
    assert full.recommendation.sentence in tags["mlflow.note.content"]


def test_words_of_inputs_are_no_part_of_failures_json_where_the_text_policy_forbids_excerpts(
    home: Path, full: TrialRecord
) -> None:
    registry = Registry("small")
    strict = with_use_case(full, text_policy=TextPolicy(excerpts_in_report=False))
    found = json.dumps(document(registry, log(registry, strict), "failures.json"))
    assert not [term for term in TERMS if term in found]
    assert full.failures.candidates[0].clusters[0].cases[0] in found
