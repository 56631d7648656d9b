"""Any endpoint that speaks OpenAI's files, fine-tuning jobs and models, through the openai SDK.

The SDK sends; what it would retry, follow or parse by itself is switched off, because its own retries pay for a job
up to three times, and its parsing lets a wrong object pass.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from httpx2 import Limits
from openai import APIConnectionError, APIStatusError, DefaultHttpxClient, OpenAI, omit
from pydantic import BaseModel
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from data_contracts import use_case
from data_contracts.money import Job, JobEvent, Price
from tasks.clock import Clock, SystemClock
from tasks.errors import ProviderRefusedError, ProviderUnavailableError
from tasks.providers import prices
from tasks.providers.base_url import is_loopback
from tasks.providers.failure import Failure, paid_error, read_error
from tasks.providers.protocol import AnswerEndpoint, JobRequest, ModelInfo
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
READ_ATTEMPTS = 6
READ_PATIENCE_S = 120.0  # a longer Retry-After is handed to the caller, who waits by its own clock
ENDED = ("succeeded", "failed", "cancelled")
NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}  # of the HTTP library: no connection, so nothing arrived
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


class Answered(Protocol):
    """A raw answer of the SDK."""

    @property
    def content(self) -> bytes:
        """Its body."""


class OpenAIWire:
    """Files, jobs and models of one account behind one base URL."""

    def __init__(self, settings: use_case.Provider, base_url: str, api_key: str, clock: Clock | None = None) -> None:
        self._settings, self._clock = settings, clock or SystemClock()
        self._client = _client(settings, base_url, api_key)
        self.name: str = settings.name
        self.base_url = base_url
        self.account = self._client.project or self._client.organization or "default"

    def models(self) -> Sequence[ModelInfo]:
        """Every model this account may use."""
        page = self._read("listing models", self._client.models.with_raw_response.list, _as(WirePage[WireModel]))
        return [
            ModelInfo(found.id, found.created or 0, found.owned_by or "", found.shutdown_date) for found in page.data
        ]

    def find_file(self, name: str, size: int) -> str | None:
        """Id of an uploaded training file of that name and size in bytes."""
        send = partial(self._client.files.with_raw_response.list, purpose="fine-tune")
        files, _ = self._listing("listing files", send, WirePage[WireFile])
        return next((file.id for file in files if file.is_usable(name, size)), None)

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry; the file's id."""
        send = partial(self._client.files.with_raw_response.create, file=(name, content), purpose="fine-tune")
        return self._ask("uploading a training file", send, _as(WireFile, bytes=len(content)), paid_error).id

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

    def _delete(self, call: str, send: Callable[[], Answered]) -> None:
        with suppress(LookupError):
            self._retrying(lambda: self._ask(call, send, _as(WireDeleted), _gone_or_error))

    def _read(self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], T]) -> T:
        """Ask for what may be asked for again, with patience."""
        return self._retrying(lambda: self._ask(call, send, parse, read_error))

    @property
    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(ProviderUnavailableError),
            wait=_pause,
            stop=_is_hopeless,
            sleep=self._clock.sleep,
            reraise=True,
        )

    def _ask(
        self,
        call: str,
        send: Callable[[], Answered],
        parse: Callable[[bytes], T],
        error_of: Callable[[str, Failure], Exception],
    ) -> T:
        """One request. The error is raised outside the handler, so that none drags a request or a body along."""
        try:
            return parse(send().content)
        except APIStatusError as error:
            failure = Failure.of_answer(error.status_code, error.response.headers, error.response.content)
        except APIConnectionError as error:
            cause = type(error.__cause__ or error).__name__
            failure = Failure(0, code=cause, sent=cause not in NEVER_SENT)
        except ValueError:
            failure = Failure(200, code="unreadable_answer")
        raise error_of(call, failure)


def _client(settings: use_case.Provider, base_url: str, api_key: str) -> OpenAI:
    http_client = DefaultHttpxClient(
        follow_redirects=False,  # a redirect would carry the training file to another host
        trust_env=not is_loopback(base_url),
        limits=Limits(max_keepalive_connections=0),  # a kept connection that just closed looks like a lost paid request
    )
    return OpenAI(
        api_key=api_key,
        base_url=base_url,  # given, so that OPENAI_BASE_URL cannot send the data elsewhere
        project=settings.project,
        timeout=settings.request_timeout_s,
        max_retries=0,
        http_client=http_client,
    )


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


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderUnavailableError) else None
    return max(asked or 0.0, BACKOFF(state))


def _is_hopeless(state: RetryCallState) -> bool:
    return state.attempt_number >= READ_ATTEMPTS or state.idle_for + state.upcoming_sleep > READ_PATIENCE_S
