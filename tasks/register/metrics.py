"""The figures of a trial under the names that MLflow compares runs by; what is unknown is left out."""

import re
from collections.abc import Mapping

from data_contracts.contest import CandidateScores
from data_contracts.evidence import Interval
from data_contracts.trial import TrialRecord

MAX_SLICES = 30  # the largest; report.html shows every one
Figures = dict[str, float]


def headline(scores: CandidateScores) -> Figures:
    """A candidate's own figures; the metric that decides comes first, and MLflow keeps that order on a run's page."""
    return _known(
        {
            **_with_interval("metric", scores.metric),
            **scores.further,
            "accuracy": scores.accuracy,
            "exact_match": scores.exact_match,
            "macro_f1": scores.macro_f1,
            "format_adherence": scores.format_adherence,
            "latency_p50_ms": scores.latency_p50_ms,
            "latency_p95_ms": scores.latency_p95_ms,
            "latency_p99_ms": scores.latency_p99_ms,
            "ttft_p50_ms": scores.ttft_p50_ms,
            "ttft_p99_ms": scores.ttft_p99_ms,
            "stored_answers": scores.stored,
            "cost_per_request_usd": scores.cost_per_request,
            "cost_per_thousand_usd": _times(1000, scores.cost_per_request),
            "prompt_tokens": scores.prompt_tokens,
            "completion_tokens": scores.completion_tokens,
            **_beyond(scores),
        }
    )


def of_candidate(trial: TrialRecord, scores: CandidateScores) -> Figures:
    """All of a candidate's figures: the same names for each, so that its run stands beside the others'."""
    name = scores.candidate.name
    return headline(scores) | _slices(scores) | _against_reference(trial, name) | _judged(trial, name)


def of_trial(trial: TrialRecord) -> Figures:
    """The figures of the whole trial: the winner's metric, what was spent, and every candidate's own under its name."""
    winner = next(one for one in trial.comparison.candidates if one.candidate == trial.verdict.winner)
    first = _known(_with_interval("metric", winner.metric))
    own = {
        f"{scores.candidate.name}/{name}": value
        for scores in trial.comparison.candidates
        for name, value in headline(scores).items()
    }
    return first | _money(trial) | _payback(trial) | _effort(trial) | _judge(trial) | own


def _beyond(scores: CandidateScores) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    if repeated := scores.consistency:
        found |= {"consistency": repeated.agreement, "unstable_cases": repeated.unstable}
    if calibration := scores.calibration:
        found |= {"calibration_error": calibration.expected_error, "brier": calibration.brier}
    if general := scores.general:
        found |= {"general": general.score.value, **_with_interval("general_difference", general.difference)}
    return found


def _slices(scores: CandidateScores) -> Figures:
    every = [(name, value, score) for name, values in scores.slices.items() for value, score in values.items()]
    largest = sorted(every, key=lambda one: (-one[2].cases, one[0], one[1]))[:MAX_SLICES]
    return {f"slice/{_plain(name)}/{_plain(value)}": score.value for name, value, score in largest}


def _against_reference(trial: TrialRecord, name: str) -> Figures:
    """Paired figures and margins against the comparison's reference."""
    found: dict[str, float | None] = {}
    pair = name, trial.comparison.reference
    for test in trial.comparison.tests:
        if (test.candidate, test.reference) == pair:
            found |= _with_interval("difference", test.difference)
            found |= {"wins": test.wins, "losses": test.losses, "p_adjusted": test.p_adjusted, "power": test.power}
            found |= {"discordance": test.discordance, "cases_needed": test.cases_needed}
    for margin in trial.comparison.margins:
        if (margin.candidate, margin.reference) == pair and margin.figure:
            found |= _with_interval(f"{_plain(margin.name)}_{margin.unit}", margin.figure)
    return {f"against_reference/{key}": value for key, value in _known(found).items()}


def _judged(trial: TrialRecord, name: str) -> Figures:
    found: dict[str, float | None] = {}
    judge, reference = trial.comparison.judge, trial.comparison.reference
    for pair in judge.pairs if judge else []:
        if (pair.candidate, pair.reference) == (name, reference):
            found |= _with_interval("judge/preference", pair.preference)
    for one in trial.failures.candidates:
        if one.candidate == name:
            found |= {"failures/failed": one.failed, **{f"failures/{kind}": n for kind, n in one.by_kind.items()}}
    return _known(found)


def _money(trial: TrialRecord) -> Figures:
    """Estimated and spent in USD, and how many jobs the provider held for the one that was bought."""
    cost, tuned = trial.cost, trial.tuned
    parts = {f"cost/{_plain(part.part)}_usd": part.actual for part in cost.parts}
    found = parts | {"estimated_usd": cost.estimated, "quoted_usd": cost.quoted, "spent_usd": trial.spent}
    found |= {"cost_difference_usd": cost.difference, "jobs_found": tuned.jobs_found if tuned else None}
    return _known(found)


def _payback(trial: TrialRecord) -> Figures:
    worth = trial.verdict.payback
    if worth is None:
        return {}
    found = {
        "payback/months": worth.payback_months,
        "payback/monthly_saving_usd": worth.monthly_saving,
        "payback/one_off_cost_usd": worth.one_off_cost,
        "payback/break_even_requests_per_month": worth.break_even_requests_per_month,
    }
    return _known(found)


def _effort(trial: TrialRecord) -> Figures:
    effort = trial.effort
    found = {
        "effort/prompt_tries": effort.prompt_tries,
        "effort/prompt_requests": effort.prompt_requests,
        "effort/prompt_cost_usd": effort.prompt_cost,
        "effort/tune_tries": effort.tune_tries,
        "effort/tune_examples": effort.tune_examples,
        "effort/tune_cost_usd": effort.tune_cost,
    }
    return _known(found)


def _judge(trial: TrialRecord) -> Figures:
    judge = trial.comparison.judge
    if judge is None:
        return {}
    found: dict[str, float | None] = {"judge/unreadable": judge.unreadable}
    for pair in judge.pairs:
        found[f"judge/first_position/{pair.candidate}"] = pair.first_position.value
    if judge.human:
        found |= {"judge/agrees_with_people": judge.human.share, "judge/kappa": judge.human.kappa}
    return _known(found)


def _with_interval(name: str, found: Interval) -> dict[str, float | None]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _times(factor: float, figure: float | None) -> float | None:
    return None if figure is None else factor * figure


def _known(figures: Mapping[str, float | None]) -> Figures:
    return {name: float(value) for name, value in figures.items() if value is not None}


def _plain(text: str) -> str:
    """A name as MLflow takes it for a part of a metric's: letters, digits, `-` and `_`."""
    return re.sub(r"[^\w-]", "_", text)[:100] or "_"
