"""What a use-case file says about its data: where it is, how it is cleaned, split, sealed and held against leaks."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from data_contracts.strict import Share, Strict

Action = Literal["block", "quarantine", "mask", "allow"]
PrivateKind = Literal["secret", "email", "phone", "card", "iban", "national_id", "ip_address"]


class SourceFile(Strict):
    """One file, glob or prefix of records, local or on S3; .gz is unpacked."""

    path: str = Field(description="File, glob, folder or s3://bucket/prefix; relative to the use-case file")
    format: Literal["auto", "jsonl", "csv", "parquet", "openai_logs", "mlflow_traces"] = Field(
        "auto", description="auto: by the file's ending; the last two are exports of stored chat completions and traces"
    )
    partition: Literal["train", "validation", "test"] | None = Field(None, description="Only with split.method: given")
    encoding: str = Field("utf-8", description="Of JSONL and CSV, by Python's names: latin-1, cp1252, utf-16")
    delimiter: str = Field(",", min_length=1, max_length=1, description="Between the fields of a CSV record")


class Source(Strict):
    """Where the records are."""

    files: list[SourceFile] = Field(min_length=1)
    endpoint_url: str | None = Field(None, description="S3-compatible endpoint; AWS_ENDPOINT_URL_S3 wins where set")
    max_record_bytes: int = Field(1_000_000, gt=0, description="A longer record is quarantined")
    max_tokens: int | None = Field(
        None, gt=0, description="A longer training row is quarantined; None: the limit of the base model, where known"
    )


class Privacy(Strict):
    """What happens to a row that holds a secret or personal data. Reports hold counts only."""

    default: Action = Field(
        "block", description="block stops the run, quarantine takes the row out, mask replaces the find by its kind"
    )
    rules: dict[PrivateKind, Action] = Field(default_factory=dict, description="Kind to action, where not the default")

    def action(self, kind: PrivateKind) -> Action:
        """What to do about a find of this kind."""
        return self.rules.get(kind, self.default)


class Exclusion(Strict):
    """A rule that leaves rows out: counted and listed as excluded, never quarantined."""

    reason: str = Field(min_length=1, description="Stands in excluded.jsonl with every row that it leaves out")
    column: str = Field(description="output, group, file, created_at or a slice column of the contract")
    values: list[str] = Field(default_factory=list, description="Leave out rows with one of these values")
    before: datetime | None = Field(None, description="Leave out rows created before, with an offset")
    after: datetime | None = Field(None, description="Leave out rows created at or after, with an offset")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        bounds = [moment for moment in (self.before, self.after) if moment is not None]
        if bool(self.values) == bool(bounds):
            raise ValueError("say either `values`, or `before` and `after`")
        if bounds and self.column != "created_at":
            raise ValueError("`before` and `after` go with column: created_at")
        if any(moment.utcoffset() is None for moment in bounds):
            raise ValueError("write a moment with its offset, such as 2026-01-31T00:00:00Z")
        return self


class Curation(Strict):
    """What happens to duplicates, conflicts, private data and rejected rows."""

    on_conflict: Literal["quarantine", "majority", "newest"] = Field(
        "quarantine", description="Same input with several answers"
    )
    near_duplicates: Literal["keep", "drop"] = Field(
        "keep",
        description="keep: counted, and kept in one partition; drop: like copies, the better row stays, and nearly the "
        "same input with several answers is a conflict",
    )
    max_quarantined: float = Field(0.05, ge=0, le=1, description="Larger share of quarantined rows stops the run")
    exclude: list[Exclusion] = Field(default_factory=list, description="Rows that are left out by rule")
    privacy: Privacy = Field(Privacy(), description="What happens to secrets and personal data")
    label_noise: bool = Field(
        True, description="Classification: list rows whose label out-of-sample predictions contradict, for review"
    )
    min_slice_rows: int = Field(30, ge=0, description="A slice value with fewer rows is reported as thin")


class Split(Strict):
    """How rows fall into train, validation and test. A row that was placed in an earlier trial stays where it is."""

    method: Literal["hash", "stratified", "time", "given"] = Field(
        "hash",
        description="hash of the group; the same with equal shares of each label; the newest rows as test; "
        "or as source.files say",
    )
    validation: Share = Field(0.15, description="Of the rows; prompts are chosen on it")
    test: Share = Field(0.25, description="Of the rows; opened by the final comparison only")
    seed: int = Field(7, description="Of the hash that places a row")
    near_duplicates_together: bool = Field(True, description="Copies of each other share a partition")
    min_test: int = Field(50, ge=1, description="Fewer test rows stop the run")
    min_train: int = Field(10, ge=10, description="Fewer train rows stop the fine-tune (providers ask for 10)")
    min_per_label: int = Field(0, ge=0, description="Classification: fewer train or test rows of a label stop the run")
    max_verdicts: int | None = Field(
        20, ge=1, description="So many verdicts may rest on one test set; None: any number"
    )
    when_worn: Literal["warn", "refuse", "refresh"] = Field(
        "warn", description="After max_verdicts; refresh: draw a new test set from rows that no trial has placed yet"
    )
    test_set: int = Field(1, ge=1, description="Raise it to draw a new test set from rows that were never uploaded")

    @model_validator(mode="after")
    def _room_for_train(self) -> Self:
        if self.validation + self.test >= 0.9:
            raise ValueError("validation + test must leave at least 0.1 for train")
        return self


class Semantic(Strict):
    """An embedding model that judges the likeliest train rows of each evaluation row; it sees these texts only."""

    base_url: str = Field(description="Endpoint with POST /embeddings, as OpenAI's")
    model: str = Field(description="Embedding model of that endpoint")
    api_key_env: str = Field("OPENAI_API_KEY", description="Variable that holds the key")
    threshold: float = Field(0.85, gt=0, le=1, description="Cosine from which two texts mean the same")
    on_leak: Literal["stop", "withhold", "review"] = Field("review", description="What such a pair leads to")


class Leakage(Strict):
    """What counts as a leak between train and evaluation rows, and what happens then."""

    on_leak: Literal["stop", "withhold"] = Field(
        "stop",
        description="With split.method: given; withhold: the train side leaves, counted. Rows that are split here are "
        "kept apart before; what still turns out alike is withheld",
    )
    near: float = Field(
        0.45,
        gt=0,
        le=1,
        description="Jaccard of rare word trigrams, or of the words outside boilerplate, from which rows are copies",
    )
    passages: float = Field(
        0.08, gt=0, le=1, description="Shared weight of rare trigrams from which an excerpt or a wrapped text is a leak"
    )
    max_row_share: float = Field(
        0.005, gt=0, le=1, description="Trigrams in a larger share of rows are boilerplate and do not count"
    )
    short_words: int = Field(
        7, ge=0, description="Texts of fewer words: only the same words are a leak, the rest is for review"
    )
    group: bool = Field(True, description="Rows of one group on both sides are a leak")
    time: bool = Field(True, description="With split.method: time, a train row newer than a test row is a leak")
    corpora: list[str] = Field(
        default_factory=list,
        description="Files or folders that answers are retrieved from (.jsonl, .txt, .md): an evaluation text in them "
        "is reported",
    )
    semantic: Semantic | None = Field(None, description="Judge of copies in other words")
    workers: str | None = Field(
        None, description="Address of a Dask scheduler, or a number of local processes; None: this process"
    )
