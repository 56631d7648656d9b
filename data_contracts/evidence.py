"""What a comparison rests on, figure by figure: intervals, slices, labels, repeats, margins, judges, failures."""

from typing import Literal, get_args

from pydantic import Field

from data_contracts.document import Document


class Interval(Document):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class SliceScore(Interval):
    """The metric on the cases of one slice."""

    cases: int


class LabelScore(Document):
    """One label of a classification, or one field of an extraction."""

    cases: int = Field(description="Cases that expect it")
    precision: float
    recall: float
    f1: float


class Consistency(Document):
    """The same input asked several times."""

    repeats: int = Field(description="How often each of these cases was asked")
    cases: int
    agreement: float = Field(description="Share of pairs of answers to one input that are the same")
    unstable: int = Field(description="Cases answered right at one time and wrong at another")


class CalibrationBin(Document):
    """Cases of like confidence."""

    confidence: float
    accuracy: float
    cases: int


class Calibration(Document):
    """Whether answers are as often right as their probabilities say."""

    cases: int
    expected_error: float = Field(description="Expected calibration error: |confidence - accuracy|, weighted by cases")
    brier: float = Field(description="Mean squared difference between confidence and right (1) or wrong (0)")
    bins: list[CalibrationBin]


class GeneralScore(Document):
    """A tune on tasks that it was not trained for, beside its base model on the same: what it forgot."""

    candidate: str
    base_model: str
    cases: int
    score: Interval
    base: Interval
    difference: Interval = Field(description="Tune minus base model, paired")


class Margin(Document):
    """A figure that a candidate may be worse in than the reference, up to a stated margin (non-inferiority)."""

    name: Literal["latency", "cost", "format", "general tasks"]
    candidate: str
    reference: str
    unit: Literal["times", "points"] = Field(description="Candidate / reference, or candidate - reference as a share")
    figure: Interval | None = Field(description="None: unknown, with the reason in `note`")
    note: str = ""


class JudgedPair(Document):
    """A candidate's answers against a reference's, read by a judge in both orders."""

    candidate: str
    reference: str
    cases: int
    wins: int = Field(description="Cases in which the candidate is preferred in both orders, or once and tied once")
    losses: int
    ties: int = Field(description="Ties, and cases in which the judge took back its word when the order was swapped")
    preference: Interval = Field(description="Share of wins with ties counted half; 0.5 is no preference")
    decided: Interval | None = Field(
        None, description="Share of wins among wins and losses, which no position bias pulls toward 0.5; None: no such"
    )
    first_position: Interval = Field(description="Share of decided readings that took what stood first; 0.5: no bias")
    consistent: float = Field(description="Share of cases judged alike in both orders")
    p_value: float = Field(description="Exact sign test of wins against losses, two-sided")


class Agreement(Document):
    """A judge beside people on the same pairs."""

    cases: int
    share: float
    kappa: float = Field(description="Cohen's kappa: agreement beyond chance")


class JudgeReport(Document):
    """What the judge said of the candidates, and how far it may be believed."""

    model: str
    criteria: str
    pairs: list[JudgedPair]
    human: Agreement | None = Field(None, description="None: no labels of people were given")
    unreadable: int = Field(0, description="Readings that were no verdict; they count as ties")


FailureKind = Literal["consistency", "systematic", "judgement"]


class FailureCluster(Document):
    """Failing cases that are alike."""

    kind: FailureKind
    cases: list[str]
    terms: list[str] = Field(description="Words that set their inputs apart: row text")
    expected: dict[str, int] = Field(default_factory=dict, description="Expected answers among them, most frequent 5")
    given: dict[str, int] = Field(default_factory=dict, description="What they got instead")


class Failures(Document):
    """What one candidate gets wrong, and what would help."""

    candidate: str
    cases: int
    failed: int
    by_kind: dict[FailureKind, int]
    by_outcome: dict[str, int] = Field(description="Outcome to failed cases; `answered`: of the asked form, and wrong")
    remedies: list[str]
    clusters: list[FailureCluster]

    @property
    def row(self) -> dict[str, str]:
        """A table's row; no row text."""
        kinds = {kind: str(self.by_kind.get(kind, 0)) for kind in get_args(FailureKind)}
        return {"candidate": self.candidate, "failed": f"{self.failed} of {self.cases}", **kinds}


class Disagreement(Document):
    """Two candidates case by case. `won` and `lost` name at most 20 cases each."""

    candidate: str
    reference: str
    both_right: int
    only_candidate: int
    only_reference: int
    both_wrong: int
    won: list[str]
    lost: list[str]


class FailureReport(Document):
    """failures.json: why candidates fail, and where they disagree. Ids and counts; the clusters' terms are row text."""

    candidates: list[Failures]
    disagreements: list[Disagreement]
