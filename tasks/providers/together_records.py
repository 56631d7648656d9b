"""Together's objects as far as they are used. Ids are strict; what is left out or added is let through."""

import hashlib
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from data_contracts.money import Job, JobEvent
from tasks.providers.redact import shown
from tasks.providers.wire_records import Id, State, WireRecord

NANO_USD = 1e-9  # a job's total_price counts these (SDK 3.1.1, lib/utils/tools.py)
STATES: dict[str, State] = {
    "pending": "queued",
    "queued": "queued",
    "running": "running",
    "compressing": "running",
    "uploading": "running",
    "cancel_requested": "running",
    "completed": "succeeded",
    "error": "failed",
    "user_error": "failed",
    "cancelled": "cancelled",
}
LEVELS = {"warning": "warn", "error": "error"}
FIGURES = {"train/loss": "train_loss", "eval/loss": "valid_loss"}
_MARK = re.compile(r"tg[0-9a-f]{16}")
_COUNTERS = ("step", "timestamp", "epoch")
RecordT = TypeVar("RecordT", bound=BaseModel)


def mark_of(intent: str) -> str:
    """What stands for a purchase in a job's suffix, since Together keeps no metadata with a job."""
    return f"tg{intent[:16]}"


class Listing(BaseModel, Generic[RecordT]):
    """A listing, or one page of it."""

    data: list[RecordT]
    next_cursor: str | None = None


class Report(BaseModel):
    """What Together's check of a file found."""

    error: str | None = None


class TogetherFile(WireRecord):
    """An uploaded file."""

    filename: str | None = None
    bytes: int | None = None
    purpose: str | None = None
    processing_status: str | None = None
    validation_report: Report | None = None

    @property
    def is_pending(self) -> bool:
        """Whether its check goes on."""
        return self.processing_status in ("PENDING", "QUEUED", "RUNNING")

    @property
    def is_broken(self) -> bool:
        """Whether its check found it unfit, or broke off."""
        return self.processing_status in ("FAILED", "INVALID_FORMAT")

    def is_usable(self, name: str, size: int) -> bool:
        """Whether it is the training file of that name and size, and not one that Together rejected."""
        return (self.filename, self.bytes, self.purpose) == (name, size, "fine-tune") and not self.is_broken


class Announced(BaseModel):
    """The answer to an announced upload: where to put the bytes, or None where Together holds them already."""

    file_id: Id
    address: str | None = None


class Deleted(BaseModel):
    """The receipt for a deletion; some calls answer with an empty object."""

    deleted: Literal[True] | None = None


class TogetherEvent(BaseModel):
    """One line of a job's history. It has no id."""

    model_config = ConfigDict(strict=True, frozen=True)

    created_at: str = ""
    level: str | None = None
    type: str = ""
    message: str = ""
    step: int | None = None

    @property
    def kind(self) -> str:
        """Its type; the API and its library differ in upper and lower case."""
        return self.type.lower()

    def normalised(self, job_id: str) -> JobEvent:
        """As every provider's event is handed on, under an id made of what it says."""
        said = "\n".join((self.created_at, self.type, str(self.step), self.message))
        return JobEvent(
            id=f"{job_id}/{hashlib.sha256(said.encode()).hexdigest()[:16]}",
            created_at=epoch(self.created_at),
            level=LEVELS.get((self.level or "").lower().removeprefix("legacy_i"), "info"),
            message=shown(self.message or self.kind),
        )


class Progress(BaseModel):
    """How long a job will take yet, where Together can tell."""

    estimate_available: bool = False
    seconds_remaining: float = 0.0


class TogetherJob(WireRecord):
    """A fine-tuning job; a listing shows less of it."""

    status: str | None = None
    model: str | None = None
    training_file: str | None = None
    suffix: str | None = None
    created_at: str = ""
    model_output_name: Id | None = None
    model_object_id: Id | None = None
    adapter_object_id: Id | None = None
    token_count: int | None = None
    total_price: float | None = None
    progress: Progress | None = None

    @property
    def weights(self) -> list[str]:
        """Ids in the model registry, what is best deployed first."""
        return [found for found in (self.model_object_id, self.adapter_object_id) if found]

    def is_of(self, intent: str, training_file: str) -> bool:
        """Whether it carries the intent's mark or, where it carries none, trains on the file.

        The file alone does not tell: Together holds equal bytes once, so two purchases may share one.
        """
        marks = _MARK.findall(f"{self.suffix} {self.model_output_name}")
        return mark_of(intent) in marks if marks else bool(training_file) and self.training_file == training_file

    def normalised(self, now: float) -> Job:
        """As every provider's job is handed on. Why it failed, only its events tell."""
        state = STATES.get(self.status or "", "unknown")
        known = self.progress is not None and self.progress.estimate_available and state == "running"
        return Job(
            id=self.id,
            state=state,
            raw_state=shown(self.status or "none", 40),
            base_model=self.model or "",
            training_file=self.training_file or "",
            created_at=epoch(self.created_at),
            model=self.model_output_name if state == "succeeded" else None,
            trained_tokens=self.token_count or None,  # 0 until it is counted
            cost=self.total_price * NANO_USD if self.total_price else None,
            estimated_finish=now + self.progress.seconds_remaining if known and self.progress else None,
            error_code=self.status if state == "failed" else None,
        )


class Metrics(BaseModel):
    """A job's figures, one row a training or evaluation step."""

    metrics: list[dict[str, float | None]] | None = None

    def events(self, job_id: str, now: float) -> Sequence[JobEvent]:
        """Each row as an event whose metrics hold `step`, train_loss or valid_loss, and the like."""
        return [_figures(row, job_id, now) for row in self.metrics or []]


class Estimate(BaseModel):
    """What Together says a job will cost, in USD."""

    model_config = ConfigDict(strict=True)

    estimation_available: bool
    unavailable_reason: str = ""
    estimated_total_price: float | None = None
    allowed_to_proceed: bool | None = None


class Limits(BaseModel):
    """Within what a base model may be tuned; there are none for one that may not."""

    max_num_epochs: int
    max_seq_length_sft: int


def epoch(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time, taken as UTC where it names no zone; 0.0 for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _figures(row: dict[str, float | None], job_id: str, now: float) -> JobEvent:
    finite = {name: value for name, value in row.items() if value is not None and math.isfinite(value)}
    step = next((value for name, value in finite.items() if name.endswith("global_step")), 0.0)
    metrics = {
        FIGURES.get(name, name.replace("/", "_")): value
        for name, value in finite.items()
        if not name.rpartition("/")[2].endswith(_COUNTERS)
    }
    kinds = "+".join(sorted({name.partition("/")[0] for name in row}))
    return JobEvent(
        id=f"{job_id}/{kinds}/{step:g}",
        created_at=next((value for name, value in finite.items() if name.endswith("timestamp")), now),
        level="info",
        message=f"step {step:g}",
        metrics={"step": step, **metrics},
    )
