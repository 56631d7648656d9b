"""One look at the champion in production: what it answered, held against its trial, and what is kept of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from data_contracts.audit import Move
from data_contracts.candidate import Candidate, Prompt
from data_contracts.contest import CandidateScores, Comparison
from data_contracts.money import Price
from data_contracts.monitoring import MonitorReport
from data_contracts.production import ProductionRecord
from data_contracts.text import words_hash
from data_contracts.use_case import ResolvedUseCase
from tasks.errors import ConfigurationError, TunegateError
from tasks.evaluate.score import ScorePolicy, score
from tasks.evaluate.scores import own_score
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.prompting.prompt import Renderer
from tasks.providers.connect import connect_for_prices
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.register.monitored import Decision, decision
from tasks.run_folder import RunFolder, TamperedFileError
from tasks.steps import clock
from tasks.steps.collecting import Collector, text_of
from tasks.storage import Storage
from tasks.watch import drift
from tasks.watch.drift import Production, Question, Reference
from tasks.watch.production import JsonLines, Skipped, Source, Window, counted, read
from tasks.watch.sample import Sample, key_of
from tasks.watch.traces import Traces
from tasks.workspace import Workspace

DAY_S = 86_400
FITTED = 5_000  # train rows that topics are made of
ENOUGH_TIMED = 30
HOUR_S = 3_600
COLUMNS = ("case", "group", "hour", "input", "outcome", "parsed", "expected", "latency_ms", "cost")
AS_IT_STANDS = Prompt(name="label")
log = logging.getLogger("tunegate")
NO_CHAMPION = ("has no champion yet", "Run `tunegate run {}` first.")
NO_SOURCES = ("names nothing to look at", "Say under `monitor.sources` where production answers are.")


@dataclass(frozen=True)
class OnWatch:
    """The champion, since when it is, and how to read what it answers."""

    candidate: Candidate
    version: int
    since: float
    decision: Decision

    @cached_property
    def renderer(self) -> Renderer:
        """Of the contract that it was promoted under."""
        return Renderer(self.decision.kind, self.decision.contract, self.decision.labels)

    @cached_property
    def price(self) -> Price | None:
        """What an answer costs today; None where nobody says."""
        base = self.candidate.base_model or self.candidate.model
        try:
            return connect_for_prices(self.decision.provider).price(base, self.candidate.kind == "tune")
        except TunegateError as error:
            log.warning("monitor    no price of %s is known: %s", self.candidate.model, error)
            return None

    def scores(self, comparison: Comparison | None) -> CandidateScores | None:
        """Its own figures in a comparison."""
        candidates = comparison.candidates if comparison else []
        return next((item for item in candidates if item.candidate.digest == self.candidate.digest), None)


@dataclass(frozen=True)
class Answered:
    """What is kept of a request while a window is looked at."""

    case: str
    group: str
    hour: int
    input: str
    outcome: str
    parsed: str
    expected: str | None
    latency_ms: float
    cost: float

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return 200 + len(self.group) + len(self.input) + len(self.parsed) + len(self.expected or "")


def on_watch(registry: Registry, ledger: Ledger) -> OnWatch:
    """The champion as the registry and the ledger know it. Raises ConfigurationError where there is none."""
    use_case = registry.store.use_case
    with ledger.lock(promotion.lock_key(use_case)):  # a move that died half done counts, and from when it was made
        promotion.settle(registry, ledger)
    found = registry.champion()
    if found is None:
        raise ConfigurationError(use_case, NO_CHAMPION[0], NO_CHAMPION[1].format(use_case))
    stands = decision(registry, found.version)
    since = _promoted_at(ledger.moves(use_case), found.version) or stands.registered_at
    return OnWatch(found.candidate, found.version, since, stands)


def look(case: ResolvedUseCase, registry: Registry, ledger: Ledger) -> MonitorReport:
    """Read the production answers of the window, collect what has a label, and judge. Nothing is moved here.

    Raises ConfigurationError without a champion or a source; a record that cannot be read is counted by its reason.
    """
    use_case, policy = case.use_case, case.use_case.monitor
    if not policy.sources:
        raise ConfigurationError(use_case.name, *NO_SOURCES)
    champion, now, skipped = on_watch(registry, ledger), ledger.clock.now(), Skipped()
    end = champion.since + DAY_S * policy.window_days
    models = frozenset({champion.candidate.model, champion.candidate.tuned_model} - {""})
    window = Window(champion.version, models, champion.since, min(now, end))
    collector = Collector(case, ledger, skipped) if policy.collect else None
    production = _gather(_Gathering(case, champion, window, collector), sources(case, registry, window), skipped)
    stands = champion.decision
    metric = stands.comparison.metric if stands.comparison else use_case.metric
    checks = drift.examine(_reference(champion), production, Question(policy, stands.kind, metric))
    return MonitorReport(
        use_case=use_case.name,
        version=champion.version,
        model=champion.candidate.model,
        health=drift.health(checks, production.seen, policy),
        since=champion.since,
        until=window.until,
        answers=production.seen,
        labelled=production.seen_labelled,
        checks=checks,
        quality=drift.quality(production, metric),
        collected=collector.write() if collector else 0,
        skipped=counted(skipped),
        window_over=now > end,
    )


def sources(case: ResolvedUseCase, registry: Registry, window: Window) -> list[Source]:
    """What `monitor.sources` names, each ready to be read."""
    storage, limit = Storage(case.use_case.source.endpoint_url), case.use_case.source.max_record_bytes
    found: list[Source] = []
    for item in case.use_case.monitor.sources:
        if item.path:
            found.append(JsonLines(case.resolve(item.path), storage, limit))
        if item.mlflow_experiment:
            found.append(Traces(registry.store.uri, item.mlflow_experiment, window.since))
    return found


# ---------------------------------------------------------------- production's side


@dataclass(frozen=True)
class _Gathering:
    """How a record becomes an answer of the window."""

    case: ResolvedUseCase
    champion: OnWatch
    window: Window
    collector: Collector | None

    def answered(self, record: ProductionRecord, expected: str | None) -> Answered:
        """The record with its answer read as the trial reads answers."""
        champion = self.champion
        parsed = (
            champion.renderer.parse(record.output, champion.candidate.prompt) if record.output is not None else None
        )
        fallback = "failed" if record.output is None else "answered" if parsed is not None else "unparsable"
        outcome = fallback if record.outcome in (None, "answered") else record.outcome
        text = text_of(record, self.case.contract.mapping.compare)
        return Answered(
            case=key_of(record),
            group=record.group or words_hash(text),
            hour=int(record.moment // HOUR_S),
            input=text,
            outcome=str(outcome),
            parsed=parsed or "",
            expected=expected,
            latency_ms=float("nan") if record.latency_ms is None else record.latency_ms,
            cost=self._cost(record),
        )

    def label(self, record: ProductionRecord, skipped: Skipped) -> str | None:
        """The right answer as answers are compared; a label that is none is counted."""
        if record.expected is None:
            return None
        read = self.champion.renderer.parse(record.expected, AS_IT_STANDS)
        if read is None:
            skipped["its label is no answer by the contract"] += 1
        return read

    def _cost(self, record: ProductionRecord) -> float:
        if record.cost is not None or record.prompt_tokens is None or record.completion_tokens is None:
            return float("nan") if record.cost is None else record.cost
        price = self.champion.price
        if price is None or price.input is None or price.output is None:
            return float("nan")
        return (record.prompt_tokens * price.input + record.completion_tokens * price.output) / 1e6


def _gather(gathering: _Gathering, found: Sequence[Source], skipped: Skipped) -> Production:
    asked, labelled = Sample[Answered](), Sample[Answered]()
    for record in read(found, skipped):
        if gathering.collector is not None and record.expected is not None:
            gathering.collector.offer(record)
        passed_over = gathering.window.passes_over(record)
        if passed_over:
            skipped[passed_over] += 1
            continue
        answered = gathering.answered(record, gathering.label(record, skipped))
        asked.add(answered.case, answered, answered.size)
        if answered.expected is not None:
            labelled.add(answered.case, answered, answered.size)
    return Production(_frame(asked), _scored(gathering, _frame(labelled)), asked.seen, labelled.seen)


def _frame(items: Sample[Answered]) -> pd.DataFrame:
    return pd.DataFrame([[getattr(item, name) for name in COLUMNS] for item in items], columns=list(COLUMNS))


def _scored(gathering: _Gathering, rows: pd.DataFrame) -> pd.DataFrame:
    case, stands = gathering.case, gathering.champion.decision
    named = case.use_case.evaluation.scorer
    scorer = own_score.load(named, case.folder) if named else None
    metric = stands.comparison.metric if stands.comparison else case.use_case.metric
    inputs = dict(zip(rows["case"], rows["input"], strict=True))
    return score(rows, stands.kind, stands.contract, ScorePolicy(metric, scorer, inputs))


# ---------------------------------------------------------------- the trial's side


def _reference(champion: OnWatch) -> Reference:
    """From the run folder of its last trial; where that is gone, or was touched, from the version's record."""
    recorded = champion.scores(champion.decision.comparison)
    path = run_path(champion.decision.run)
    try:
        if champion.decision.run and (path / "manifest.json").is_file():
            return _from_folder(Workspace(RunFolder(path)), champion) or Reference(recorded)
    except TamperedFileError as error:
        log.warning("monitor    %s", error)
    return Reference(recorded)


def _from_folder(space: Workspace, champion: OnWatch) -> Reference | None:
    if not (space.folder.has("comparison.json") and space.folder.has("answers.parquet")):
        return None
    scores = champion.scores(space.folder.read_json("comparison.json", Comparison))
    if scores is None:
        return None
    answers = space.folder.read_frame("answers.parquet")
    own = answers[(answers["candidate"] == scores.candidate.name) & (answers["repeat"] < clock.BEYOND)]
    texts = {name: space.rows(name, ["input"])["input"] for name in ("train", "validation", "test")}
    others = texts["train"].sample(min(FITTED, len(texts["train"])), random_state=7)
    inputs = pd.concat([texts["validation"], texts["test"]])
    return Reference(scores, _first(own), inputs.tolist(), others.tolist())


def _first(answers: pd.DataFrame) -> pd.DataFrame:
    """The first answer to each case, its score the mean of its repeats; times of this run alone where those suffice."""
    means = answers[answers["outcome"] != "failed"].groupby("case")["score"].mean()
    first = answers[answers["repeat"] == 0]
    first = first.assign(score=first["case"].map(means).fillna(0.0))
    fresh = ~first["stored"].astype(bool)
    return first.assign(latency_ms=first["latency_ms"].where(fresh)) if fresh.sum() >= ENOUGH_TIMED else first


def _promoted_at(moves: Sequence[Move], version: int) -> float | None:
    last = moves[-1] if moves else None
    return last.moved_at if last is not None and last.version == version else None
