"""monitor.json: how the champion does in production, held against what it did on the sealed test set."""

from typing import Literal

from pydantic import Field

from data_contracts.document import Document
from data_contracts.evidence import Interval

Health = Literal["healthy", "degrade", "roll back", "too few answers"]


class HealthCheck(Document):
    """One figure of the window, its limit, and what breaking it leads to."""

    name: Literal["input drift", "label drift", "format", "latency", "cost", "quality", "failures"]
    value: float | None = Field(description="None: not measured")
    limit: float
    leads_to: Literal["degrade", "roll back"]
    broken: bool | None = Field(description="None: too little to tell")
    figure: str = Field(description="The figures in words")


class MonitorReport(Document):
    """What production says about a champion."""

    use_case: str
    version: int
    model: str
    health: Health
    since: float = Field(description="When this champion was promoted, seconds since the epoch")
    until: float
    answers: int
    labelled: int
    checks: list[HealthCheck]
    quality: Interval | None = Field(None, description="The deciding metric on labelled rows")
    skipped: dict[str, int] = Field(default_factory=dict, description="Reason -> records that could not be read")
    collected: int = Field(0, description="Labelled rows that were added for the next trial")
    action: str = Field("", description="What was done about it")
    window_over: bool = Field(False, description="The watch window after the promotion is over")
