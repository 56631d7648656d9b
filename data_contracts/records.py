"""The typed records handed from stage to stage, in flow order: from the source to the gate against leaks.

What follows stands in money.py (estimate, job, tune) and contest.py (prompts, comparison, verdict).
Frames hold one example a row with the columns of `EXAMPLE_COLUMNS`; every column but `line` and `offset` is a string.
Documents (`Document`) are published: their JSON Schemas stand in data_contracts/schemas/ and change with CHANGELOG.md.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

PARTITIONS = ("train", "validation", "test")
EXAMPLE_COLUMNS = (
    "id",  # the source's id, or a hash of the content
    "input",  # text that is compared, searched and shown: all user turns, newline between
    "messages",  # JSON list of chat messages before the answer, system messages of the source included
    "output",  # expected answer: label, canonical JSON (sorted keys) or text
    "group",  # rows of one group share a partition; the row's own id where the source has none
    "created_at",  # ISO 8601 in UTC, or ""
    "given_partition",  # train, validation, test or ""
    "slices",  # JSON object of the declared slice columns
    "words",  # hash of the normalised words of `input`: same for copies that differ in case, space, punctuation
    "file",
    "line",  # 1-based physical line, or row number in Parquet
    "offset",  # byte offset of the record in its (decompressed) file; -1 in Parquet
)


class Document(BaseModel):
    """A published JSON document of a run folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_json(model: BaseModel) -> dict[str, Any]:
    """Plain JSON form of a document."""
    return model.model_dump(mode="json")


# ---------------------------------------------------------------- curate


@dataclass(frozen=True)
class Rejection:
    """A record that did not pass, and why. `raw` stays in quarantine.jsonl and is never logged."""

    file: str
    line: int
    offset: int
    id: str
    field: str
    code: str
    remedy: str
    raw: str = dataclasses.field(repr=False, default="")


@dataclass(frozen=True)
class RawExamples:
    """What `read` got out of the source files: `records_in = len(rows) + len(rejected)`."""

    rows: pd.DataFrame
    rejected: Sequence[Rejection]
    records_in: int
    sources: dict[str, str]  # file -> sha256 of its bytes


@dataclass(frozen=True)
class Curated:
    """`records_in = len(rows) + len(duplicates) + len(quarantined) + len(excluded)`."""

    rows: pd.DataFrame
    duplicates: pd.DataFrame  # EXAMPLE_COLUMNS + kept_id
    quarantined: Sequence[Rejection]
    excluded: Sequence[Rejection]  # left out by a rule of the use case
    records_in: int
    sources: dict[str, str]


class ExpectationResult(Document):
    """One expectation of the contract and how the rows did; no row text."""

    type: str
    column: str | None
    severity: Literal["critical", "warning", "info"]
    success: bool
    unexpected: int
    unexpected_ids: list[str]
    notes: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Validated:
    """Curated rows that satisfy every critical expectation of the contract."""

    curated: Curated
    results: Sequence[ExpectationResult]


# ---------------------------------------------------------------- partition


@dataclass(frozen=True)
class Partitions:
    """`curated = train + validation + test + withheld`; withheld rows carry a `reason` column."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    withheld: pd.DataFrame


class PartitionShare(Document):
    """Size of one partition."""

    rows: int
    sha256: str = Field(description="Hash of the sorted (id, input, output) of its rows")
    labels: dict[str, int] = Field(default_factory=dict, description="Rows a label, classification only")


class Counts(Document):
    """counts.json: both conservation laws in numbers."""

    records_in: int
    curated: int
    duplicates: int
    quarantined: int
    excluded: int
    quarantine_codes: dict[str, int]
    sources: dict[str, str]
    train: PartitionShare | None = None
    validation: PartitionShare | None = None
    test: PartitionShare | None = None
    withheld: int = 0
    withheld_reasons: dict[str, int] = Field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What became of every record."""
        return (
            f"{self.records_in} records = {self.curated} curated + {self.duplicates} duplicates "
            f"+ {self.quarantined} quarantined + {self.excluded} excluded"
        )


class LeakPair(Document):
    """An evaluation row and the train row that gives it away; ids only."""

    partition: Literal["validation", "test"]
    evaluation_id: str
    train_id: str
    kind: Literal["same text", "same words", "same but for numbers", "near", "same group"]
    score: float


class LeakageReport(Document):
    """leakage.json: what was compared and found."""

    train_rows: int
    validation_rows: int
    test_rows: int
    found: dict[str, dict[str, int]] = Field(description="partition -> kind -> evaluation rows with such a leak")
    withheld: int = Field(description="train rows kept out because of a leak")
    label_agreement: float | None = Field(None, description="Share of leaking pairs with the same expected answer")
    pairs_file: str = "leakage_pairs.parquet"
    boilerplate: int = Field(0, description="Trigrams too common to count")


@dataclass(frozen=True)
class LeakFreePartitions:
    """Only `leakage.check` makes this, and `training_file.build` takes nothing else."""

    partitions: Partitions
    report: LeakageReport
    pairs: Sequence[LeakPair]
