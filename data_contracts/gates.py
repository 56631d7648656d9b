"""When a candidate is promoted, and what that is worth: the `gates` and `economics` sections of a use-case file."""

from typing import Literal

from pydantic import Field

from data_contracts.strict import Strict

Tier = Literal["must", "should", "info"]


class Gates(Strict):
    """When a candidate is promoted: must-hold rules, and what is a difference worth having."""

    metric: Literal["accuracy", "macro_f1", "field_f1", "text_f1", "chrf", "judge", "custom"] | None = Field(
        None, description="None: accuracy, field_f1 or text_f1 by task kind"
    )
    minimum_effect: float = Field(0.02, ge=0, lt=1, description="Smallest gain in the metric worth a change")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Error level of the exact test, Holm-adjusted")
    min_format_adherence: float = Field(0.98, ge=0, le=1)
    max_latency_ratio: float | None = Field(
        2.0, gt=0, description="Latency against the reference, whole interval; None: not a gate"
    )
    latency_quantile: float = Field(0.95, ge=0.5, le=0.99, description="Which latency is held to it: 0.95 is the p95")
    max_cost_ratio: float | None = Field(None, gt=0, description="Cost per request against the reference")
    max_format_loss: float | None = Field(
        None, ge=0, lt=1, description="Format adherence may be so much below the reference's; None: not a gate"
    )
    max_general_loss: float | None = Field(
        0.05, ge=0, lt=1, description="A tune may do so much worse than its base model on `evaluation.general`"
    )
    min_score: float | None = Field(None, ge=0, le=1, description="Floor of the metric")
    tiers: dict[str, Tier] = Field(
        default_factory=dict,
        description="Rules that weigh differently here, by name: must blocks, should is said, info is only shown",
    )


class Economics(Strict):
    """What the answer is worth."""

    requests_per_month: float = Field(0, ge=0)
    requests_uncertainty: float = Field(0.25, ge=0, lt=1, description="The volume may be so much lower or higher")
    data_hours: float = Field(0, ge=0, description="Hours of data work that the tune needs and the prompt does not")
    hourly_rate: float = Field(0, ge=0, description="USD per hour of that work")
    hosting_per_month: float = Field(0, ge=0, description="USD a month for hosting the tuned model")
    horizon_months: float = Field(6, gt=0)
    facts_change: Literal["never", "rarely", "often"] = Field(
        "never", description="How often the facts change that answers rest on; often: they belong into retrieval"
    )
