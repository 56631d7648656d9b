"""report.html: one self-contained page for the person who has to sign. Verdict and reasons first."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import jinja2

from data_contracts.contest import CandidateScores, PairedTest
from data_contracts.money import usd
from data_contracts.trial import TrialRecord

MAX_EXCERPTS = 12
TEMPLATE = Path(__file__).with_name("report.html.j2")


@dataclass(frozen=True)
class Excerpt:
    """A case that the winner got wrong."""

    case: str
    input: str
    expected: str
    given: str
    outcome: str


@dataclass(frozen=True)
class Bar:
    """An interval in percent of the drawing's width."""

    name: str
    low: float
    value: float
    high: float
    won: bool


def render(trial: TrialRecord) -> str:
    """The whole page. Every text is escaped; row text appears only where the use case's text policy admits it."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"percent": _percent, "usd": usd, "points": _points, "p": _p}
    environment.filters |= {"sum_of_values": _sum_of_values, "shell": _shell}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        trial=trial,
        verdict=trial.verdict,
        comparison=trial.comparison,
        use_case=trial.case.use_case,
        bars=_bars(trial),
        spent=_spent(trial),
        excerpts=_excerpts(trial),
        confused=_confused(trial),
        disagreements=_disagreements(trial),
        slices=_slices(trial.comparison.candidates),
    )


def _percent(value: float | None, digits: int = 1) -> str:
    return "unknown" if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def _p(value: float) -> str:
    return "<\N{NO-BREAK SPACE}0.0001" if value < 0.0001 else f"{value:.4f}"


def _sum_of_values(counts: dict[str, int]) -> int:
    return sum(counts.values())


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _bars(trial: TrialRecord) -> list[Bar]:
    scores = trial.comparison.candidates
    low = min(item.metric.low for item in scores)
    high = max(item.metric.high for item in scores)
    room = max(high - low, 0.02)
    left, width = max(0.0, low - 0.15 * room), 1.3 * room

    def place(value: float) -> float:
        return round(100 * (value - left) / width, 2)

    return [
        Bar(
            item.candidate.name,
            place(item.metric.low),
            place(item.metric.value),
            place(item.metric.high),
            item.candidate.name == trial.verdict.winner.name,
        )
        for item in scores
    ]


def _spent(trial: TrialRecord) -> str:
    """What the run spent; where a price is unknown, what is known of it."""
    costs = [item.cost_per_request for item in trial.comparison.candidates]
    costs += [item.cost_per_request for item in trial.search.tried]
    costs += [trial.tuned.training_cost] if trial.tuned else []
    known = None not in costs
    return usd(trial.spent) if known else f"unknown, at least {usd(trial.spent)}: not every price is known"


def _shell(value: object) -> str:
    """A value as `--set` takes it, quoted for a shell."""
    return shlex.quote(value if isinstance(value, str) else json.dumps(value))


def _excerpts(trial: TrialRecord) -> list[Excerpt]:
    if not trial.case.use_case.text_policy.excerpts_in_report:
        return []
    answers = trial.answers
    wrong = answers.loc[(answers["candidate"] == trial.verdict.winner.name) & (answers["score"] < 1)]
    worst = wrong.sort_values(["score", "case"]).head(MAX_EXCERPTS)
    return [
        Excerpt(
            str(row.case), trial.inputs.get(str(row.case), ""), str(row.expected), str(row.output), str(row.outcome)
        )
        for row in worst.itertuples()
    ]


def _confused(trial: TrialRecord) -> list[tuple[str, str, int]]:
    """Most frequent (expected, given) pairs of the winner's mistakes."""
    table = trial.comparison.confusion.get(trial.verdict.winner.name, {})
    pairs = [(right, given, n) for right, row in table.items() for given, n in row.items() if right != given]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:8]


def _disagreements(trial: TrialRecord) -> list[tuple[PairedTest, int, int]]:
    """Per test: cases that both have right, and those that both have wrong or score alike."""
    scores = trial.answers.pivot_table(index="case", columns="candidate", values="score", aggfunc="first")
    found = []
    for test in trial.comparison.tests:
        both_right = int(((scores[test.candidate] == 1) & (scores[test.reference] == 1)).sum())
        found.append((test, both_right, len(scores) - both_right - test.wins - test.losses))
    return found


def _slices(candidates: list[CandidateScores]) -> list[tuple[str, str, list[float | None]]]:
    """(slice, value, metric of each candidate) rows."""
    first = candidates[0].by_slice
    return [
        (name, value, [item.by_slice.get(name, {}).get(value) for item in candidates])
        for name in sorted(first)
        for value in sorted(first[name])
    ]
