"""What production says about the champion, figure by figure, against what it did in its trial. Pure: no IO.

Each figure has a 95 % interval on both sides, and a limit is broken only where the whole interval lies beyond it: few
answers, or a few odd ones, alarm nobody. Answers to one customer, or to one text, are alike: an interval is of groups.
"""

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from data_contracts.contest import CandidateScores
from data_contracts.evidence import Interval
from data_contracts.monitoring import Health, HealthCheck
from data_contracts.operation import Monitor
from data_contracts.use_case import TaskKind
from tasks.watch import intervals
from tasks.watch.inputs import Aspects, distinct, words
from tasks.watch.stability import histograms, stability_index

DECLINED = ("refused", "filtered")  # by the model itself
UNANSWERED = ("failed", "rejected", *DECLINED)
GONE = "the run folder of the champion's trial is not here"
FEWEST = 20  # of a figure that not every answer has, such as a latency


@dataclass(frozen=True)
class Reference:
    """What the champion did in its trial. None: that is not on record, or the run folder is gone.

    `answers`: first ones, with outcome, parsed, latency_ms, cost, score; `inputs`: test and validation; `others`:
    train.
    """

    scores: CandidateScores | None
    answers: pd.DataFrame | None = None
    inputs: Sequence[str] | None = None
    others: Sequence[str] | None = None


@dataclass(frozen=True)
class Production:
    """A sample of the answers of the window: group, hour, input, outcome, parsed, latency_ms, cost; `labelled` those
    with a label: group, outcome, parsed, expected, score. `seen`: how many there were in all.
    """

    answers: pd.DataFrame
    labelled: pd.DataFrame
    seen: int
    seen_labelled: int


@dataclass(frozen=True)
class Question:
    """What is asked of two sides: `metric` decides, `kind` says what an answer is."""

    policy: Monitor
    kind: TaskKind
    metric: str


def examine(reference: Reference, production: Production, question: Question) -> list[HealthCheck]:
    """Every check, those first that lead back. With fewer than `min_answers` answers none is broken."""
    examiner = _Examiner(reference, production, question)
    return [
        examiner.quality(),
        examiner.format(),
        examiner.failures(),
        examiner.input_drift(),
        examiner.label_drift(),
        examiner.latency(),
        examiner.cost(),
    ]


def health(checks: Sequence[HealthCheck], answers: int, policy: Monitor) -> Health:
    """The verdict: the gravest of what is broken."""
    if answers < policy.min_answers:
        return "too few answers"
    led = {check.leads_to for check in checks if check.broken}
    return "roll back" if "roll back" in led else "degrade" if led else "healthy"


def quality(production: Production, metric: str) -> Interval | None:
    """The deciding metric on labelled rows; None where there are none. A request that failed tells nothing of it."""
    rows = _told(production)
    if rows.empty:
        return None
    groups = rows["group"].tolist()
    if metric == "macro_f1":
        answered = rows["outcome"] == "answered"
        return intervals.macro_f1(rows["expected"].tolist(), rows["parsed"].where(answered, "").tolist(), groups)
    return intervals.score(rows["score"].to_numpy(np.float64), groups)


def _told(production: Production) -> pd.DataFrame:
    return production.labelled[production.labelled["outcome"] != "failed"]


class _Examiner:
    """One method a check."""

    def __init__(self, reference: Reference, production: Production, question: Question) -> None:
        self._before, self._now, self._question = reference, production, question
        self._policy = question.policy
        self._enough = production.seen >= self._policy.min_answers

    def quality(self) -> HealthCheck:
        rows, wanted = len(_told(self._now)), self._policy.min_labelled
        now, before = quality(self._now, self._question.metric), self._quality_before()
        if now is None or before is None or rows < wanted:
            reason = f"{rows} answers have a label, {wanted} are needed" if before else GONE
            return self._unmeasured("quality", self._policy.max_quality_loss, reason, now)
        loss = intervals.difference(before, now)
        figure = f"{self._question.metric} {_span(now, '.3f')} on {rows:,} labelled rows"
        told = f"{figure}, {before.value:.3f} on the test set"
        return self._check("quality", loss, self._policy.max_quality_loss, told)

    def format(self) -> HealthCheck:
        came, before = self._came, self._outcomes
        came_before = sum(cases for outcome, cases in before.items() if outcome not in UNANSWERED)
        if came.empty or not came_before:
            return self._unmeasured("format", self._policy.max_format_loss, "no answer came" if before else GONE)
        now, then = _share(came, ("answered",), "group"), intervals.share(before.get("answered", 0), came_before)
        told = f"{_percent(now)} of {len(came):,} answers have the asked form, {then.value:.1%} on the test set"
        return self._check("format", intervals.difference(then, now), self._policy.max_format_loss, told)

    def failures(self) -> HealthCheck:
        """An outage is its provider's, and comes by the hour; what the model itself declines leads back."""
        answers, before, limit = self._now.answers, self._outcomes, self._policy.max_failures
        if answers.empty or not before:
            return self._unmeasured("failures", limit, "nothing was asked" if before else GONE)
        declined, found = self._more(DECLINED, "group"), self._more(UNANSWERED, "hour")
        then = sum(before.get(name, 0) for name in UNANSWERED) / sum(before.values())
        now = _share(answers, UNANSWERED, "hour")
        told = f"{_percent(now)} of {len(answers):,} requests brought no answer, {then:.1%} on the test set"
        if not self._enough or declined.low <= limit:
            return self._check("failures", found, limit, told)
        told += f"; the model itself declined {_percent(_share(answers, DECLINED, 'group'))}"
        return self._check("failures", declined, limit, told).model_copy(update={"leads_to": "roll back"})

    def input_drift(self) -> HealthCheck:
        limit, texts = self._policy.max_input_drift, distinct(self._now.answers["input"].tolist())
        if self._before.inputs is None or self._before.others is None:
            return self._unmeasured("input drift", limit, GONE)
        if not self._enough or len(texts) < FEWEST:
            return self._unmeasured("input drift", limit, self._too_few)
        found = Aspects.of(distinct(self._before.others)).drift(self._before.inputs, texts)
        name, most = max(found.items(), key=lambda item: (item[1].low, item[1].value))
        by_aspect = ", ".join(f"{aspect} {index.value:.2f}" for aspect, index in found.items())
        told = f"stability index {by_aspect}; {name} {_span(most, '.2f')}; {len(texts):,} different texts"
        return self._check("input drift", most, limit, told)

    def label_drift(self) -> HealthCheck:
        limit = self._policy.max_label_drift
        if self._before.answers is None:
            return self._unmeasured("label drift", limit, GONE)
        answers = self._now.answers
        once = answers[(answers["outcome"] == "answered") & ~answers["input"].duplicated()]["parsed"]
        before = self._before.answers.loc[self._before.answers["outcome"] == "answered", "parsed"]
        if not self._enough or min(len(once), len(before)) < FEWEST:
            return self._unmeasured("label drift", limit, self._too_few)
        of = _category(self._question.kind, before)
        index = stability_index(*histograms([of(text) for text in before], [of(text) for text in once]))
        told = f"stability index {_span(index, '.2f')} of what is answered, on {len(once):,} answers"
        return self._check("label drift", index, limit, told)

    def latency(self) -> HealthCheck:
        limit, (now, groups) = self._policy.max_latency_ratio, self._known("latency_ms")
        before = self._latency_before()
        if len(now) < FEWEST or before is None or before.value <= 0:
            return self._unmeasured("latency", limit, self._no_figure(len(now), "latency", before))
        p95 = intervals.percentile(now, 95, groups)
        told = f"p95 {_span(p95, '.0f')} ms, {before.value:.0f} ms on the test set"
        return self._ratio("latency", p95, before, told)

    def cost(self) -> HealthCheck:
        (now, groups), before = self._known("cost"), self._cost_before()
        limit = self._policy.max_cost_ratio
        if len(now) < FEWEST or before is None or before.value <= 0:
            return self._unmeasured("cost", limit, self._no_figure(len(now), "cost", before))
        paid = intervals.mean(now, groups)
        told = f"{1000 * paid.value:.4g} USD per 1,000 requests, {1000 * before.value:.4g} on the test set"
        return self._ratio("cost", paid, before, told)

    # ---------------------------------------------------------------- the trial's side

    @property
    def _outcomes(self) -> dict[str, int]:
        return self._before.scores.outcomes if self._before.scores else {}

    def _quality_before(self) -> Interval | None:
        if self._question.metric != "judge":
            return self._before.scores.metric if self._before.scores else None
        scores = None if self._before.answers is None else self._before.answers["score"].to_numpy(np.float64)
        return None if scores is None else intervals.score(scores)  # nobody judges in production: as by words

    def _latency_before(self) -> Interval | None:
        answers, figure = self._before.answers, getattr(self._before.scores, "latency_p95_ms", None)
        if answers is None:
            return None if figure is None else intervals.exactly(figure)
        known = _numbers(answers, "latency_ms")
        return intervals.percentile(known, 95) if len(known) else None

    def _cost_before(self) -> Interval | None:
        answers, figure = self._before.answers, getattr(self._before.scores, "cost_per_request", None)
        if answers is None:
            return None if figure is None else intervals.exactly(figure)
        known = _numbers(answers, "cost")
        return intervals.mean(known) if len(known) else None

    # ---------------------------------------------------------------- what a check says

    @cached_property
    def _came(self) -> pd.DataFrame:
        return self._now.answers[~self._now.answers["outcome"].isin(UNANSWERED)]

    def _more(self, outcomes: Sequence[str], by: str) -> Interval:
        """How much more of the requests end so than did in the trial."""
        before = self._outcomes
        then = intervals.share(sum(before.get(name, 0) for name in outcomes), sum(before.values()))
        return intervals.difference(_share(self._now.answers, outcomes, by), then)

    @property
    def _too_few(self) -> str:
        return f"{self._now.seen:,} answers, {self._policy.min_answers:,} are needed"

    def _known(self, column: str) -> tuple[intervals.Figures, intervals.Groups]:
        known = self._came[self._came[column].notna()]
        return known[column].to_numpy(np.float64), known["group"].tolist()

    def _no_figure(self, rows: int, name: str, before: Interval | None) -> str:
        return f"{rows:,} answers have a {name}, {FEWEST} are needed" if before else f"the trial has no {name}"

    def _check(self, name: str, found: Interval, limit: float, told: str) -> HealthCheck:
        broken = found.low > limit if self._enough else None
        unsure = "" if broken or found.value <= limit else "; it may be chance"
        return _made(name, found.value, limit, broken, told + unsure)

    def _ratio(self, name: str, now: Interval, before: Interval, told: str) -> HealthCheck:
        limit = {"latency": self._policy.max_latency_ratio, "cost": self._policy.max_cost_ratio}[name]
        found = intervals.ratio(now, before)
        if found is None:
            return self._unmeasured(name, limit, f"the {name} reaches 0")
        return self._check(name, found, limit, f"{told}: {_span(found, '.2f')} times")

    def _unmeasured(self, name: str, limit: float, reason: str, figure: Interval | None = None) -> HealthCheck:
        shown = f" ({_span(figure, '.3f')})" if figure else ""
        return _made(name, None, limit, None, f"not measured: {reason}{shown}")


LEADS_TO = {"quality": "roll back", "format": "roll back"}


def _made(name: str, value: float | None, limit: float, broken: bool | None, figure: str) -> HealthCheck:
    plain = {"name": name, "value": value, "limit": limit, "broken": broken, "figure": figure}
    return HealthCheck.model_validate(plain | {"leads_to": LEADS_TO.get(name, "degrade")})


def _share(answers: pd.DataFrame, outcomes: Sequence[str], by: str) -> Interval:
    """Of the requests that ended so; those with the same in column `by` are alike."""
    return intervals.score(answers["outcome"].isin(outcomes).to_numpy(np.float64), answers[by].tolist())


def _numbers(answers: pd.DataFrame, column: str) -> intervals.Figures:
    """Known figures of the requests that brought an answer."""
    found: intervals.Figures = answers.loc[~answers["outcome"].isin(UNANSWERED), column].to_numpy(np.float64)
    return found[~np.isnan(found)]


def _category(kind: TaskKind, before: pd.Series) -> Callable[[str], Hashable]:
    """What an answer counts as: its label; the fields it fills; or how long it is, by quintiles of the test set."""
    if kind is TaskKind.CLASSIFICATION:
        return lambda text: text
    if kind is TaskKind.EXTRACTION:
        return _filled
    edges = np.unique(np.quantile([len(words(text)) for text in before], [0.2, 0.4, 0.6, 0.8]))
    return lambda text: int(np.searchsorted(edges, len(words(text))))


def _filled(text: str) -> Hashable:
    """Fields that hold something; what is no JSON object, such as tool calls, by what it begins with."""
    try:
        value = json.loads(text)
    except ValueError:
        return text[:20]
    filled = value.items() if isinstance(value, dict) else ()
    return frozenset(name for name, part in filled if part not in (None, "", [], {}))


def _span(found: Interval, form: str) -> str:
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}})"


def _percent(found: Interval) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"
