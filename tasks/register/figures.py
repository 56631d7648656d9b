"""The figures of a trial, as MLflow shows them; report.html draws its own in SVG."""

from typing import TYPE_CHECKING

from data_contracts.trial import TrialRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREY, GREEN = "#2f6fb7", "#8a94a0", "#2b8a57"
MAX_CONFUSION_LABELS = 25


def of_trial(trial: TrialRecord) -> dict[str, "Figure"]:
    """Figure by name: candidates with intervals, cost against quality, the winner's confusion matrix."""
    found = {"candidates": _candidates(trial)}
    if any(item.cost_per_request is not None for item in trial.comparison.candidates):
        found["cost_against_quality"] = _cost_against_quality(trial)
    confusion = trial.comparison.confusion.get(trial.verdict.winner.name)
    if confusion:
        found["confusion_of_winner"] = _confusion(confusion, trial.verdict.winner.name)
    return found


def _new(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=110)


def _candidates(trial: TrialRecord) -> "Figure":
    scores = trial.comparison.candidates
    figure = _new(7, 0.6 * len(scores) + 1.4)
    axes = figure.subplots()
    for row, item in enumerate(reversed(scores)):
        won = item.candidate.name == trial.verdict.winner.name
        axes.plot([item.metric.low, item.metric.high], [row, row], color=GREEN if won else GREY, linewidth=4)
        axes.plot(item.metric.value, row, "o", color=GREEN if won else BLUE, markersize=9)
    axes.set_yticks(range(len(scores)), [item.candidate.name for item in reversed(scores)])
    axes.set_xlabel(f"{trial.comparison.metric} on the sealed test set, 95 % interval")
    axes.set_title(f"{trial.case.use_case.name}: {trial.verdict.decision}")
    axes.grid(axis="x", alpha=0.3)
    axes.margins(y=0.2)
    return figure


def _cost_against_quality(trial: TrialRecord) -> "Figure":
    figure = _new(6, 4)
    axes = figure.subplots()
    for item in trial.comparison.candidates:
        if item.cost_per_request is None:
            continue  # unknown is not 0: it has no place on this axis
        cost = 1000 * item.cost_per_request
        won = item.candidate.name == trial.verdict.winner.name
        axes.plot(cost, item.metric.value, "o", color=GREEN if won else BLUE, markersize=9)
        axes.annotate(item.candidate.name, (cost, item.metric.value), xytext=(7, 5), textcoords="offset points")
    axes.set_xlabel("USD per 1,000 requests")
    axes.set_ylabel(trial.comparison.metric)
    axes.set_title("Cost against quality")
    axes.grid(alpha=0.3)
    axes.margins(0.25)
    return figure


def _confusion(confusion: dict[str, dict[str, int]], name: str) -> "Figure":
    labels = sorted(confusion, key=lambda label: -sum(confusion[label].values()))[:MAX_CONFUSION_LABELS]
    labels.sort()
    shares = [
        [confusion[row].get(given, 0) / max(1, sum(confusion[row].values())) for given in labels] for row in labels
    ]
    figure = _new(1.5 + 0.32 * len(labels), 1.5 + 0.32 * len(labels))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlabel("answered")
    axes.set_ylabel("expected")
    axes.set_title(f"Where {name} is right and wrong (share of each row)", fontsize=10)
    return figure
