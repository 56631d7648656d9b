"""What every provider offers, whatever it calls it. Only this folder knows a vendor's SDK.

Errors: `ProviderRefusedError` (a definite no), `CredentialsError`, `ProviderUnavailableError` (safe to ask again),
and, from `create_job` and `upload` only, `AmbiguousAnswerError` (it may have been accepted: look first).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from data_contracts.money import Job, JobEvent, Price


@dataclass(frozen=True)
class ModelInfo:
    """A model as the provider lists it."""

    id: str
    created: int
    owned_by: str
    shutdown_date: str | None = None  # YYYY-MM-DD


@dataclass(frozen=True)
class JobRequest:
    """What is bought. None leaves a hyperparameter to the provider."""

    base_model: str
    training_file: str
    validation_file: str | None
    method: str
    n_epochs: int | None
    batch_size: int | None
    learning_rate_multiplier: float | None
    seed: int
    suffix: str | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class AnswerEndpoint:
    """Where completions are asked for, by one HTTP session. `headers` carries the key: never log it."""

    url: str
    headers: dict[str, str] = field(repr=False)
    timeout_s: float
    max_concurrency: int


class Provider(Protocol):
    """Files, jobs, models, answers, prices."""

    name: str
    base_url: str
    account: str

    def models(self) -> Sequence[ModelInfo]:
        """Every model this account may use."""

    def find_file(self, name: str, size: int) -> str | None:
        """Id of an uploaded training file of that name and size in bytes."""

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry; the file's id."""

    def create_job(self, request: JobRequest) -> Job:
        """Ask once: no retry, no redirect, strict parsing."""

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        """Jobs that carry the intent in their metadata or train on that file, checked on our side, oldest first."""

    def job(self, job_id: str) -> Job:
        """Its present state."""

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """Its history, oldest first, each event once."""

    def cancel(self, job_id: str) -> Job:
        """Ask it to stop; a job that has ended stays as it is."""

    def delete_file(self, file_id: str) -> None:
        """Delete; a file that is gone already is fine."""

    def delete_model(self, model: str) -> None:
        """Delete; a model that is gone already is fine."""

    def price(self, model: str, tuned: bool) -> Price:
        """Price per million tokens; unknown parts are None."""

    def answer_endpoint(self) -> AnswerEndpoint:
        """Where and how answers are asked for."""
