"""What somebody said to a verdict that would move the champion: approval.json in the run folder."""

from typing import Literal

from pydantic import Field

from data_contracts.document import Document


class Consent(Document):
    """An answer to exactly one verdict.json. `not asked`: nobody had to be; `by` then only started the run."""

    answer: Literal["yes", "no", "not asked"]
    by: str = Field("trial", description="Who, as they called themselves; `trial`: nobody was asked")
    by_kind: Literal["self-declared", "command line", "policy"] = "policy"
    note: str = ""
    sha256: str = Field("", description="Of the verdict.json that was answered")
    answered_at: float | None = Field(None, description="Seconds since the epoch")

    @property
    def declined(self) -> str:
        """Who said no, and why; empty where nobody did."""
        return f"{self.by}: {self.note or 'no reason given'}" if self.answer == "no" else ""

    @property
    def sentence(self) -> str:
        """Who said what, in a line."""
        if self.answer == "not asked":
            return "nobody had to be asked" + (f"; started by {self.by}" if self.by_kind == "command line" else "")
        note = f": {self.note}" if self.note else ""
        return f"{self.answer}, {self.by} ({self.by_kind}){note}"
