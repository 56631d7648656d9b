"""Any endpoint that speaks OpenAI's files, fine-tuning jobs and models, through the openai SDK."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from openai import omit
from pydantic import BaseModel

from data_contracts.money import Job, JobEvent, Price
from data_contracts.provider import ProviderSettings
from tasks.clock import Clock, SystemClock
from tasks.errors import ProviderRefusedError, ProviderUnavailableError
from tasks.providers import prices
from tasks.providers.asking import Answered, ask, client, retrying
from tasks.providers.failure import Failure, paid_error, read_error
from tasks.providers.protocol import (
    AnswerEndpoint,
    Capabilities,
    JobRequest,
    ModelInfo,
    Serving,
    TrainingAccess,
)
from tasks.providers.wire_records import (
    RecordT,
    WireDeleted,
    WireEvent,
    WireFile,
    WireJob,
    WireModel,
    WirePage,
)

PAGE = 100
MAX_PAGES = 100
ENDED = ("succeeded", "failed", "cancelled")
T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


class OpenAIWire:
    """Files, jobs and models of one account behind one base URL."""

    capabilities = Capabilities()

    def __init__(self, settings: ProviderSettings, base_url: str, api_key: str, clock: Clock | None = None) -> None:
        self._settings, self._clock = settings, clock or SystemClock()
        self._client = client(base_url, api_key, settings.request_timeout_s, settings.project)
        self.name: str = settings.name
        self.base_url = base_url
        self.account = self._client.project or self._client.organization or "default"

    def models(self) -> Sequence[ModelInfo]:
        """Every model this account may use."""
        page = self._read("listing models", self._client.models.with_raw_response.list, _as(WirePage[WireModel]))
        return [
            ModelInfo(found.id, found.created or 0, found.owned_by or "", found.shutdown_date) for found in page.data
        ]

    def training_access(self, base_model: str) -> TrainingAccess:
        """Whether a job may be started on it. Nothing is bought to find out."""
        return TrainingAccess(None, "this endpoint says so only when a job is created")

    def find_file(self, name: str, content: bytes) -> str | None:
        """Id of an uploaded training file of that name and content, as far as name and size tell."""
        send = partial(self._client.files.with_raw_response.list, purpose="fine-tune")
        files, _ = self._listing("listing files", send, WirePage[WireFile])
        return next((file.id for file in files if file.is_usable(name, len(content))), None)

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry; the file's id."""
        send = partial(self._client.files.with_raw_response.create, file=(name, content), purpose="fine-tune")
        return self._ask("uploading a training file", send, _as(WireFile, bytes=len(content)), paid_error).id

    def has_file(self, file_id: str) -> bool:
        """Whether the provider still holds it."""
        send = partial(self._client.files.with_raw_response.retrieve, file_id)
        return self._is_there("looking for a file", send, _as(WireFile, id=file_id))

    def quote(self, request: JobRequest) -> float | None:
        """Nothing: the wire has no call for it."""
        return None

    def create_job(self, request: JobRequest) -> Job:
        """Ask once: no retry, no redirect, and an answer about another file counts as none."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.create, **_job_body(request))
        parse = _as(WireJob, training_file=request.training_file)
        return self._ask("creating a fine-tuning job", send, parse, paid_error).normalised()

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        """Jobs that carry the intent in their metadata or train on that file, checked on our side, oldest first.

        A listing that does not come to its end cannot prove that there is none: ProviderUnavailableError.
        """
        every = partial(self._client.fine_tuning.jobs.with_raw_response.list, limit=PAGE)
        found: dict[str, WireJob] = {}
        for send in (every, partial(every, metadata={"intent": intent})):
            jobs, whole = self._listing("listing fine-tuning jobs", send, WirePage[WireJob])
            if not whole:
                raise _endless("listing fine-tuning jobs")
            found |= {job.id: job for job in jobs if job.is_of(intent, training_file)}
        oldest_first = [*found.values()][::-1]  # they came newest first, and two may share a second
        return [job.normalised() for job in sorted(oldest_first, key=lambda job: job.created_at)]

    def job(self, job_id: str) -> Job:
        """Its present state."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.retrieve, job_id)
        return self._read("reading the fine-tuning job", send, _as(WireJob, id=job_id)).normalised()

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """Its history, oldest first, each event once."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.list_events, job_id, limit=PAGE)
        events, _ = self._listing("reading the job's events", send, WirePage[WireEvent])
        events.reverse()  # the newest came first, and several share a second
        return [event.normalised() for event in sorted(events, key=lambda event: event.created_at)]

    def cancel(self, job_id: str) -> Job:
        """Ask it to stop; a job that has ended stays as it is."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.cancel, job_id)
        try:
            return self._read("cancelling the fine-tuning job", send, _as(WireJob, id=job_id)).normalised()
        except ProviderRefusedError:
            job = self.job(job_id)
            if job.state not in ENDED:
                raise
            return job

    def serve(self, model: str) -> Serving:
        """Nothing is deployed: it answers once it is listed."""
        listed = model in {info.id for info in self.models()}
        return Serving("ready", model) if listed else Serving("starting", model, "the provider does not list it")

    def withdraw(self, model: str) -> None:
        """Nothing to take down."""

    def has_model(self, model: str) -> bool:
        """Whether the provider still holds the tuned model."""
        send = partial(self._client.models.with_raw_response.retrieve, model)
        return self._is_there("looking for a model", send, _as(WireModel, id=model))

    def delete_file(self, file_id: str) -> None:
        """Delete; a file that is gone already is fine."""
        self._delete("deleting a file", partial(self._client.files.with_raw_response.delete, file_id))

    def delete_model(self, model: str) -> None:
        """Delete; a model that is gone already is fine."""
        self._delete("deleting a model", partial(self._client.models.with_raw_response.delete, model))

    def price(self, model: str, tuned: bool) -> Price:
        """Price per million tokens; unknown parts are None."""
        return prices.price(model, tuned, self.base_url)

    def answer_endpoint(self) -> AnswerEndpoint:
        """Where and how answers are asked for."""
        client = self._client
        account = {"OpenAI-Organization": client.organization, "OpenAI-Project": client.project}
        return AnswerEndpoint(
            url=f"{str(client.base_url).rstrip('/')}/chat/completions",
            headers={**client.auth_headers, **{name: value for name, value in account.items() if value}},
            timeout_s=self._settings.request_timeout_s,
            max_concurrency=self._settings.max_concurrency,
        )

    def _listing(
        self, call: str, send: Callable[..., Answered], page_of: type[WirePage[RecordT]]
    ) -> tuple[list[RecordT], bool]:
        """Every record once, and whether the listing came to its end."""
        found: dict[str, RecordT] = {}
        after: Any = omit
        for _ in range(MAX_PAGES):
            page = self._read(call, partial(send, after=after), _as(page_of))
            fresh = {record.id: record for record in page.data if record.id not in found}
            found |= fresh
            if not page.has_more or not fresh:
                return list(found.values()), not page.has_more
            after = page.data[-1].id
        return list(found.values()), False

    def _is_there(self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], object]) -> bool:
        try:
            retrying(self._clock)(lambda: self._ask(call, send, parse, _gone_or_error))
        except LookupError:
            return False
        return True

    def _delete(self, call: str, send: Callable[[], Answered]) -> None:
        with suppress(LookupError):
            retrying(self._clock)(lambda: self._ask(call, send, _as(WireDeleted), _gone_or_error))

    def _ask(
        self,
        call: str,
        send: Callable[[], Answered],
        parse: Callable[[bytes], T],
        error_of: Callable[[str, Failure], Exception],
    ) -> T:
        """One request; whoever moves about (the embedded provider) looks for its address before."""
        return ask(call, send, parse, error_of)

    def _read(self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], T]) -> T:
        """Ask for what may be asked for again, with patience."""
        return retrying(self._clock)(lambda: self._ask(call, send, parse, read_error))


def _job_body(request: JobRequest) -> dict[str, Any]:
    names = ("n_epochs", "batch_size", "learning_rate_multiplier")
    given = {name: getattr(request, name) for name in names if getattr(request, name) is not None}
    body = {
        "model": request.base_model,
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "seed": request.seed,
        "suffix": request.suffix,
        "metadata": request.metadata,
        "method": {"type": request.method, request.method: {"hyperparameters": given}},
    }
    return {name: value for name, value in body.items() if value is not None}


def _as(kind: type[ModelT], **expected: object) -> Callable[[bytes], ModelT]:
    """A parser that refuses, as ValueError, an object which contradicts what is expected of it."""

    def parse(content: bytes) -> ModelT:
        parsed = kind.model_validate_json(content)
        if any(getattr(parsed, name) not in (None, value) for name, value in expected.items()):
            raise ValueError("another object than the one asked for")
        return parsed

    return parse


def _gone_or_error(call: str, failure: Failure) -> Exception:
    return LookupError(call) if failure.status == 404 else read_error(call, failure)


def _endless(call: str) -> ProviderUnavailableError:
    remedy = "Look at the provider for the job, then run `tunegate resume RUN --found JOB` or `--absent`."
    return ProviderUnavailableError(call, "the listing does not come to its end", remedy)
