"""report.html: one self-contained page for the person who has to sign. Verdict and reasons first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from data_contracts.evidence import GeneralScore, Interval, Margin
from data_contracts.gates import Gates
from data_contracts.trial import TrialRecord
from tasks.register import drawings, tables
from tasks.register.drawings import Track, tracks
from tasks.register.excerpts import Excerpts, shown_failures
from tasks.register.formats import FILTERS

PAGE = Path(__file__).with_name("page")
SHOWN_AT_ONCE = 10  # rows of a long table; the others are folded away


@dataclass(frozen=True)
class Section:
    """A part of the page: its template and anchor, its title, and whether the trial has anything to show there."""

    name: str
    title: str
    present: Callable[[TrialRecord], bool] = lambda trial: True


SECTIONS = (
    Section("candidates", "Candidates on the sealed test set"),
    Section("champion", "The champion that was met", lambda trial: trial.verdict.champion_standing is not None),
    Section("rules", "Rules of the verdict", lambda trial: bool(trial.verdict.rules or trial.comparison.margins)),
    Section("cost", "Cost, quality and latency"),
    Section("slices", "Slices", lambda trial: any(item.slices for item in trial.comparison.candidates)),
    Section("labels", "Label by label", lambda trial: any(item.by_label for item in trial.comparison.candidates)),
    Section("fields", "Field by field", lambda trial: any(item.by_field for item in trial.comparison.candidates)),
    Section(
        "steadiness",
        "Steadiness and confidence",
        lambda trial: any(item.consistency or item.calibration for item in trial.comparison.candidates),
    ),
    Section("judge", "What the judge prefers", lambda trial: trial.comparison.judge is not None),
    Section("general", "Tasks that it was not trained for", lambda trial: bool(_general(trial))),
    Section("failures", "What goes wrong"),
    Section("disagreements", "Where they disagree", lambda trial: bool(trial.failures.disagreements)),
    Section("effort", "Equal effort"),
    Section("payback", "What it is worth", lambda trial: trial.verdict.payback is not None),
    Section("recommendation", "What to do next", lambda trial: bool(trial.recommendation.sentence)),
    Section("data", "Data and leakage"),
    Section("money", "Money"),
    Section("notes", "Notes of the comparison", lambda trial: bool(trial.comparison.notes)),
    Section("reproduce", "How to reproduce"),
)


def render(trial: TrialRecord) -> str:
    """The whole page. Every text is escaped; row text appears only where the use case's text policy admits it."""
    comparison, verdict = trial.comparison, trial.verdict
    excerpts = Excerpts(trial)
    return _template().render(
        trial=trial,
        use_case=trial.case.use_case,
        comparison=comparison,
        verdict=verdict,
        sections=[section for section in SECTIONS if section.present(trial)],
        glance=tables.glance(trial),
        tiers=tables.rules_by_tier(verdict.rules),
        slices=tables.slice_rows(comparison.candidates),
        labels=tables.label_rows(trial),
        shown_at_once=SHOWN_AT_ONCE,
        general=_general(trial),
        failures=shown_failures(trial),
        excerpts=excerpts,
        worst_cases=excerpts.worst(verdict.winner.name),
        confused=tables.confused(trial),
        leaks=sum(sum(kinds.values()) for kinds in trial.leakage.found.values()),
        spent=tables.spent(trial),
        **_drawn(trial),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= FILTERS
    return environment.get_template("report.html.j2")


def _drawn(trial: TrialRecord) -> dict[str, Any]:
    """What the sections draw, by the name that they know it by."""
    comparison, economics = trial.comparison, trial.case.use_case.economics
    worth, judge = trial.verdict.payback, comparison.judge
    calibrated = [item for item in comparison.candidates if item.calibration]
    return {
        "metric_tracks": tracks([item.metric for item in comparison.candidates]),
        "test_tracks": _around([test.difference for test in comparison.tests], 0),
        "judge_tracks": _around([pair.preference for pair in judge.pairs] if judge else [], 0.5),
        "general_tracks": _around([score.difference for score in _general(trial)], 0),
        "margins": [_margin(margin, trial.case.use_case.gates) for margin in comparison.margins],
        "scatter": drawings.cost_against_quality(trial),
        "reliability": [(item, drawings.reliability(item.calibration)) for item in calibrated if item.calibration],
        "curve": drawings.payback(worth, economics.horizon_months) if worth else None,
    }


def _around(intervals: list[Interval], line: float) -> list[Track]:
    return tracks(intervals, [line]) if intervals else []


def _general(trial: TrialRecord) -> list[GeneralScore]:
    return [item.general for item in trial.comparison.candidates if item.general]


def _margin(margin: Margin, gates: Gates) -> tuple[Margin, float | None, Track | None]:
    """A margin with its limit in the margin's own unit, and its drawing; without a limit, beside `no worse`."""
    limit = LIMITS[margin.name](gates)
    if margin.figure is None:
        return margin, limit, None
    line = (1.0 if margin.unit == "times" else 0.0) if limit is None else limit
    return margin, limit, tracks([margin.figure], [line])[0]


def _loss(share: float | None) -> float | None:
    return None if share is None else -share


LIMITS: dict[str, Callable[[Gates], float | None]] = {
    "latency": lambda gates: gates.max_latency_ratio,
    "cost": lambda gates: gates.max_cost_ratio,
    "format": lambda gates: _loss(gates.max_format_loss),
    "general tasks": lambda gates: _loss(gates.max_general_loss),
}
