"""What a tune is worth, what is recommended, and how much effort each side was given."""

from typing import Literal

from pydantic import Field

from data_contracts.document import Document
from data_contracts.evidence import Interval
from data_contracts.money import usd


class PaybackPoint(Document):
    """What the tune has brought in by then, one-off cost taken off, in USD."""

    month: float
    value: float
    low: float
    high: float


class Payback(Document):
    """What the tune is worth against the best prompt; None where a price is unknown or there is no volume."""

    monthly_saving: float | None
    one_off_cost: float | None
    payback_months: float | None
    break_even_requests_per_month: float | None
    notes: list[str] = Field(default_factory=list)
    saving_per_request: Interval | None = Field(None, description="USD, from the measured tokens of each case")
    requests_per_month: Interval | None = Field(None, description="The stated volume with its stated range")
    hosting_per_month: float = 0.0
    training_cost: float | None = None
    data_cost: float = 0.0
    monthly_saving_range: Interval | None = None
    payback_range: tuple[float, float | None] | None = Field(
        None, description="Months at best and at worst; None at worst: never"
    )
    curve: list[PaybackPoint] = Field(default_factory=list)


class FiredRule(Document):
    """A rule of the recommendation and the figure that it cites."""

    name: str
    fired: bool | None = Field(description="None: its figure is missing")
    figure: str
    says: str = Field(description="What the rule argues for, in a sentence")


class Recommendation(Document):
    """recommendation.json: what to do next, beyond the verdict on these candidates."""

    action: Literal["prompt", "tune", "hybrid", "retrieve", "preference-tune", "stop"]
    sentence: str
    rules: list[FiredRule]

    @property
    def markdown(self) -> str:
        """As a page."""
        marks = {True: "yes", False: "no", None: "unknown"}
        lines = "\n".join(f"| {rule.name} | {marks[rule.fired]} | {rule.figure} | {rule.says} |" for rule in self.rules)
        return f"# {self.action}\n\n{self.sentence}\n\n| rule | fired | figure | says |\n|---|---|---|---|\n{lines}\n"


class Effort(Document):
    """effort.json: what each side was given, so that nobody beats a lazy baseline."""

    prompt_tries: int = Field(description="Prompts that were scored, on all base models together")
    prompt_base_models: int
    prompt_requests: int
    prompt_rows: int = Field(description="Rows that scored them")
    prompt_examples: int = Field(description="Train rows that their few-shot examples were chosen from")
    prompt_cost: float | None
    optimiser: str = Field("", description="Library and its budget, where one wrote prompts")
    tune_tries: int
    tune_examples: int
    tune_epochs: int | None
    tune_cost: float | None

    @property
    def sentence(self) -> str:
        """Both sides in one sentence."""
        tune = (
            f"{self.tune_tries} tune on {self.tune_examples} of the same train rows ({usd(self.tune_cost)})"
            if self.tune_tries
            else "no tune"
        )
        written = f", {self.optimiser}" if self.optimiser else ""
        models = "1 base model" if self.prompt_base_models == 1 else f"{self.prompt_base_models} base models"
        return (
            f"{self.prompt_tries} prompts on {models}, {self.prompt_requests} answers to "
            f"{self.prompt_rows} rows, examples from {self.prompt_examples} train rows{written} "
            f"({usd(self.prompt_cost)}), against {tune}."
        )
