"""The typed records of a purchase: what it is about to cost, the job that is bought, the model that comes of it."""

import math
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


Part = Literal["leakage judge", "prompt search", "training", "hosting", "final answers", "answer judge"]


class CostPart(Document):
    """One line of an estimate: what is bought, how much of it, at which price. None is unknown, never 0."""

    part: Part
    requests: int = 0
    tokens: int = 0
    hours: float | None = Field(None, description="Hosting: how long the tuned model is deployed")
    cost: float | None = Field(description="USD")
    price: Price

    @property
    def row(self) -> dict[str, str]:
        """The line as a person reads it."""
        return {
            "part": self.part,
            "model": self.price.model,
            "requests": f"{self.requests:,}" if self.requests else "",
            "tokens": f"{self.tokens:,}" if self.tokens else "",
            "price": self._price,
            "cost": usd(self.cost),
            "source": f"{self.price.source}, {self.price.as_of}",
        }

    @property
    def _price(self) -> str:
        if self.part == "training":
            return f"{usd(self.price.training)} / 1M tokens"
        if self.part == "hosting":
            return f"{usd(self.price.hosting)} / hour"
        return f"{usd(self.price.input)} in, {usd(self.price.output)} out / 1M tokens"


class Estimate(Document):
    """estimate.json: what the run is about to cost and what it can show. Nothing is sent to make it."""

    training_examples: int
    training_tokens: int
    training_epochs: int
    training_cost: float | None
    answers: int = Field(description="Requests of prompt search and final comparison together")
    answer_tokens: int
    answer_cost: float | None
    hosting_cost: float | None = Field(0.0, description="USD while the trial asks the deployed tune")
    judge_cost: float | None = Field(0.0, description="USD for the judge of leakage.semantic")
    total_cost: float | None
    hours: float | None = Field(description="Expected for training and answers; None: nothing earlier tells")
    detectable_difference: float = Field(
        description="Smallest difference that this test set shows with power 0.8, if candidates differ on 20 % of cases"
    )
    already_paid: bool = Field(False, description="The ledger holds this very job: it is attached to, not bought")
    warnings: list[str] = Field(default_factory=list)
    parts: list[CostPart] = Field(default_factory=list, description="What the sums are made of")

    @property
    def known_cost(self) -> float:
        """What is known of the total, in USD."""
        costs = (self.training_cost, self.answer_cost, self.hosting_cost, self.judge_cost)
        return math.fsum(cost for cost in costs if cost is not None)

    @property
    def rows(self) -> list[dict[str, str]]:
        """The parts as a table, a row each."""
        return [part.row for part in self.parts]

    @property
    def sentence(self) -> str:
        """The cost, and what the test set can show."""
        training = "paid already" if self.already_paid else usd(self.training_cost)
        hosting = "" if self.hosting_cost == 0 else f", hosting {usd(self.hosting_cost)}"
        return (
            f"{usd(self.total_cost)} (training {training}, {self.answers} answers {usd(self.answer_cost)}{hosting}); "
            f"this test set shows differences of {100 * self.detectable_difference:.1f} points or more"
        )


class PartCost(Document):
    """What one part was estimated at and what it came to, in USD. None is unknown."""

    part: Part
    estimated: float | None
    actual: float | None

    @property
    def row(self) -> dict[str, str]:
        """The part as a person reads it."""
        return {"part": self.part, "estimated": usd(self.estimated), "actual": usd(self.actual)}


class Cost(Document):
    """cost.json: what the run did cost, beside what was estimated and what the provider quoted for the job."""

    parts: list[PartCost]
    estimated: float | None
    quoted: float | None = Field(None, description="USD for the job, where the provider gave a quote before it")
    actual: float | None
    difference: float | None = Field(description="Actual less estimated, in USD")
    percent: float | None = Field(description="The difference in percent of the estimate")

    @property
    def sentence(self) -> str:
        """Both amounts and what lies between them."""
        if self.difference is None:
            return f"{usd(self.actual)} spent, {usd(self.estimated)} estimated"
        share = "" if self.percent is None else f", {self.percent:+.0f} %"
        sign = "-" if self.difference < 0 else "+"
        return f"{usd(self.actual)} spent, {usd(self.estimated)} estimated ({sign}{usd(abs(self.difference))}{share})"


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

    @property
    def has_ended(self) -> bool:
        """Whether it will not move any more; a state that nobody has heard of is no end."""
        return self.state in ("succeeded", "failed", "cancelled")


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
