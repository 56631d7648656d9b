"""What an experiment says of itself, and its saved views: columns that a trial writes, and nobody's own changed."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from data_contracts.trial import TrialRecord
from tasks.register import metrics, views
from tasks.register.store import Store
from tests.register.filled import filled
from tests.stepwise import Finished


def state(value: str) -> dict[str, Any]:
    """A view's state, as MLflow's page reads it out of the tag."""
    packed = json.loads(value)["state"].removeprefix("deflate;")
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


@pytest.fixture(scope="module")
def record(finished: Finished) -> TrialRecord:
    return filled(finished.record)


def written(record: TrialRecord, view: views.View) -> set[str]:
    """Metrics of the runs that a view shows."""
    if view is views.TRIALS:
        return set(metrics.of_trial(record))
    tune = next(one for one in record.comparison.candidates if one.candidate.name == "tune-minimal")
    return set(metrics.of_candidate(record, tune))


@pytest.mark.parametrize("view", views.VIEWS, ids=lambda view: view.name)
def test_every_metric_of_a_view_is_one_that_its_runs_have(record: TrialRecord, view: views.View) -> None:
    shown = state(view.value)
    columns = {name for column in shown["selectedColumns"] for name in re.findall(r"^metrics\.`(.+)`$", column)}
    charts = {chart["metricKey"] for chart in shown.get("compareRunCharts", [])}
    assert columns
    assert columns | charts <= written(record, view)


def test_the_metric_that_decides_is_the_first_column_and_the_first_of_a_run(record: TrialRecord) -> None:
    assert all(state(view.value)["columnOrder"][0] == "metrics.`metric`" for view in views.VIEWS)
    assert next(iter(metrics.of_trial(record))) == "metric"


def test_a_trials_own_metric_is_its_winners(record: TrialRecord) -> None:
    winner = next(one for one in record.comparison.candidates if one.candidate == record.verdict.winner)
    assert metrics.of_trial(record)["metric"] == winner.metric.value


def test_an_experiment_gets_its_description_and_views_and_keeps_what_somebody_changed(
    home: Path, record: TrialRecord
) -> None:
    store, case = Store("support"), record.case.use_case
    views.keep(store.client, store.experiment_id, case)
    store.client.set_experiment_tag(store.experiment_id, views.CANDIDATES.tag, "mine")
    views.keep(store.client, store.experiment_id, case)
    tags = store.client.get_experiment(store.experiment_id).tags
    assert tags["mlflow.note.content"].startswith(case.title or case.name)
    assert tags[views.TRIALS.tag] == views.TRIALS.value
    assert tags[views.CANDIDATES.tag] == "mine"


def test_addresses_lead_past_the_page_of_traces_to_the_runs() -> None:
    assert views.run_address("http://m", "1", "abc", "report.html") == (
        "http://m/#/experiments/1/runs/abc/artifacts/report.html?workflowType=machine_learning"
    )
    assert views.address("http://m", "1", views.TRIALS) == (
        "http://m/#/experiments/1/runs?viewStateShareKey=tunegate-trials&workflowType=machine_learning"
    )
