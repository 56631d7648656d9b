"""The typed records of a contest: prompts tried on validation, candidates compared on the test set, the verdict."""

from typing import Literal

from pydantic import Field

from data_contracts.candidate import Candidate
from data_contracts.document import Document
from data_contracts.evidence import (
    Calibration,
    Consistency,
    GeneralScore,
    Interval,
    JudgeReport,
    LabelScore,
    Margin,
    SliceScore,
)
from data_contracts.gates import Tier
from data_contracts.money import usd
from data_contracts.worth import Payback

# ---------------------------------------------------------------- prompts


class PromptScore(Document):
    """How one prompt variant on one base model did on validation."""

    candidate: Candidate
    rows: int
    score: float
    format_adherence: float
    prompt_tokens: float
    cost_per_request: float | None
    failed: int = Field(0, description="Requests that brought no answer; such a variant cannot be the best")
    warnings: list[str] = Field(default_factory=list)
    round: int = Field(1, description="The last round of the search that it took part in")

    @property
    def row(self) -> dict[str, str]:
        """A table's row."""
        return {
            "prompt": self.candidate.name,
            "score": f"{self.score:.3f}",
            "format": f"{self.format_adherence:.3f}",
            "failed": str(self.failed),
            "prompt tokens": f"{self.prompt_tokens:.0f}",
            "per 1,000 requests": usd(None if self.cost_per_request is None else 1000 * self.cost_per_request),
        }


class PromptSearch(Document):
    """prompt_search.json: every variant tried, best first."""

    metric: str
    tried: list[PromptScore]
    folds: int | None = Field(
        None, description="Scored on train and validation rows in so many folds; None: validation"
    )
    optimiser: str = Field("", description="Library that wrote prompts, and the budget it had")
    notes: list[str] = Field(default_factory=list, description="What was cut, dropped or warned of on the way")

    @property
    def best(self) -> Candidate:
        """The variant with the highest score of those without failed requests; the cheaper one on a tie."""
        return self.tried[0].candidate


# ---------------------------------------------------------------- evaluation


Outcome = Literal["answered", "refused", "truncated", "filtered", "unparsable", "rejected", "failed"]
"""rejected: the endpoint takes no such request (too long a prompt), which counts; failed: nobody knows, it may be asked
again."""

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
    "repeat",  # 0 for the first answer to a case, 1.. where it was asked again
    "ttft_ms",  # time to the first token, NaN where the answer was not streamed
    "confidence",  # probability of the answer's tokens, NaN where the provider gives none
)


class CandidateScores(Document):
    """One candidate on the sealed test set."""

    candidate: Candidate
    cases: int
    outcomes: dict[str, int]
    metric: Interval
    accuracy: float = Field(description="Share of exact (normalised) matches")
    macro_f1: float | None = None
    format_adherence: float = Field(description="Share of answers that could be parsed")
    latency_p50_ms: float | None = Field(description="None: no answer was timed by itself, as in a batch")
    latency_p99_ms: float | None
    prompt_tokens: float = Field(description="Mean per request")
    completion_tokens: float
    cost_per_request: float | None
    by_slice: dict[str, dict[str, float]] = Field(default_factory=dict, description="slice -> value -> metric")
    slices: dict[str, dict[str, SliceScore]] = Field(default_factory=dict, description="The same with intervals")
    exact_match: float | None = Field(None, description="Share of outputs equal to the expected text as it stands")
    by_label: dict[str, LabelScore] = Field(default_factory=dict, description="Classification: label -> scores")
    by_field: dict[str, LabelScore] = Field(default_factory=dict, description="Extraction: top-level field -> scores")
    further: dict[str, float] = Field(default_factory=dict, description="Metrics that do not decide, by name")
    latency_p95_ms: float | None = None
    ttft_p50_ms: float | None = Field(None, description="Time to the first token, where answers were streamed")
    ttft_p99_ms: float | None = None
    stored: float = Field(0.0, description="Share of answers from an earlier run: their latency is of that day")
    consistency: Consistency | None = None
    calibration: Calibration | None = None
    general: GeneralScore | None = None

    @property
    def row(self) -> dict[str, str]:
        """A table's row."""
        return {
            "candidate": self.candidate.name,
            "metric": f"{self.metric.value:.3f}",
            "95 % interval": f"{self.metric.low:.3f} to {self.metric.high:.3f}",
            "per 1,000 requests": usd(None if self.cost_per_request is None else 1000 * self.cost_per_request),
            "p95 ms": "unknown" if self.latency_p95_ms is None else f"{self.latency_p95_ms:.0f}",
            "format": f"{self.format_adherence:.3f}",
            "model": self.candidate.model,
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
    test: str = Field("", description="Which test gave p")
    clusters: int | None = Field(None, description="Groups of cases that were resampled as one; None: each by itself")
    discordance: float | None = Field(None, description="Share of cases in which the two differ")
    power: float | None = Field(None, description="Achieved: chance to have shown the minimum effect on these cases")
    informational: bool = Field(
        False, description="Against a retired champion's recorded answers: adjusted by itself, and decides nothing"
    )


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
    margins: list[Margin] = Field(default_factory=list, description="Every candidate against the reference")
    judge: JudgeReport | None = None
    notes: list[str] = Field(default_factory=list, description="What a reader of these figures has to know")

    def figure(self, candidate: Candidate) -> str:
        """The deciding metric of a candidate with its interval, in words."""
        found = next(one.metric for one in self.candidates if one.candidate.digest == candidate.digest)
        return f"{self.metric} {found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


# ---------------------------------------------------------------- decision


class Rule(Document):
    """One rule of the verdict and the figure it rests on."""

    name: str
    tier: Tier
    passed: bool | None = Field(description="None: missing, which is not passed")
    figure: str


class ChampionStanding(Document):
    """How the champion stood when it was met. Days are YYYY-MM-DD."""

    model: str
    state: Literal["answers", "leaving", "retired"] = Field(
        description="leaving: its last day is within the longest of `watch.warn_days`; retired: it no longer answers"
    )
    last_day: str | None = Field(None, description="From this day on it no longer answers; None: nobody says so")
    days_left: int | None = None
    training_data: Literal["known", "unknown"] = Field(
        "known", description="unknown: it was adopted, and its figures may be too high"
    )
    outlasted_by: list[str] = Field(
        default_factory=list, description="Leaving: candidates that answer longer, which need not win to replace it"
    )
    recorded: str | None = Field(
        None, description="Retired: the day by which its answers were recorded; None: not all of them are"
    )
    unrecorded: int = Field(0, description="Retired: test cases that it has never answered")


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
    first_champion: bool = Field(
        False, description="There was no champion that answers: the best prompt became it first"
    )
    champion_standing: ChampionStanding | None = Field(None, description="Of the champion that the trial found, if any")

    @property
    def markdown(self) -> str:
        """The verdict as a page."""
        reasons = "\n".join(f"- {reason}" for reason in self.reasons)
        return f"# {self.decision}\n\nChampion: **{self.winner.name}**, `{self.winner.model}`\n\n{reasons}\n"


class Registration(Document):
    """Where the winner stands in MLflow."""

    registered_model: str
    champion_version: int | None = Field(description="None: every champion needs a yes, and the first one got a no")
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
    recommendation: str = Field("", description="What to do next, in a sentence")
    run_folder: str
    report: str
    mlflow_run_id: str
    model_uri: str
    spent: float
    attached: bool
    declined: str = Field("", description="Who said no to this verdict's champion, and why; the alias did not move")
