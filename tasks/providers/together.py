"""Together AI, through its library: adapters and full tunes of open models, supervised and DPO.

Together keeps no metadata with a job: the purchase stands as a mark in the job's suffix.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from data_contracts.money import Job, JobEvent, Price, usd
from data_contracts.provider import ProviderSettings
from data_contracts.provider import Together as ServingSettings
from tasks.clock import Clock, SystemClock
from tasks.errors import (
    ConfigurationError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers import prices
from tasks.providers.asking import gone_or_error
from tasks.providers.base_url import checked
from tasks.providers.connect import NO_KEY, key_of
from tasks.providers.failure import RESUME
from tasks.providers.protocol import (
    AnswerEndpoint,
    Capabilities,
    JobRequest,
    ModelInfo,
    Provider,
    Serving,
    TrainingAccess,
)
from tasks.providers.together_calls import Calls, as_, http_client, library, raw
from tasks.providers.together_job import HYPERPARAMETERS, MAX_SUFFIX, METHODS, job_body, price_body
from tasks.providers.together_models import Models
from tasks.providers.together_records import Estimate, Limits, Listing, Metrics, TogetherEvent, TogetherJob
from tasks.providers.together_serving import Dedicated, Hosting, Serverless
from tasks.providers.together_upload import Files

BASE_URL = "https://api.together.ai/v1"
PRICED_AT = "https://api.together.xyz/v1"  # the older name of the same API, by which genai-prices knows it
REASONS = ("job_error", "job_user_error", "billing_limit")  # events that say why a job failed


def connect_together(settings: ProviderSettings) -> Provider:
    """The account, not yet asked anything. Raises ConfigurationError where the library is missing."""
    try:
        import together  # noqa: F401 - an extra
    except ImportError:
        remedy = 'Run `pip install "tunegate[together]"`.'
        raise ConfigurationError("provider.name: together", "needs Together's library", remedy) from None
    address = checked(settings.base_url or BASE_URL, "provider.base_url", settings.allow_private_address)
    return Together(settings, f"{address.removesuffix('/v1')}/v1", key_of(settings, "TOGETHER_API_KEY"))


class Together:
    """Files, jobs and models of one account."""

    name = "together"

    def __init__(self, settings: ProviderSettings, base_url: str, api_key: str, clock: Clock | None = None) -> None:
        self._settings, self._clock = settings, clock or SystemClock()
        self._calls = Calls(self._clock)
        http = http_client(base_url, settings.allow_private_address)
        self._library = library(http, base_url, api_key, settings.request_timeout_s)
        self._files = Files(self._calls, self._library, http, settings.allow_private_address)
        self._models = Models(self._calls, self._library, settings.project)
        self._hosting = self._hosted(settings.together or ServingSettings())
        self.base_url = base_url
        self.account = settings.project or "default"
        self.capabilities = Capabilities(
            methods=frozenset(METHODS),
            hyperparameters=HYPERPARAMETERS,
            metadata=False,
            deploys=isinstance(self._hosting, Dedicated),
            min_examples=1,
            max_file_bytes=5 * 2**30,  # what its library sends in one piece
            max_suffix=MAX_SUFFIX,
        )

    def models(self) -> Sequence[ModelInfo]:
        """The models on offer, then the account's own."""
        return self._models.infos()

    def training_access(self, base_model: str) -> TrainingAccess:
        """Whether Together states limits for tuning it. Whether the credit suffices, a quote tells."""
        send = raw(self._library.fine_tuning.with_raw_response.model_limits, model_name=base_model)
        try:
            limits = self._calls.read("asking what may be tuned", send, as_(Limits))
        except ProviderRefusedError as error:
            return TrainingAccess(False, f"Together states no limits for tuning it: {error.message}")
        return TrainingAccess(True, f"Together tunes it, in up to {limits.max_num_epochs} epochs")

    def find_file(self, name: str, content: bytes) -> str | None:
        """Id of an uploaded training file of that name and size, once Together has checked it."""
        return self._files.find(name, content)

    def upload(self, name: str, content: bytes) -> str:
        """Upload once; the id of the file once Together has checked it, an older one's where the bytes are the same."""
        return self._files.upload(name, content)

    def has_file(self, file_id: str) -> bool:
        """Whether Together still holds it."""
        return self._files.is_there(file_id)

    def quote(self, request: JobRequest) -> float | None:
        """Together's own estimate, in USD. Raises CredentialsError where the account's credit does not cover it."""
        call = "asking what the job costs"
        send = raw(self._library.fine_tuning.with_raw_response.estimate_price, **price_body(request))
        quoted = self._calls.read(call, send, as_(Estimate))
        if quoted.unavailable_reason.endswith("file_invalid"):
            remedy = "Mend the training data."
            raise ProviderRefusedError(call, quoted.unavailable_reason, "the file was found unfit", remedy)
        if quoted.unavailable_reason.endswith("file_not_validated"):
            raise ProviderUnavailableError(call, quoted.unavailable_reason, f"Wait for the file's check. {RESUME}")
        if quoted.allowed_to_proceed is False:
            cause = f"it costs {usd(quoted.estimated_total_price)}, more than the account's credit"
            raise CredentialsError(call, cause, f"Add credit at Together. {RESUME}")
        return quoted.estimated_total_price

    def create_job(self, request: JobRequest) -> Job:
        """Ask once: no retry, no redirect, and an answer about another file counts as none.

        Not by the library's own method, which asks twice more before and fills in a price list of defaults.
        """
        from httpx import Response

        send = partial(self._library.post, "/v1/fine-tunes", cast_to=Response, body=job_body(request))
        parse = as_(TogetherJob, training_file=request.training_file)
        return self._calls.once("creating a fine-tuning job", send, parse).normalised(self._clock.now())

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        """Jobs that carry the intent's mark or, carrying none, train on that file; oldest first."""
        found = [job for job in self._models.jobs() if job.is_of(intent, training_file)]
        jobs = [job.normalised(self._clock.now()) for job in found]
        return sorted(jobs, key=lambda job: job.created_at)

    def job(self, job_id: str) -> Job:
        """Its present state; of a failed one the reason, which only its events hold."""
        job = self._models.job(job_id).normalised(self._clock.now())
        if job.state == "failed":
            with suppress(TunegateError):
                told = [event for event in self._history(job_id) if event.kind in REASONS]
                return job.model_copy(update={"error_message": told[-1].normalised(job_id).message}) if told else job
        return job

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """Its history and its figures, each event once, oldest first as far as they are dated."""
        send = raw(self._library.fine_tuning.with_raw_response.list_metrics, job_id)
        figures: Sequence[JobEvent] = []
        with suppress(LookupError):
            metrics = self._calls.read("reading the job's metrics", send, as_(Metrics), gone_or_error)
            figures = metrics.events(job_id, self._clock.now())
        events = [*(event.normalised(job_id) for event in self._history(job_id)), *figures]
        return sorted({event.id: event for event in events}.values(), key=lambda event: event.created_at)

    def cancel(self, job_id: str) -> Job:
        """Ask it to stop; a job that has ended stays as it is."""
        send = raw(self._library.fine_tuning.with_raw_response.cancel, job_id)
        try:
            told = self._calls.read("cancelling the fine-tuning job", send, as_(TogetherJob, id=job_id))
        except ProviderRefusedError:
            job = self.job(job_id)
            if not job.has_ended:
                raise
            return job
        return told.normalised(self._clock.now())

    def serve(self, model: str) -> Serving:
        """Start deploying a tuned model, or look how far that is: safe to call again and again."""
        return self._hosting.serve(model)

    def withdraw(self, model: str) -> None:
        """Take its deployment down; one that is gone already is fine."""
        self._hosting.withdraw(model)

    def has_model(self, model: str) -> bool:
        """Whether Together still holds the tuned model."""
        return self._models.has(model)

    def delete_file(self, file_id: str) -> None:
        """Delete; a file that is gone already is fine."""
        self._files.delete(file_id)

    def delete_model(self, model: str) -> None:
        """Delete its weights and its job, which holds the checkpoints; a model that is gone already is fine."""
        self._models.delete(model)

    def price(self, model: str, tuned: bool) -> Price:
        """Price per million tokens; on hardware of its own a tuned model costs by the hour instead."""
        address = self.base_url.replace(BASE_URL, PRICED_AT)
        listed = prices.price(model, tuned, address, self._settings.prices)
        if not (tuned and self.capabilities.deploys):
            return listed.model_copy(update={"hosting": 0.0})
        asks = listed.hosting is None and self._library.api_key != NO_KEY  # without a key nothing is asked
        hosting = self._hosting.hourly() if asks else listed.hosting
        return listed.model_copy(update={"input": 0.0, "output": 0.0, "hosting": hosting})

    def answer_endpoint(self) -> AnswerEndpoint:
        """Where and how answers are asked for."""
        return AnswerEndpoint(
            url=f"{self.base_url}/chat/completions",
            headers=self._library.auth_headers,
            timeout_s=self._settings.request_timeout_s,
            max_concurrency=self._settings.max_concurrency,
            allow_private_address=self._settings.allow_private_address,
            stream=self._settings.stream,
        )

    def _hosted(self, settings: ServingSettings) -> Hosting:
        if settings.serving == "serverless":
            return Serverless(self._calls, self._library)
        return Dedicated(self._calls, self._library, self._models, settings.hardware)

    def _history(self, job_id: str) -> list[TogetherEvent]:
        send = raw(self._library.fine_tuning.with_raw_response.list_events, job_id)
        return self._calls.read("reading the job's events", send, as_(Listing[TogetherEvent])).data
