"""What every provider offers, whatever it calls it. Only this folder knows a vendor's SDK.

Errors: `ProviderRefusedError` (a definite no), `CredentialsError`, `ProviderUnavailableError` (safe to ask again),
and, from `create_job` and `upload` only, `AmbiguousAnswerError` (it may have been accepted: look first).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # pydantic, which an engine process does without
    from data_contracts.money import Job, JobEvent, Price


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do. What it cannot is refused before anything is sent."""

    methods: frozenset[str] = frozenset({"supervised"})  # of supervised, dpo, reinforcement
    hyperparameters: frozenset[str] = frozenset()  # known besides n_epochs, batch_size, learning_rate_multiplier, beta
    open_hyperparameters: bool = False  # those of other names are handed on as they are: what trains is the user's own
    lists_bases: bool = True  # the listing of models names the base models, too
    metadata: bool = True  # a job carries its intent; without, it is found by its training file or its name
    deploys: bool = False  # a tuned model answers only where it is deployed
    deletes_files: bool = True
    deletes_models: bool = True
    min_examples: int = 10
    max_file_bytes: int = 512_000_000
    max_suffix: int = 64
    streams: bool = True  # answers can come piece by piece
    batches: bool = False  # many requests can be handed in as one file: `tasks/providers/batches.py`


@dataclass(frozen=True)
class ModelInfo:
    """A model as the provider lists it. Dates are YYYY-MM-DD; None: the provider does not say."""

    id: str
    created: int
    owned_by: str
    shutdown_date: str | None = None  # from this day on it no longer answers
    tunable: bool | None = None
    training_until: str | None = None  # from this day on it takes no new jobs


@dataclass(frozen=True)
class TrainingAccess:
    """Whether this account may start a job on a base model today, as far as that can be known without starting one."""

    open: bool | None  # None: only a job would tell
    reason: str  # one sentence, with its source and date where it comes from a table


@dataclass(frozen=True)
class JobRequest:
    """What is bought. None leaves a hyperparameter to the provider; `metadata["intent"]` names the purchase."""

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
    beta: float | None = None
    grader: Mapping[str, Any] | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)  # further ones, checked against Capabilities


@dataclass(frozen=True)
class Serving:
    """How far a tuned model is from answering, and the name that a request asks for."""

    state: Literal["ready", "starting", "failed"]
    model: str
    reason: str = ""


@dataclass(frozen=True)
class RawAnswer:
    """An answer in the shape of OpenAI's chat completions. `status` 0: none came, and `error` names why."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    error: str = ""


class AnswerTransport(Protocol):
    """How a provider is asked that does not speak the wire. Whatever the network does is a RawAnswer, never raised."""

    async def ask(self, body: bytes) -> RawAnswer:
        """Send one request, a chat completions body of OpenAI's, once."""


@dataclass(frozen=True)
class AnswerEndpoint:
    """Where completions are asked for, by one HTTP session. `headers` carries the key: never log it."""

    url: str
    headers: dict[str, str] = field(repr=False)
    timeout_s: float
    max_concurrency: int
    transport: AnswerTransport | None = field(default=None, repr=False)  # None: HTTP to `url`
    allow_private_address: bool = False  # whether `url` may lead into a private network
    stream: bool = False  # let answers come piece by piece, to time the first of them


class Provider(Protocol):
    """Files, jobs, models, answers, prices."""

    name: str
    base_url: str
    account: str
    capabilities: Capabilities

    def models(self) -> Sequence[ModelInfo]:
        """Every model this account may use."""

    def training_access(self, base_model: str) -> TrainingAccess:
        """Whether a job may be started on it. Nothing is bought to find out."""

    def find_file(self, name: str, content: bytes) -> str | None:
        """Id of an uploaded training file of that name and content, as far as the provider lets one tell."""

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry, in the form that this provider trains on; the file's id."""

    def has_file(self, file_id: str) -> bool:
        """Whether the provider still holds it."""

    def quote(self, request: JobRequest) -> float | None:
        """USD that the provider itself says this job will cost; None where it does not say."""

    def create_job(self, request: JobRequest) -> "Job":
        """Ask once: no retry, no redirect, strict parsing."""

    def find_jobs(self, intent: str, training_file: str) -> "Sequence[Job]":
        """Jobs that carry the intent in their metadata or train on that file, checked on our side, oldest first."""

    def job(self, job_id: str) -> "Job":
        """Its present state."""

    def events(self, job_id: str) -> "Sequence[JobEvent]":
        """Its history, oldest first, each event once."""

    def cancel(self, job_id: str) -> "Job":
        """Ask it to stop; a job that has ended stays as it is."""

    def serve(self, model: str) -> Serving:
        """Start deploying a tuned model, or look how far that is: safe to call again and again."""

    def withdraw(self, model: str) -> None:
        """Take its deployment down; one that is gone already is fine. Without deployments: nothing."""

    def has_model(self, model: str) -> bool:
        """Whether the provider still holds the tuned model."""

    def delete_file(self, file_id: str) -> None:
        """Delete; a file that is gone already is fine."""

    def delete_model(self, model: str) -> None:
        """Delete; a model that is gone already is fine."""

    def price(self, model: str, tuned: bool) -> "Price":
        """Price per million tokens; unknown parts are None."""

    def answer_endpoint(self) -> AnswerEndpoint:
        """Where and how answers are asked for."""
