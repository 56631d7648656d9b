"""The typed records handed from stage to stage, in flow order: from the source to the gate against leaks.

What follows stands in money.py (estimate, job, tune) and contest.py (prompts, comparison, verdict).
Parquet files hold one example a row with the columns of `EXAMPLE_COLUMNS`; every column but `line`, `offset` and
`length` is a string. Frames hold some of these columns: ids, labels and hashes, and the text of one column at a time.
Documents (`Document`) are published: their JSON Schemas stand in data_contracts/schemas/ and change with CHANGELOG.md.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, Field

from data_contracts.curation import CurationReport
from data_contracts.document import Document

PARTITIONS = ("train", "validation", "test")
EXAMPLE_COLUMNS = (
    "id",  # the source's id, or a hash of the content
    "input",  # text that is compared, searched and shown, as the contract's mapping.compare says
    "messages",  # JSON list of chat messages before the answer, system messages of the source included
    "output",  # expected answer: label, canonical JSON (sorted keys) or text; tool calls as canonical JSON
    "rejected",  # of a preference pair: the answer that is not preferred; "" elsewhere
    "tools",  # JSON of what a request says of tools (tools, parallel_tool_calls), or ""
    "group",  # rows of one group share a partition; the row's own id where the source has none
    "created_at",  # ISO 8601 in UTC, or ""
    "given_partition",  # train, validation, test or ""
    "slices",  # JSON object of the declared slice columns
    "words",  # hash of the normalised words of `input`: same for copies that differ in case, space, punctuation
    "content",  # hash of messages, output, rejected and tools: differs where two rows of one id do
    "file",
    "line",  # 1-based physical line, or row number in Parquet
    "offset",  # byte offset of the record in its (decompressed) file; -1 in Parquet
    "length",  # bytes of the record with its newline, so that the spans of a file tile it; -1 in Parquet
)
KEY_COLUMNS = ("id", "output", "group", "created_at", "given_partition", "words", "file", "line")


def json_object(content: bytes) -> dict[str, Any]:
    """The JSON object that the bytes hold; empty where they hold none."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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
    length: int = -1
    raw: str = dataclasses.field(repr=False, default="")


class SourceFacts(Document):
    """What was read of a source file."""

    bytes: int = Field(description="Size, decompressed where it was compressed; -1 for Parquet")
    head: int = Field(description="Bytes before the first record: byte order mark and CSV header")
    records: int
    version: str = Field("", description="S3: the version id, or the ETag, that every byte came from")


@dataclass(frozen=True)
class RawExamples:
    """What `read` got out of the source files: `records_in = rows + rejected`."""

    path: Path  # Parquet with EXAMPLE_COLUMNS, in the order of files and lines
    rows: int
    rejected: int
    sources: dict[str, str]  # file -> sha256 of its bytes
    facts: dict[str, SourceFacts]
    private: dict[str, dict[str, int]]  # kind of secret or personal data -> action -> rows

    @property
    def records_in(self) -> int:
        """Every record that the files hold."""
        return self.rows + self.rejected


@dataclass(frozen=True)
class Curated:
    """What becomes of every raw row: `records_in = curated + duplicates + quarantined + excluded`."""

    # one row a raw row: fate (curated, duplicate, quarantined, excluded), kept_id (of a duplicate),
    # code, field, remedy (of the quarantined and the excluded)
    fates: pd.DataFrame
    # alike curated rows: left, right (positions among the curated rows, left < right), kind, score
    near: pd.DataFrame
    report: CurationReport


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
    """Curated rows (Parquet with EXAMPLE_COLUMNS) that satisfy every critical expectation of the contract."""

    curated: Path
    results: Sequence[ExpectationResult]


# ---------------------------------------------------------------- partition


@dataclass(frozen=True)
class Partitions:
    """`curated = train + validation + test + withheld`.

    Frames have KEY_COLUMNS and `position`, the row's number in curated.parquet; withheld rows a `reason` too.
    """

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
    source_facts: dict[str, SourceFacts] = Field(default_factory=dict)
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


LeakKind = Literal[
    "same text",
    "same words",
    "same but for numbers",
    "near",
    "shared passages",
    "same group",
    "newer than test",
    "same meaning",
]


class LeakPair(Document):
    """An evaluation row and what gives it away; ids only."""

    partition: Literal["validation", "test"]
    evaluation_id: str
    train_id: str = Field(description="Id of the train row; of another source, what names it there")
    kind: LeakKind
    score: float
    evidence: float = Field(0, description="Nats of rare phrases shared: how unlikely by chance")
    source: Literal["train", "uploaded", "corpus"] = Field(
        "train", description="uploaded: a text that an earlier trial sent for training"
    )
    review: bool = Field(False, description="For a person to look at; nothing stops or leaves because of it")


PAIR_COLUMNS = tuple(LeakPair.model_fields)


class Phrase(Document):
    """A phrase that so many rows share that it says nothing."""

    words: str
    rows: int


class LeakageReport(Document):
    """leakage.json: what was compared and found."""

    train_rows: int
    validation_rows: int
    test_rows: int
    compared: str = Field("", description="Which text of a row was compared, and how")
    found: dict[str, dict[str, int]] = Field(description="partition -> kind -> evaluation rows with such a leak")
    review: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="partition -> kind -> evaluation rows with such a pair to look at"
    )
    withheld: int = Field(description="train rows kept out because of a leak")
    label_agreement: float | None = Field(None, description="Share of leaking pairs with the same expected answer")
    label_in_input: dict[str, int] = Field(
        default_factory=dict, description="Label -> evaluation rows whose input holds their own label as a word"
    )
    uploaded: int = Field(0, description="Texts that earlier trials sent for training and that were compared too")
    corpora: dict[str, int] = Field(default_factory=dict, description="Corpus -> evaluation rows found in it")
    pairs_file: str = "leakage_pairs.parquet"
    boilerplate: int = Field(0, description="Trigrams too common to count")
    phrases: list[Phrase] = Field(default_factory=list, description="The commonest phrases that did not count")


class SealedTestSet(Document):
    """sealed.json: the test set by its hash, and what has rested on it so far."""

    sha256: str
    rows: int
    test_set: int = Field(1, description="1 for the first test set of the use case, higher after a refresh")
    verdicts: int = Field(0, description="Trials that scored candidates on this test set before this one")
    worn: bool = Field(False, description="As many verdicts as split.max_verdicts allows")
    placed_earlier: int = Field(0, description="Rows that stay where an earlier trial placed them, whatever split says")
    detects: float = Field(description="Smallest difference (0..1) that so many test cases show with power 0.8")
    needed: int = Field(description="Test cases that would show gates.minimum_effect with power 0.8")

    @property
    def sentence(self) -> str:
        """How much the test set can tell, and how often it was asked."""
        rests = "verdict rests" if self.verdicts == 1 else "verdicts rest"
        asked = f"{self.verdicts} {rests} on it already" if self.verdicts else "it was never opened"
        worn = ", as many as split.max_verdicts allows: draw a new one with split.test_set" if self.worn else ""
        kept = f"; {self.placed_earlier} rows stay where earlier trials put them" if self.placed_earlier else ""
        return (
            f"{self.rows} test cases detect a difference of {100 * self.detects:.1f} points; "
            f"{self.needed} would be needed for gates.minimum_effect; {asked}{worn}{kept}"
        )


@dataclass(frozen=True)
class LeakFreePartitions:
    """Only `leakage.check` makes this, and `training_file.build` takes nothing else."""

    partitions: Partitions
    report: LeakageReport
    pairs: pd.DataFrame  # PAIR_COLUMNS, one LeakPair a row
