"""After the first champion: how base models are watched, production is monitored, and who has to say yes.

The `watch`, `monitor` and `approvals` sections of a use-case file.
"""

from typing import Literal

from pydantic import Field

from data_contracts.prompting import ModelAt
from data_contracts.strict import Share, Strict


class Watch(Strict):
    """What is done about the base model under the champion when it changes or is retired."""

    successors: list[str | ModelAt] = Field(
        default_factory=list,
        description="Where prompts are tried instead: a name, or {model, endpoint}; empty: the newest of the family",
    )
    tune_on: list[ModelAt] = Field(
        default_factory=list,
        description="Where a tune is bought if no prompt wins there, best first: the first that takes jobs; the "
        "endpoint then becomes `provider`. Empty: the first successor that can be tuned",
    )
    warn_days: list[int] = Field([90, 30, 7, 1], description="Warn so many days before the champion stops answering")
    canaries: int = Field(
        8, ge=0, le=100, description="So many validation rows are asked at each watch, to see a silent change; 0: none"
    )
    start_trials: bool = Field(True, description="Whether a finding may start a trial by itself; money needs its yes")


class ProductionSource(Strict):
    """Where answers given in production are, as one JSON object a line, or as MLflow traces."""

    path: str | None = Field(
        None, description="File, glob, folder or s3://bucket/prefix of JSONL; relative to the use-case file"
    )
    mlflow_experiment: str | None = Field(None, description="Name of an experiment whose traces are answers")


class Monitor(Strict):
    """The weeks after a promotion: what is held against the champion's own figures, and what follows."""

    sources: list[ProductionSource] = Field(default_factory=list, description="Empty: nothing is monitored")
    window_days: float = Field(14.0, gt=0, description="So long after a promotion the champion is on watch")
    min_answers: int = Field(100, ge=1, description="Fewer answers say nothing")
    min_labelled: int = Field(30, ge=1, description="Fewer rows with a label say nothing about quality")
    max_input_drift: float = Field(0.2, gt=0, description="Population stability index of what is asked")
    max_label_drift: float = Field(0.2, gt=0, description="The same of what is answered, against the test set")
    max_format_loss: Share = Field(0.02, description="Format adherence so much below the test set's")
    max_failures: Share = Field(
        0.05, description="Share of requests failed, refused or filtered, so much above the test set's"
    )
    max_latency_ratio: float = Field(2.0, gt=0, description="p95 against the test set's")
    max_cost_ratio: float = Field(1.5, gt=0, description="Cost per request against the test set's")
    max_quality_loss: Share = Field(0.05, description="The metric on labelled rows so much below the test set's")
    on_degrade: Literal["tell", "trial"] = Field("tell", description="degrade: say so, or start a trial as well")
    on_roll_back: Literal["tell", "act"] = Field(
        "act", description="roll back: say so, or move the champion back once two looks in a row found it"
    )
    collect: str | None = Field(
        None,
        description="JSONL that labelled production rows are added to, in the shape of the contract: name it under "
        "`source.files` as well and the next trial partitions them",
    )
    cron: str | None = Field(None, description="When it looks by itself, in `schedule.timezone` or UTC")


class Approvals(Strict):
    """Who has to say yes before the champion changes, and who hears of it."""

    promotion: Literal["none", "deployed", "always"] = Field(
        "deployed",
        description="none: nobody; deployed: runs from Prefect ask, at the command line whoever runs it is on record; "
        "always: the command line asks as well, and takes `tunegate resume RUN --yes`",
    )
    hours: float = Field(72.0, gt=0, description="How long a run waits, suspended, for a yes to its verdict")
    notify: list[str] = Field(
        default_factory=list,
        description="Prefect notification blocks by type/name, such as slack-webhook/team or email/owner",
    )
