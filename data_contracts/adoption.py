"""An existing tune taken in as champion: adoption.json, and all that its registration needs."""

from dataclasses import dataclass

import pandas as pd
from pydantic import Field

from data_contracts.candidate import Candidate
from data_contracts.contest import CandidateScores, Comparison
from data_contracts.document import Document
from data_contracts.use_case import ResolvedUseCase


class Adoption(Document):
    """adoption.json: what was recorded of a tune that nobody here has trained, and what of it is unknown."""

    use_case: str
    run: str
    model: str
    base_model: str
    prompt: str
    endpoint: str = Field("", description="Where it answers, by its name under `endpoints`; empty: `provider`")
    provider: str
    adopted_by: str
    reason: str = ""
    adopted_at: float = Field(description="Seconds since the epoch")
    last_day: str | None = Field(description="YYYY-MM-DD from which it no longer answers; None: nobody announces one")
    metric: str
    test_sha256: str
    test: CandidateScores = Field(description="On the sealed test set")
    recent: CandidateScores | None = Field(description="On the newest train and validation rows")
    unknown: list[str] = Field(description="What nobody knows of it, in sentences")

    @property
    def markdown(self) -> str:
        """What a registered version says of itself."""
        found = self.test.metric
        unknown = "\n".join(f"- {sentence}" for sentence in self.unknown)
        why = f" {self.reason.rstrip('.')}." if self.reason else ""
        return (
            f"# adopted\n\nChampion: **{self.test.candidate.name}**, `{self.model}`, by {self.adopted_by}.{why}\n\n"
            f"{self.metric} {found.value:.3f} ({found.low:.3f} to {found.high:.3f}) on {self.test.cases} test cases. "
            f"No trial has compared it with anything.\n\nUnknown:\n\n{unknown}\n"
        )


@dataclass(frozen=True)
class AdoptionRecord:
    """An adoption about to be registered. `answers` has ANSWER_COLUMNS."""

    run: str
    case: ResolvedUseCase
    labels: list[str]
    candidate: Candidate
    adoption: Adoption
    comparison: Comparison  # of one candidate
    answers: pd.DataFrame
    folder: str
    train_examples: str  # path of the Parquet file that few-shot examples come from; empty without any
