"""The figures of a trial, as MLflow shows them; report.html draws its own in SVG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from data_contracts.contest import CandidateScores
from data_contracts.evidence import Interval, Margin
from data_contracts.trial import TrialRecord
from data_contracts.worth import Payback
from tasks.register.tables import slice_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, GREY, GREEN = "#2f6fb7", "#8a94a0", "#2b8a57"
COLORS = (BLUE, GREEN, "#b8651b", "#7a4fa3", GREY)
MARKERS = "osD^v"
MAX_SLICES = 20
MAX_CONFUSION_LABELS = 25


def of_trial(trial: TrialRecord) -> dict[str, "Figure"]:
    """Figure by name: what there are figures for, of those that report.html draws."""
    candidates, verdict = trial.comparison.candidates, trial.verdict
    found = {"candidates": _candidates(trial)}
    if any(item.cost_per_request is not None for item in candidates):
        found["cost_against_quality"] = _cost_against_quality(trial)
    if any(item.slices for item in candidates):
        found["slices"] = _slices(candidates, trial.comparison.metric)
    if any(item.calibration for item in candidates):
        found["calibration"] = _calibration(candidates)
    if any(margin.figure for margin in trial.comparison.margins):
        found["margins"] = _margins(trial.comparison.margins)
    if verdict.payback and len(verdict.payback.curve) > 1:
        found["payback"] = _payback(verdict.payback, trial.case.use_case.economics.horizon_months)
    confusion = trial.comparison.confusion.get(verdict.winner.name)
    if confusion:
        found["confusion_of_winner"] = _confusion(confusion, verdict.winner.name)
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


def _slices(candidates: list[CandidateScores], metric: str) -> "Figure":
    rows = slice_rows(candidates)[:MAX_SLICES]
    figure = _new(7, 0.28 * len(rows) * len(candidates) + 1.6)
    axes = figure.subplots()
    for rank, item in enumerate(candidates):
        aside = 0.8 * ((len(candidates) - 1) / 2 - rank) / len(candidates)
        found = [(place + aside, row.scores[rank]) for place, row in enumerate(reversed(rows))]
        _dots(axes, [(at, score) for at, score in found if score], rank, item.candidate.name)
    axes.set_yticks(range(len(rows)), [f"{row.name} ({row.cases})" for row in reversed(rows)])
    axes.set_xlabel(f"{metric} on the slice's cases, 95 % interval")
    return _finished(figure, axes, "Slices (cases)")


def _margins(margins: list[Margin]) -> "Figure":
    """Ratios and differences on an axis each; none is worse than the reference at the dashed line."""
    units = {unit: [one for one in margins if one.unit == unit and one.figure] for unit in ("times", "points")}
    shown = {unit: some for unit, some in units.items() if some}
    figure = _new(7, 0.45 * sum(map(len, shown.values())) + 1.2 * len(shown) + 0.6)
    every = figure.subplots(len(shown), squeeze=False, height_ratios=[len(some) for some in shown.values()])[:, 0]
    for axes, (unit, some) in zip(every, shown.items(), strict=True):
        _dots(axes, [(at, one.figure) for at, one in enumerate(reversed(some)) if one.figure], 0, "")
        axes.set_yticks(range(len(some)), [f"{one.name}: {one.candidate}" for one in reversed(some)])
        axes.axvline(1 if unit == "times" else 0, color="black", linestyle="--", linewidth=1)
        axes.set_xlabel("times the reference's" if unit == "times" else "difference to the reference, as a share")
        axes.margins(y=0.3)
    figure.suptitle("Margins, 95 % interval")
    return figure


def _calibration(candidates: list[CandidateScores]) -> "Figure":
    figure = _new(5.5, 5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    for rank, item in enumerate(candidates):
        if found := item.calibration:
            label = f"{item.candidate.name}, error {found.expected_error:.3f}"
            across, up = [one.confidence for one in found.bins], [one.accuracy for one in found.bins]
            color, marker = COLORS[rank % len(COLORS)], MARKERS[rank % len(MARKERS)]
            axes.plot(across, up, color=color, marker=marker, label=label)
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    axes.legend()
    return _finished(figure, axes, "Confidence and being right")


def _payback(found: Payback, horizon_months: float) -> "Figure":
    figure = _new(7, 4)
    axes = figure.subplots()
    months = [point.month for point in found.curve]
    axes.fill_between(months, [one.low for one in found.curve], [one.high for one in found.curve], alpha=0.2)
    axes.plot(months, [point.value for point in found.curve], color=BLUE, linewidth=2)
    axes.axhline(0, color="black", linewidth=1)
    axes.axvline(horizon_months, color="black", linestyle="--", linewidth=1, label="horizon")
    if found.payback_months is not None:
        axes.plot(found.payback_months, 0, "D", color=GREEN, label=f"payback, {found.payback_months:.1f} months")
    axes.set_xlabel("months")
    axes.set_ylabel("USD brought in")
    axes.legend()
    return _finished(figure, axes, "What the tune has brought in")


def _dots(axes: "Axes", found: Sequence[tuple[float, Interval]], rank: int, label: str) -> None:
    """Intervals with a dot each, at these heights."""
    color = COLORS[rank % len(COLORS)]
    for at, one in found:
        axes.plot([one.low, one.high], [at, at], color=color, linewidth=2)
    across, up = [one.value for _, one in found], [at for at, _ in found]
    axes.plot(across, up, MARKERS[rank % len(MARKERS)], color=color, label=label)
    if label:
        axes.legend(fontsize=8)


def _finished(figure: "Figure", axes: "Axes", title: str) -> "Figure":
    axes.set_title(title)
    axes.grid(alpha=0.3)
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
