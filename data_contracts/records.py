"""The typed records handed from stage to stage, in flow order.

Frames hold one example a row with the columns of `EXAMPLE_COLUMNS`; every column but `line` and `offset` is a string.
Documents (`Document`) are published: their JSON Schemas stand in data_contracts/schemas/ and change with CHANGELOG.md.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from data_contracts.candidate import Candidate

EXAMPLE_COLUMNS = (
    "id",  # the source's id, or a hash of the content
    "input",  # text that is compared, searched and shown: all user turns, newline between
    "messages",  # JSON list of chat messages before the answer, system messages of the source included
    "output",  # expected answer: label, canonical JSON (sorted keys) or text
    "group",  # rows of one group share a partition; the row's own id where the source has none
    "created_at",  # ISO 8601 in UTC, or ""
    "given_partition",  # train, validation, test or ""
    "slices",  # JSON object of the declared slice columns
    "words",  # hash of the normalised words of `input`: same for copies that differ in case, space, punctuation
    "file",
    "line",  # 1-based physical line, or row number in Parquet
    "offset",  # byte offset of the record in its (decompressed) file; -1 in Parquet
)


class Document(BaseModel):
    """A published JSON document of a run folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ---------------------------------------------------------------- curate


@dataclass(frozen=True)
class Rejection:
    """A record that did not pass, and why. `raw` stays in quarantine.jsonl and is never logged."""

    file: str
    line: int
    offset: int
    id: str
    field: str
    code: str
    remedy: str
    raw: str = dataclasses.field(repr=False, default="")


@dataclass(frozen=True)
class RawExamples:
    """What `read` got out of the source files: `records_in = len(rows) + len(rejected)`."""

    rows: pd.DataFrame
    rejected: Sequence[Rejection]
    records_in: int
    sources: dict[str, str]  # file -> sha256 of its bytes


@dataclass(frozen=True)
class Curated:
    """`records_in = len(rows) + len(duplicates) + len(quarantined) + len(excluded)`."""

    rows: pd.DataFrame
    duplicates: pd.DataFrame  # EXAMPLE_COLUMNS + kept_id
    quarantined: Sequence[Rejection]
    excluded: Sequence[Rejection]  # left out by a rule of the use case
    records_in: int
    sources: dict[str, str]


class ExpectationResult(Document):
    """One expectation of the contract and how the rows did; no row text."""

    type: str
    column: str | None
    severity: Literal["critical", "warning", "info"]
    success: bool
    unexpected: int
    unexpected_ids: list[str]
    notes: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Validated:
    """Curated rows that satisfy every critical expectation of the contract."""

    curated: Curated
    results: Sequence[ExpectationResult]


# ---------------------------------------------------------------- partition


@dataclass(frozen=True)
class Partitions:
    """`curated = train + validation + test + withheld`; withheld rows carry a `reason` column."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    withheld: pd.DataFrame


class PartitionShare(Document):
    """Size of one partition."""

    rows: int
    sha256: str = Field(description="Hash of the sorted (id, input, output) of its rows")
    labels: dict[str, int] = Field(default_factory=dict, description="Rows a label, classification only")


class Counts(Document):
    """counts.json: both conservation laws in numbers."""

    records_in: int
    curated: int
    duplicates: int
    quarantined: int
    excluded: int
    quarantine_codes: dict[str, int]
    sources: dict[str, str]
    train: PartitionShare | None = None
    validation: PartitionShare | None = None
    test: PartitionShare | None = None
    withheld: int = 0
    withheld_reasons: dict[str, int] = Field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What became of every record."""
        return (
            f"{self.records_in} records = {self.curated} curated + {self.duplicates} duplicates "
            f"+ {self.quarantined} quarantined + {self.excluded} excluded"
        )


class LeakPair(Document):
    """An evaluation row and the train row that gives it away; ids only."""

    partition: Literal["validation", "test"]
    evaluation_id: str
    train_id: str
    kind: Literal["same text", "same words", "same but for numbers", "near", "same group"]
    score: float


class LeakageReport(Document):
    """leakage.json: what was compared and found."""

    train_rows: int
    validation_rows: int
    test_rows: int
    found: dict[str, dict[str, int]] = Field(description="partition -> kind -> evaluation rows with such a leak")
    withheld: int = Field(description="train rows kept out because of a leak")
    label_agreement: float | None = Field(None, description="Share of leaking pairs with the same expected answer")
    pairs_file: str = "leakage_pairs.parquet"
    boilerplate: int = Field(0, description="Trigrams too common to count")


@dataclass(frozen=True)
class LeakFreePartitions:
    """Only `leakage.check` makes this, and `training_file.build` takes nothing else."""

    partitions: Partitions
    report: LeakageReport
    pairs: Sequence[LeakPair]


# ---------------------------------------------------------------- prompts


class PromptScore(Document):
    """How one prompt variant on one base model did on validation."""

    candidate: Candidate
    rows: int
    score: float
    format_adherence: float
    prompt_tokens: float
    cost_per_request: float | None
    warnings: list[str] = Field(default_factory=list)

    @property
    def row(self) -> dict[str, str]:
        """A table's row."""
        return {
            "prompt": self.candidate.name,
            "score": f"{self.score:.3f}",
            "format": f"{self.format_adherence:.3f}",
            "prompt tokens": f"{self.prompt_tokens:.0f}",
            "per 1,000 requests": usd(None if self.cost_per_request is None else 1000 * self.cost_per_request),
        }


class PromptSearch(Document):
    """prompt_search.json: every variant tried, best first."""

    metric: str
    tried: list[PromptScore]

    @property
    def best(self) -> Candidate:
        """The variant with the highest score; the cheaper one on a tie."""
        return self.tried[0].candidate


# ---------------------------------------------------------------- money


class Price(Document):
    """USD per million tokens. None is unknown, never 0."""

    model: str
    input: float | None
    output: float | None
    training: float | None = None
    source: str
    as_of: str


class Estimate(Document):
    """estimate.json: what the run is about to cost and what it can show. Nothing is sent to make it."""

    training_examples: int
    training_tokens: int
    training_epochs: int
    training_cost: float | None
    answers: int = Field(description="Requests of prompt search and final comparison together")
    answer_tokens: int
    answer_cost: float | None
    total_cost: float | None
    hours: float | None
    detectable_difference: float = Field(description="Smallest difference that this test set shows with power 0.8")
    already_paid: bool = Field(False, description="The ledger holds this very job: it is attached to, not bought")
    warnings: list[str] = Field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The cost, and what the test set can show."""
        training = "paid already" if self.already_paid else usd(self.training_cost)
        return (
            f"{usd(self.total_cost)} (training {training}, {self.answers} answers {usd(self.answer_cost)}); "
            f"this test set shows differences of {100 * self.detectable_difference:.1f} points or more"
        )


@dataclass(frozen=True)
class TrainingFile:
    """A file in the provider's chat format."""

    path: str
    sha256: str
    examples: int
    tokens: int  # an estimate: UTF-8 bytes / 4


class Job(Document):
    """A fine-tuning job as every provider's is normalised."""

    id: str
    state: Literal["queued", "running", "paused", "succeeded", "failed", "cancelled", "unknown"]
    raw_state: str
    base_model: str
    training_file: str
    created_at: float
    model: str | None = None
    trained_tokens: int | None = None
    estimated_finish: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


class JobEvent(Document):
    """One line of a job's history; `metrics` holds step, train_loss, valid_loss and the like."""

    id: str
    created_at: float
    level: str
    message: str
    metrics: dict[str, float] = Field(default_factory=dict)


class Submission(Document):
    """What the ledger knows after `submit`: one intent, one job."""

    intent: str
    job_id: str
    attached: bool = Field(description="True: the job was there already, nothing was bought now")
    training_file_id: str
    validation_file_id: str | None


class FineTuned(Document):
    """A tuned model that answers."""

    submission: Submission
    model: str
    base_model: str
    trained_tokens: int | None
    training_cost: float | None
    seconds: float


# ---------------------------------------------------------------- evaluation


Outcome = Literal["answered", "refused", "truncated", "filtered", "unparsable", "failed"]

ANSWER_COLUMNS = (
    "candidate",  # Candidate.name
    "case",  # example id
    "output",  # the model's text
    "parsed",  # label, canonical JSON or text; "" where unparsable
    "outcome",
    "score",  # 0..1, 0 where the outcome is not `answered`
    "latency_ms",  # at the socket, queueing excluded
    "prompt_tokens",
    "completion_tokens",
    "cost",  # USD, NaN where the price is unknown
    "stored",  # True: taken from the ledger, not asked again
    "expected",
    "request",  # hash of the exact request
)


class Interval(Document):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class CandidateScores(Document):
    """One candidate on the sealed test set."""

    candidate: Candidate
    cases: int
    outcomes: dict[str, int]
    metric: Interval
    accuracy: float = Field(description="Share of exact (normalised) matches")
    macro_f1: float | None = None
    format_adherence: float = Field(description="Share of answers that could be parsed")
    latency_p50_ms: float
    latency_p99_ms: float
    prompt_tokens: float = Field(description="Mean per request")
    completion_tokens: float
    cost_per_request: float | None
    by_slice: dict[str, dict[str, float]] = Field(default_factory=dict, description="slice -> value -> metric")

    @property
    def row(self) -> dict[str, str]:
        """A table's row."""
        return {
            "candidate": self.candidate.name,
            "model": self.candidate.model,
            "metric": f"{self.metric.value:.3f}",
            "95 % interval": f"{self.metric.low:.3f} to {self.metric.high:.3f}",
            "format": f"{self.format_adherence:.3f}",
            "p50 ms": f"{self.latency_p50_ms:.0f}",
            "p99 ms": f"{self.latency_p99_ms:.0f}",
            "per 1,000 requests": usd(None if self.cost_per_request is None else 1000 * self.cost_per_request),
        }


class PairedTest(Document):
    """A candidate against a reference on the same cases."""

    candidate: str
    reference: str
    difference: Interval = Field(description="Candidate minus reference, paired bootstrap")
    wins: int = Field(description="Cases that only the candidate has right (or scores higher on)")
    losses: int
    p_value: float = Field(description="Exact McNemar for 0/1 scores, else a paired permutation test; two-sided")
    p_adjusted: float = Field(description="Holm over the candidates")
    cases_needed: int | None = Field(description="Cases that would show the observed difference with power 0.8")


class Comparison(Document):
    """comparison.json: every candidate on the same sealed test set."""

    metric: str
    test_sha256: str
    reference: str
    candidates: list[CandidateScores]
    tests: list[PairedTest]
    confusion: dict[str, dict[str, dict[str, int]]] = Field(
        default_factory=dict, description="candidate -> expected -> given -> cases, classification only"
    )


# ---------------------------------------------------------------- decision


class Payback(Document):
    """What the tune is worth against the best prompt; None where a price is unknown or there is no volume."""

    monthly_saving: float | None
    one_off_cost: float | None
    payback_months: float | None
    break_even_requests_per_month: float | None
    notes: list[str] = Field(default_factory=list)


class Rule(Document):
    """One rule of the verdict and the figure it rests on."""

    name: str
    tier: Literal["must", "should", "info"]
    passed: bool | None = Field(description="None: missing, which is not passed")
    figure: str


class Verdict(Document):
    """verdict.json: promote, keep, or not enough evidence, with reasons."""

    decision: Literal["promote", "keep", "not enough evidence"]
    winner: Candidate = Field(description="Who is champion after this trial")
    reference: str
    challenger: Candidate | None = Field(description="The best of those that are not champion")
    reasons: list[str]
    rules: list[Rule]
    cases_needed: int | None = None
    payback: Payback | None = None
    first_champion: bool = Field(False, description="There was no champion: the best prompt became it first")

    @property
    def markdown(self) -> str:
        """The verdict as a page."""
        reasons = "\n".join(f"- {reason}" for reason in self.reasons)
        return f"# {self.decision}\n\nChampion: **{self.winner.name}**, `{self.winner.model}`\n\n{reasons}\n"


class Registration(Document):
    """Where the winner stands in MLflow."""

    registered_model: str
    champion_version: int
    challenger_version: int | None
    run_id: str
    experiment_id: str
    model_uri: str


class VerdictRef(Document):
    """What the flow returns: no rows, only where things are."""

    run: str
    use_case: str
    decision: str
    winner: str
    winner_model: str
    reasons: list[str]
    run_folder: str
    report: str
    mlflow_run_id: str
    model_uri: str
    spent: float
    attached: bool


def usd(amount: float | None) -> str:
    """An amount of USD with the digits that matter; None is unknown."""
    if amount is None:
        return "unknown"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 0.1 else f"${amount:.4f}"


def as_json(model: BaseModel) -> dict[str, Any]:
    """Plain JSON form of a document."""
    return model.model_dump(mode="json")
