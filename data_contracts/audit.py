"""The chain from a champion to its data: moves of the alias, and what an audit checked again."""

from typing import Literal

from pydantic import Field

from data_contracts.document import Document


class Move(Document):
    """One move of the champion alias. `number` counts from 1 within a use case."""

    use_case: str
    number: int
    action: Literal["first", "promote", "rollback", "adopt"]
    version: int
    former: int | None = Field(description="The champion's version before; None: there was none")
    by: str = Field(description="Who, as they called themselves, or what: `trial`, `monitor`")
    by_kind: Literal["self-declared", "command line", "policy"]
    reason: str
    run: str = Field("", description="The trial or monitor run that led to it; empty: a person by hand")
    sha256: str = Field("", description="Of what was approved; empty: nothing had to be")
    moved_at: float = Field(description="Seconds since the epoch")


class AuditLink(Document):
    """One link of the chain: what it says, and whether it still holds."""

    name: str = Field(description="alias, move, approval, version, comparison, test set, data, contract, code, ...")
    says: str
    sha256: str = ""
    holds: bool | None = Field(description="None: it is not here to be checked again")
    problem: str = Field("", description="What does not hold, with the file it concerns")


class AuditReport(Document):
    """The chain behind the champion of a use case."""

    use_case: str
    version: int
    model: str
    links: list[AuditLink]
    moves: list[Move]
    signature: Literal["none", "good", "bad", "no key here"] = "none"

    @property
    def problems(self) -> list[str]:
        """What an auditor has to look at."""
        return [link.problem for link in self.links if link.holds is False]
