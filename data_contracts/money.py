"""The typed records of a purchase: what it is about to cost, the job that is bought, the model that comes of it."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from data_contracts.document import Document


class Price(Document):
    """USD per million tokens. None is unknown, never 0."""

    model: str
    input: float | None
    output: float | None
    training: float | None = None
    hosting: float | None = Field(
        0.0, description="USD an hour while a tuned model is deployed; 0: nothing is deployed"
    )
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
    tokens: int  # of one epoch, a high estimate: UTF-8 bytes / 3, and 4 a message


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
    cost: float | None = Field(None, description="USD, where the provider itself says what the job costs")
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
    answers_as: str = Field("", description="Name that completions ask for, where it is not the model's own")
    trained_tokens: int | None
    training_cost: float | None
    seconds: float
    jobs_found: int = Field(1, description="Jobs that the provider held for the intent at the end, which must be one")

    @property
    def asked_as(self) -> str:
        """The model's name in a request."""
        return self.answers_as or self.model


def usd(amount: float | None) -> str:
    """An amount of USD with the digits that matter; None is unknown."""
    if amount is None:
        return "unknown"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 0.1 else f"${amount:.4f}"
