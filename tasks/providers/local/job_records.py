"""What a fine-tuning job is: the request that asks for it, the record that is kept, its events."""

from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, model_validator

from tasks.providers.local.errors import Body
from tasks.providers.local.fault_kinds import JobError, JobFate
from tasks.providers.local.methods import AUTO, Hyperparameters, Method, Supervised
from tasks.providers.local.pages import Public
from tasks.providers.local.store import Record, new_id

JobStatus = Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
ALIVE: tuple[JobStatus, ...] = ("validating_files", "queued", "running")
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class JobRequest(Body):
    """Body of POST /fine_tuning/jobs."""

    model: str
    training_file: str
    validation_file: str | None = None
    suffix: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    seed: int | None = Field(None, ge=0, le=2_147_483_647)
    metadata: Metadata | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    integrations: None = None

    def wanted(self) -> Method:
        """`method`, or what the deprecated place says."""
        return self.method or Method(supervised=Supervised(hyperparameters=self.hyperparameters))


class Job(Record):
    """A job as it is stored. `entered_at` is when its present status began."""

    created_at: float
    entered_at: float
    status: JobStatus
    model: str
    organization: str
    training_file: str
    validation_file: str | None
    suffix: str
    seed: int
    metadata: dict[str, str] | None
    method: Method
    fate: JobFate = JobFate(kind="job")
    tokens: int | None = None  # of one epoch, once validated
    attempt: int = 0
    estimated_finish: int | None = None
    finished_at: float | None = None
    error: JobError | None = None
    fine_tuned_model: str | None = None
    result_files: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _has_a_method(cls, kept: dict[str, Any]) -> dict[str, Any]:
        """A job that was kept before there were methods was a supervised one."""
        if "method" in kept:
            return kept
        return kept | {"method": {"type": "supervised", "supervised": {"hyperparameters": kept["hyperparameters"]}}}

    @property
    def tuned_name(self) -> str:
        """Name of the model it makes."""
        return f"ft:{self.model}:{self.organization}:{self.suffix}:{self.short_id}"

    @property
    def short_id(self) -> str:
        """Last part of that name; the same each time the job is finished after a kill."""
        return self.id[-8:]

    @property
    def trained_tokens(self) -> int | None:
        """Billable tokens: those of the file, once an epoch."""
        epochs = self.method.hyperparameters.n_epochs
        return self.tokens * epochs if self.status == "succeeded" and self.tokens and epochs != AUTO else None

    def public(self, now: float) -> Public:
        """As the wire shows it."""
        shown = self.model_dump(
            include={"id", "status", "model", "training_file", "validation_file", "seed", "metadata"}
            | {"estimated_finish", "error"}
        )
        return shown | {
            "object": "fine_tuning.job",
            "created_at": int(self.created_at),
            "finished_at": self.finished_at and int(self.finished_at),
            "organization_id": self.organization,
            "trained_tokens": self.trained_tokens,
            "integrations": [],
            "hyperparameters": self.method.hyperparameters.model_dump(include=set(Hyperparameters.model_fields)),
            "method": self.method.public(),
            "fine_tuned_model": self.fine_tuned_model if self._since_end(now) >= self.fate.model_unnamed_s else None,
            "result_files": self.result_files if self._since_end(now) >= self.fate.results_late_s else [],
        }

    def _since_end(self, now: float) -> float:
        return now - (self.finished_at or now)


class Events:
    """A job's history, appended line by line; a line that a kill cut short is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        self._events: list[Public] = [orjson.loads(line) for line in whole.splitlines()]
        if path.exists():
            path.write_bytes(whole + b"\n" if whole else b"")

    def add(self, now: float, message: str, level: str = "info", data: dict[str, Any] | None = None) -> None:
        """Append; with `data` holding a `step` it is a metrics event."""
        event = {
            "object": "fine_tuning.job.event",
            "id": new_id("ftevent-"),
            "created_at": int(now),
            "level": level,
            "message": message,
            "type": "metrics" if data and "step" in data else "message",
            "data": data or {},
        }
        with self._path.open("ab") as file:
            file.write(orjson.dumps(event) + b"\n")
        self._events.append(event)

    def newest_first(self) -> list[Public]:
        """All of them."""
        return self._events[::-1]

    def metrics(self) -> list[Public]:
        """The data of each step, in order."""
        return [event["data"] for event in self._events if event["type"] == "metrics"]
