"""The wire's objects as far as they are used. Ids are strict; what other servers leave out or add is let through."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from data_contracts.money import Job, JobEvent
from tasks.providers.redact import shown

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@-]+$", max_length=256)]
State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled", "unknown"]
STATES: dict[str, State] = {  # OpenAI's; a dialect may have more
    "validating_files": "queued",
    "pending": "queued",
    "queued": "queued",
    "running": "running",
    "pausing": "running",
    "paused": "paused",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}


class WireRecord(BaseModel):
    """An object with an id."""

    model_config = ConfigDict(strict=True, frozen=True)

    id: Id


RecordT = TypeVar("RecordT", bound=WireRecord)


class WirePage(BaseModel, Generic[RecordT]):
    """One page of a listing."""

    data: list[RecordT]
    has_more: bool = False


class WireFile(WireRecord):
    """An uploaded file."""

    filename: str | None = None
    bytes: int | None = None
    purpose: str | None = None
    status: str | None = None
    status_details: str | None = None

    def is_usable(self, name: str, size: int) -> bool:
        """Whether it is the training file of that name and size, and not one that the provider rejected."""
        named = (self.filename, self.bytes, self.purpose) == (name, size, "fine-tune")
        return named and self.status not in BAD_FILE


BAD_FILE = ("error", "failed", "deleted")
GOOD_FILE = ("processed", "succeeded", None)  # others import it still


class WireUpload(WireRecord):
    """A file that comes in parts."""

    status: str | None = None
    file: WireFile | None = None


class WireCheckpoint(WireRecord):
    """A checkpoint of a job."""

    step_number: int = 0
    result_files: list[Id] | None = None


class WireDeleted(WireRecord):
    """The receipt for a deletion."""

    deleted: Literal[True]


class WireModel(WireRecord):
    """A model."""

    created: int | None = None
    owned_by: str | None = None
    shutdown_date: str | None = None
    model_name: str | None = None  # Crusoe: what completions call it
    training_until: str | None = None
    tunable: bool | None = Field(None, validation_alias=AliasChoices("fine_tuning_available", "tunable"))


class WireError(BaseModel):
    """Why a job failed; some servers send one full of nulls with a healthy job."""

    code: str | None = None
    message: str | None = None


class WireJob(WireRecord):
    """A fine-tuning job."""

    status: str | None = None
    model: str | None = None
    training_file: str | None = None
    created_at: float = 0.0
    fine_tuned_model: Id | None = None
    trained_tokens: int | None = None
    estimated_finish: float | None = None
    error: WireError | None = None
    metadata: dict[str, str] | None = None

    def is_of(self, intent: str, training_file: str) -> bool:
        """Whether it carries the intent or trains on the file."""
        carries = (self.metadata or {}).get("intent") == intent
        return carries or (bool(training_file) and self.training_file == training_file)

    def normalised(self, dialect_states: Mapping[str, State] | None = None) -> Job:
        """As every provider's job is handed on. A state that is not known is `unknown`, never an end."""
        error = self.error or WireError()
        status = (self.status or "").lower()
        return Job(
            id=self.id,
            state=(dialect_states or {}).get(status) or STATES.get(status, "unknown"),
            raw_state=shown(self.status or "none", 40),
            base_model=self.model or "",
            training_file=self.training_file or "",
            created_at=self.created_at,
            model=self.fine_tuned_model,
            trained_tokens=self.trained_tokens,
            estimated_finish=self.estimated_finish,
            error_code=shown(error.code, 80) if error.code else None,
            error_message=shown(error.message) if error.message else None,
            metadata=self.metadata or {},
        )


class WireEvent(WireRecord):
    """One line of a job's history."""

    created_at: float = 0.0
    level: str = "info"
    message: str = ""
    type: str | None = None
    data: Any = None

    def normalised(self) -> JobEvent:
        """As every provider's event is handed on; only finite numbers are metrics."""
        return JobEvent(
            id=self.id,
            created_at=self.created_at,
            level=shown(self.level, 10),
            message=shown(self.message),
            metrics=_figures(self.data) if self.type == "metrics" and isinstance(self.data, dict) else {},
        )


def _figures(data: dict[Any, Any]) -> dict[str, float]:
    numbers = {str(name): value for name, value in data.items() if type(value) in (int, float)}  # a bool is no figure
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
