"""A trial: its options, what its stages hand to each other through Prefect, and all that it found out."""

from dataclasses import dataclass
from typing import Any, Self

import pandas as pd
from pydantic import Field, model_validator

from data_contracts.contest import Comparison, PromptSearch, Verdict
from data_contracts.curation import CurationReport
from data_contracts.document import Document
from data_contracts.evidence import FailureReport
from data_contracts.money import Cost, Estimate, FineTuned
from data_contracts.records import Counts, LeakageReport, SealedTestSet
from data_contracts.strict import Strict
from data_contracts.use_case import ResolvedUseCase
from data_contracts.worth import Effort, Recommendation


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial. `answers` has ANSWER_COLUMNS; `inputs` maps case id to its input text."""

    run: str
    started: str
    case: ResolvedUseCase
    labels: list[str]
    counts: Counts
    curation: CurationReport
    leakage: LeakageReport
    sealed: SealedTestSet
    search: PromptSearch
    estimate: Estimate
    tuned: FineTuned | None
    comparison: Comparison
    verdict: Verdict
    failures: FailureReport
    recommendation: Recommendation
    effort: Effort
    answers: pd.DataFrame
    inputs: dict[str, str]
    cost: Cost
    spent: float
    folder: str
    train_examples: str  # path of the Parquet file that few-shot examples come from


class TrialOptions(Strict):
    """What this one trial does differently from the use-case file. Leave everything as it is for a normal trial."""

    train: bool = Field(
        True, title="Fine-tune", description="Off: compare the champion with the best prompt only; nothing is trained"
    )
    approve_spending: bool = Field(
        False,
        title="Approve the estimated cost",
        description="Needed when the estimate is above the use case's approval threshold; never lifts its budget",
    )
    reason: str = Field(
        "", title="Why", max_length=300, description="Why this trial is started, for whoever reads its record later"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        title="Other settings",
        description='Values of the use-case file to change for this trial, by dotted name: {"split.test": 0.3}',
    )
    otherwise: dict[str, Any] = Field(
        default_factory=dict,
        title="If nobody is promoted",
        description="Other settings of a second trial that then follows by itself, as the base-model watch asks for it",
    )
    resume: str = Field(
        "",
        title="Resume a stopped run",
        description="Its name, as the command tunegate status lists it; empty: a new run",
    )
    approve_promotion: bool = Field(
        False,
        title="Approve the verdict of the resumed run",
        description="A yes to the verdict that the resumed run has reached; a new run has none yet to say yes to",
    )

    @model_validator(mode="after")
    def _a_yes_is_to_a_verdict_that_stands(self) -> Self:
        if self.approve_promotion and not self.resume:
            raise ValueError("approve_promotion goes with resume: a new run has no verdict yet to say yes to")
        return self


class TrialRef(Document):
    """A running trial, as Prefect's database sees it: names only."""

    run: str
    started: str = Field(description="ISO 8601, UTC")
    use_case: str
    folder: str
    mlflow_run_id: str
    train: bool
    approved: bool
    promotion_approved: bool = False


class StageRef(Document):
    """What a finished stage hands to the next: where its files are, and their hashes. Never a row."""

    trial: TrialRef
    files: dict[str, str] = Field(default_factory=dict, description="File of the run folder to sha256")


class CuratedRef(StageRef):
    """Rows read, cleaned and counted."""


class ValidatedRef(StageRef):
    """The contract holds."""


class PartitionedRef(StageRef):
    """Every row has its partition."""


class LeakFreeRef(StageRef):
    """No evaluation row stands in train; training files are written."""


class EstimatedRef(StageRef):
    """The cost is known and shown."""

    page: str = Field("", description="Address of the estimate in Prefect's UI")


class ApprovedRef(StageRef):
    """The cost is within budget, and somebody said yes to it where it needs a yes."""


class SearchedRef(StageRef):
    """The best prompt is found, on validation."""


class SubmittedRef(StageRef):
    """One job for one intent."""


class TunedRef(StageRef):
    """The tuned model answers; without training, `files` is empty."""


class EvaluatedRef(StageRef):
    """Every candidate has answered the sealed test set."""


class JudgedRef(StageRef):
    """The verdict stands."""


class PromotableRef(StageRef):
    """Whoever has to say yes or no to the verdict has said it; nobody had to where `files` is empty."""
