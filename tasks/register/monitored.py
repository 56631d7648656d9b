"""What MLflow knows of a champion on watch, and what it keeps of the watch: one run a version, a point a look."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.contest import Comparison
from data_contracts.contract import Contract
from data_contracts.monitoring import MonitorReport
from data_contracts.provider import ProviderSettings
from data_contracts.records import as_json
from data_contracts.use_case import TaskKind
from tasks.register.mlflow_registry import Registry
from tasks.register.store import Store, reachable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROLE = "monitor"
HOUR_S = 3600
SHOWN = ("quality", "format", "failures", "input drift", "label drift", "latency", "cost")
BLUE, RED, GREY = "#2f6fb7", "#b3362b", "#8a94a0"


@dataclass(frozen=True)
class Decision:
    """The decision record of a registered version, as far as answers are read and judged by it."""

    kind: TaskKind
    contract: Contract
    labels: list[str]
    provider: ProviderSettings
    comparison: Comparison | None  # None: none is on record, as for an adopted model that was not compared
    run: str  # the last trial that the version took part in
    registered_at: float


@reachable()
def decision(registry: Registry, version: int) -> Decision:
    """Read from the version's own artifacts, wherever its run folder may be."""
    found = registry.client.get_model_version(registry.name, str(version))
    record = registry.decision(version)
    comparison = record.get("comparison")
    return Decision(
        kind=TaskKind(record["kind"]),
        contract=Contract.model_validate(record["contract"]),
        labels=list(record["labels"]),
        provider=ProviderSettings.model_validate(record["provider"]),
        comparison=Comparison.model_validate(comparison) if comparison else None,
        run=str(found.tags.get("tunegate.run", "")),
        registered_at=found.creation_timestamp / 1000,
    )


@reachable()
def opened(registry: Registry, report: MonitorReport) -> str:
    """Id of the one run of the version on watch."""
    known = registry.store.find_run(tunegate__role=ROLE, tunegate__version=str(report.version))
    return known or registry.store.create_run(f"monitor, version {report.version}", _tags(report))


@reachable()
def keep(registry: Registry, run_id: str, report: MonitorReport) -> None:
    """Log a look at the champion into the run of its version.

    Figures are metrics, `monitor.NAME`, a step an hour since the promotion; the report and a figure of all looks stand
    beside them, and the version's tag `tunegate.monitor` says the last verdict.
    """
    client = registry.store.client
    client.log_batch(run_id, metrics=_points(report))
    for name, value in {"tunegate.health": report.health, "mlflow.note.content": _described(report)}.items():
        client.set_tag(run_id, name, value)
    client.log_dict(run_id, as_json(report), "monitor.json")
    client.log_figure(run_id, _drawn(registry.store, run_id, report), "figures/weeks.png")
    client.set_terminated(run_id)
    told = f"{report.health}: {report.answers:,} answers until {_day(report.until)}"
    client.set_model_version_tag(registry.name, str(report.version), "tunegate.monitor", told)


def _tags(report: MonitorReport) -> dict[str, str]:
    tags = {"role": ROLE, "version": str(report.version), "model": report.model, "use_case": report.use_case}
    return {f"tunegate.{name}": value for name, value in tags.items()}


def _points(report: MonitorReport) -> list[Any]:
    from mlflow.entities import Metric

    figures: dict[str, float] = {check.name: check.value for check in report.checks if check.value is not None}
    figures |= {"answers": float(report.answers), "labelled": float(report.labelled)}
    if report.quality is not None:
        figures["quality score"] = report.quality.value
    at, step = int(report.until * 1000), int((report.until - report.since) // HOUR_S)
    return [Metric(f"monitor.{name.replace(' ', '_')}", value, at, step) for name, value in figures.items()]


def _described(report: MonitorReport) -> str:
    """The verdict and its figures, as the run's description."""
    lines = [f"- **{check.name}**{' (broken)' if check.broken else ''}: {check.figure}" for check in report.checks]
    action = f"\n{report.action}\n" if report.action else ""
    return f"# {report.health}\n\n`{report.model}`, version {report.version}\n{action}\n" + "\n".join(lines) + "\n"


def _drawn(store: Store, run_id: str, report: MonitorReport) -> "Figure":
    """Each figure over the days since the promotion, with its limit."""
    from matplotlib.figure import Figure

    checks = sorted(report.checks, key=lambda one: SHOWN.index(one.name))
    figure = Figure(figsize=(10, 1.5 * len(checks) + 0.6), layout="constrained", dpi=110)
    figure.suptitle(f"{report.use_case}, version {report.version}: {report.health}")
    for axes, check in zip(figure.subplots(len(checks), sharex=True), checks, strict=True):
        history = store.client.get_metric_history(run_id, f"monitor.{check.name.replace(' ', '_')}")
        days = [(point.timestamp / 1000 - report.since) / (24 * HOUR_S) for point in history]
        axes.plot(days, [point.value for point in history], "o-", color=RED if check.broken else BLUE, markersize=4)
        axes.axhline(check.limit, color=GREY, linestyle="--", linewidth=1)
        axes.set_title(f"{LABELS[check.name]}, limit {check.limit:g}", fontsize=9, loc="left")
        axes.grid(alpha=0.3)
    axes.set_xlabel("days since the promotion")
    return figure


LABELS = {
    "quality": "quality lost against the test set",
    "format": "format adherence lost against the test set",
    "failures": "failures gained against the test set",
    "input drift": "drift of what is asked (stability index)",
    "label drift": "drift of what is answered (stability index)",
    "latency": "p95 latency, times the test set's",
    "cost": "cost per request, times the test set's",
}


def _day(moment: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
