"""How an experiment presents itself: what it is, and saved views of its trials and of their candidates side by side.

MLflow keeps such a view as a tag of the experiment, its state as deflated JSON (read off MLflow 3.17.2; its
documentation does not describe it). Without one the page shows no figure before somebody has chosen columns.
"""

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any

from data_contracts.use_case import UseCase

TAG = "mlflow.sharedViewState."
MODE = "workflowType=machine_learning"  # without it the page opens on traces, of which a trial has none
HEADLINE = ("metric", "metric_low", "metric_high")
SECTION = {"uuid": "candidates", "name": "Candidates", "display": True, "isReordered": True, "deleted": False}

ABOUT = """{said}

A run is a trial; the runs in it are its candidates, asked the same sealed test set. **Views** (top right) holds
*Trials*, with their verdicts, and *Candidates*, side by side and as charts. What answers in production is
`tunegate.{name}` in the model registry, under the alias `champion`.
"""


@dataclass(frozen=True)
class View:
    """One saved view: which runs, in what order, and which of their columns and charts."""

    key: str
    name: str
    role: str
    order_by: str
    columns: tuple[str, ...]
    charts: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """Name of the experiment's tag that holds it."""
        return TAG + self.key

    @property
    def value(self) -> str:
        """What the tag holds."""
        state = base64.b64encode(zlib.compress(json.dumps(self._state()).encode())).decode()
        return json.dumps({"name": self.name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{state}"})

    def _state(self) -> dict[str, Any]:
        charts = {"compareRunCharts": [_bar(name) for name in self.charts], "compareRunSections": [SECTION]}
        return {
            "searchFilter": f"tags.`tunegate.role` = '{self.role}'",
            "orderByKey": self.order_by,
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": list(self.columns),
            "columnOrder": list(self.columns),
            "runsHiddenMode": "FIRST_10_RUNS",
            "isAccordionReordered": True,  # else sections stand in the order of their names
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            **(charts if self.charts else {}),
        }


def _metrics(*names: str) -> tuple[str, ...]:
    return tuple(f"metrics.`{name}`" for name in names)


def _tags(*names: str) -> tuple[str, ...]:
    return tuple(f"tags.`tunegate.{name}`" for name in names)


def _bar(metric: str) -> dict[str, Any]:
    return {
        "uuid": f"candidates-{metric}",
        "type": "BAR",
        "runsCountToCompare": 10,
        "metricSectionId": SECTION["uuid"],
        "deleted": False,
        "isGenerated": False,
        "displayName": metric,
        "metricKey": metric,
    }


TRIALS = View(
    key="tunegate-trials",
    name="Trials",
    role="trial",
    order_by="attributes.start_time",
    columns=(*_metrics(*HEADLINE, "spent_usd"), *_tags("verdict", "winner", "recommendation")),
)
CANDIDATES = View(
    key="tunegate-candidates",
    name="Candidates",
    role="candidate",
    order_by="metrics.`metric`",  # by time they would stand under their trials, folded away
    columns=(
        *_metrics(*HEADLINE, "against_reference/difference", "format_adherence"),
        *_metrics("latency_p95_ms", "cost_per_thousand_usd"),
        "params.`prompt`",
        "params.`model`",
    ),
    charts=("metric", "against_reference/difference", "format_adherence", "latency_p95_ms", "cost_per_thousand_usd"),
)
VIEWS = (TRIALS, CANDIDATES)


def keep(client: Any, experiment_id: str, case: UseCase) -> None:  # noqa: ANN401 - MlflowClient is untyped
    """Give the experiment the description and the views that it lacks; what somebody changed stays as it is."""
    known = client.get_experiment(experiment_id).tags
    wanted = {"mlflow.note.content": _about(case)} | {view.tag: view.value for view in VIEWS}
    for tag in wanted.keys() - known.keys():
        client.set_experiment_tag(experiment_id, tag, wanted[tag])


def address(server: str, experiment_id: str, view: View) -> str:
    """Where a view is found on an MLflow server."""
    return f"{server}/#/experiments/{experiment_id}/runs?viewStateShareKey={view.key}&{MODE}"


def run_address(server: str, experiment_id: str, run_id: str, artifact: str = "") -> str:
    """Where a run is found on an MLflow server, opened at one of its artifacts where that is named."""
    at = f"/artifacts/{artifact}" if artifact else ""
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}{at}?{MODE}"


def _about(case: UseCase) -> str:
    """Its first line is all that is shown before somebody unfolds it."""
    said = ": ".join(filter(None, (case.title, case.description))) or case.name
    return ABOUT.format(said=said, name=case.name)
