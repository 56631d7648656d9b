"""What the base-model watch sees and finds: facts about a model, findings with a deadline, the inventory of tunes."""

from typing import Any, Literal

from pydantic import Field

from data_contracts.document import Document

FindingKind = Literal[
    "retirement-announced",  # the model, or the base under it, has a last day
    "retired",  # it is listed no longer, or its last day is past
    "new-version",  # a newer dated model of its family is listed
    "alias-moved",  # the undated name leads to another dated model than before
    "training-closed",  # its base takes no new jobs any more
    "silent-change",  # canary prompts are answered otherwise, or by another fingerprint
]


class ModelFacts(Document):
    """A model as its provider described it at one moment. Days are YYYY-MM-DD; None: the provider does not say."""

    requested: str = Field(description="Name that requests ask for")
    resolved: str = Field(description="Dated model that it leads to, as far as that is known")
    base_model: str
    created: int | None = Field(
        None, description="Of the listing's entry, seconds since the epoch; None: not clearly in the past"
    )
    base_created: int | None = Field(None, description="The same of its base, remembered once that is listed no more")
    listed: bool = True
    shutdown_date: str | None = None
    training_until: str | None = None
    trains: bool | None = Field(None, description="Whether its base takes a job today; None: only a job would tell")
    fingerprint: str = Field("", description="system_fingerprint of the canary answers, where there is one")
    checked_at: float


class Finding(Document):
    """One change that a watch found."""

    use_case: str
    kind: FindingKind
    model: str
    base_model: str
    says: str = Field(description="One sentence with its figures")
    deadline: str | None = Field(None, description="Day on which the champion stops answering")
    days_left: int | None = None
    successors: list[str] = Field(default_factory=list, description="Models that may take its place")
    new: bool = Field(True, description="Whether it was told for the first time, or a warning day was reached")
    wanted: dict[str, Any] | None = Field(
        None, description="Options of the trial that answers it; None: none is started"
    )


class OwnedModel(Document):
    """A tuned model, or the model under a champion: a line of the inventory."""

    use_case: str
    model: str
    base_model: str
    provider: str
    role: str = Field(description="champion, challenger, adopted, or how its purchase stands")
    shutdown_date: str | None = None
    days_left: int | None = None
    replacement: str = Field("", description="What would replace it")
    training_data: Literal["known", "unknown"] = "known"


class WatchReport(Document):
    """watch.json: one pass over one use case, or over all."""

    checked_at: float
    findings: list[Finding]
    inventory: list[OwnedModel]
    unreachable: list[str] = Field(default_factory=list, description="What could not be asked, one sentence each")
