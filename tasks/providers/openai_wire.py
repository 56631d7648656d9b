"""Any endpoint that speaks OpenAI's files, fine-tuning jobs and models, in its dialect, through the openai SDK."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from data_contracts.money import Job, JobEvent, Price
from data_contracts.provider import ProviderSettings
from tasks.clock import Clock, SystemClock
from tasks.errors import ProviderRefusedError, ProviderUnavailableError
from tasks.providers import prices, training_files
from tasks.providers.asking import Address, Caller, as_, client
from tasks.providers.batches import Batches, without_batches
from tasks.providers.dialects import Dialect, dialect_name, dialects
from tasks.providers.failure import paid_error
from tasks.providers.job_body import job_body
from tasks.providers.lifecycle import announced_access, dated
from tasks.providers.protocol import AnswerEndpoint, JobRequest, ModelInfo, Serving, TrainingAccess
from tasks.providers.serving.azure import AzureDeployments
from tasks.providers.serving.crusoe import CrusoeAdapters
from tasks.providers.serving.listed import Listed, Probed, Server
from tasks.providers.serving.nebius import NebiusModels
from tasks.providers.wire_batches import WireBatches
from tasks.providers.wire_records import WireEvent, WireFile, WireJob, WireModel, WirePage

PAGE = 100
OPENAI_HEADERS = ("openai", "compatible", "embedded")  # where OpenAI-Project means something
_PRICE = re.compile(r"price|cost", re.IGNORECASE)


class OpenAIWire:
    """Files, jobs and models of one account behind one base URL. Without a `dialect`, the one of the settings."""

    def __init__(
        self,
        settings: ProviderSettings,
        base_url: str,
        api_key: str,
        clock: Clock | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self._settings, self._clock = settings, clock or SystemClock()
        self._speech = dialect_name(settings)
        self.dialect = dialect or dialects()[self._speech]
        self.capabilities = self.dialect.capabilities
        self.name: str = settings.name
        self.base_url = base_url
        self._at = self._address(base_url, api_key)
        project = settings.project if self._speech in OPENAI_HEADERS else None
        self._client = client(self._at, settings.request_timeout_s, project)
        if self._speech != "openai":  # OPENAI_ORG_ID and OPENAI_PROJECT_ID belong to OpenAI
            self._client.organization, self._client.project = None, project
        self.account = settings.project or self._client.project or self._client.organization or self._resource
        self._caller = Caller(self._client, self._clock, self._look_up)
        self._server = self._serving()

    def models(self) -> Sequence[ModelInfo]:
        """Every model this account may use, with the days that it or its vendor announces."""
        return [dated(_info(found), self._speech) for found in self._listed()]

    def training_access(self, base_model: str) -> TrainingAccess:
        """Whether a job may be started on it, by announcements and by the listing. Nothing is bought to find out."""
        told = announced_access(self._speech, base_model, self._today())
        if told and told.open is False:
            return told
        found = next((model for model in self._listed() if base_model in (model.id, model.model_name)), None)
        if found is None and self.dialect.lists_bases:
            return TrainingAccess(False, f"{self.name} does not offer {base_model} to this account")
        if found and found.tunable is not None:
            says = "can" if found.tunable else "cannot"
            return TrainingAccess(found.tunable, f"{self.name} lists that {base_model} {says} be fine-tuned")
        return told or TrainingAccess(None, f"{self.name} says so only when a job is created")

    def find_file(self, name: str, content: bytes) -> str | None:
        """Id of an uploaded training file of that name and content, as far as name and size tell."""
        size = len(training_files.as_uploaded(content, self.dialect))
        send = partial(self._client.files.with_raw_response.list, purpose="fine-tune")
        files, _ = self._caller.listing("listing files", send, WirePage[WireFile])
        return next((file.id for file in files if file.is_usable(name, size)), None)

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry, in the form that this dialect trains on; the file's id."""
        return training_files.upload(self._caller, self.dialect, name, content)

    def has_file(self, file_id: str) -> bool:
        """Whether the provider still holds it."""
        send = partial(self._client.files.with_raw_response.retrieve, file_id)
        return self._caller.is_there("looking for a file", send, as_(WireFile, id=file_id))

    def quote(self, request: JobRequest) -> float | None:
        """USD that the endpoint itself estimates; None where it has no call for it. Raises ConfigurationError."""
        body = self._body(request)
        if not self.dialect.quotes:
            return None
        send = self._caller.request("POST", "/fine_tuning/jobs/estimate_price", self._resolved(body))
        return self._caller.read("asking for the price of a job", send, as_(_Estimate)).price

    def create_job(self, request: JobRequest) -> Job:
        """Ask once: no retry, no redirect, and an answer about another file counts as none.

        Raises ConfigurationError for what the dialect does not take, and waits first until the files are imported.
        """
        body = self._resolved(self._body(request))
        if self.dialect.waits_for_file:
            for file_id in filter(None, (request.training_file, request.validation_file)):
                training_files.await_import(self._caller, file_id)
        extra = {name: body.pop(name) for name in self.dialect.body}
        send = partial(self._client.fine_tuning.jobs.with_raw_response.create, **body, extra_body=extra or None)
        parse = as_(WireJob, training_file=request.training_file)
        return self._job(self._caller.once("creating a fine-tuning job", send, parse, paid_error))

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        """Jobs that carry the intent in their metadata or train on that file, checked on our side, oldest first.

        Where neither the whole listing nor the one of the intent comes to its end, nothing proves that there is none:
        ProviderUnavailableError.
        """
        every = partial(self._client.fine_tuning.jobs.with_raw_response.list, limit=PAGE)
        filtered = [partial(every, metadata={"intent": intent})] if self.dialect.metadata_filter else []
        found: dict[str, WireJob] = {}
        ended = []
        for send in (every, *filtered):
            jobs, whole = self._caller.listing("listing fine-tuning jobs", send, WirePage[WireJob])
            ended.append(whole)
            found |= {job.id: job for job in jobs if job.is_of(intent, training_file)}
        if not found and not any(ended):
            raise _endless("listing fine-tuning jobs")
        oldest_first = [*found.values()][::-1]  # they came newest first, and two may share a second
        return [self._job(job) for job in sorted(oldest_first, key=lambda job: job.created_at)]

    def job(self, job_id: str) -> Job:
        """Its present state, with the model that it made."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.retrieve, job_id)
        found = self._job(self._caller.read("reading the fine-tuning job", send, as_(WireJob, id=job_id)))
        return found.model_copy(update={"model": self._server.made_by(found)}) if found.state == "succeeded" else found

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """Its history, oldest first, each event once."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.list_events, job_id, limit=PAGE)
        events, _ = self._caller.listing("reading the job's events", send, WirePage[WireEvent])
        if events and events[0].created_at >= events[-1].created_at:
            events.reverse()  # the newest came first, and several share a second
        return [event.normalised() for event in sorted(events, key=lambda event: event.created_at)]

    def cancel(self, job_id: str) -> Job:
        """Ask it to stop; a job that has ended stays as it is."""
        send = partial(self._client.fine_tuning.jobs.with_raw_response.cancel, job_id)
        try:
            return self._job(self._caller.read("cancelling the fine-tuning job", send, as_(WireJob, id=job_id)))
        except ProviderRefusedError:
            job = self.job(job_id)
            if not job.has_ended:
                raise
            return job

    def serve(self, model: str) -> Serving:
        """Start deploying a tuned model, or look how far that is: safe to call again and again."""
        return self._server.serve(model)

    def withdraw(self, model: str) -> None:
        """Take its deployment down; one that is gone already is fine. Without deployments: nothing."""
        self._server.withdraw(model)

    def has_model(self, model: str) -> bool:
        """Whether the provider still holds the tuned model."""
        return self._server.has_model(model)

    def delete_file(self, file_id: str) -> None:
        """Delete; a file that is gone already is fine."""
        self._caller.delete("deleting a file", partial(self._client.files.with_raw_response.delete, file_id))

    def delete_model(self, model: str) -> None:
        """Delete; a model that is gone already is fine. ProviderRefusedError where only a person can."""
        if not self.dialect.deletes_models:
            remedy = "Delete it in the provider's portal; its deployment and its files are deleted from here."
            raise ProviderRefusedError("deleting a model", "not_offered", "its API has no call for it", remedy)
        self._server.delete_model(model)

    def price(self, model: str, tuned: bool) -> Price:
        """Price per million tokens; unknown parts are None."""
        return prices.price(model, tuned, self.base_url, self._settings.prices)

    def answer_endpoint(self) -> AnswerEndpoint:
        """Where and how answers are asked for."""
        self._look_up()
        account = {"OpenAI-Organization": self._client.organization, "OpenAI-Project": self._client.project}
        return AnswerEndpoint(
            url=f"{self._elsewhere(self.dialect.answers_at)}/chat/completions",
            headers={**self._at.headers, **{name: value for name, value in account.items() if value}},
            timeout_s=self._settings.request_timeout_s,
            max_concurrency=self._settings.max_concurrency,
            allow_private_address=self._settings.allow_private_address,
            stream=self._settings.stream,
        )

    def batches(self) -> Batches:
        """Requests by the file. Raises ConfigurationError where the dialect knows no such call."""
        if self.dialect.batches is None:
            raise without_batches(self.name)
        return WireBatches(self._caller, self._clock, self.dialect.batches)

    def _look_up(self) -> None:
        """Before each call; whoever moves about (the embedded provider) looks for its address here."""

    def _body(self, request: JobRequest) -> dict[str, Any]:
        foundry = self._settings.foundry
        training_type = foundry.training_type if foundry else "GlobalStandard"
        return job_body(request, self.dialect, self.name, dict.fromkeys(self.dialect.body, training_type))

    def _resolved(self, body: dict[str, Any]) -> dict[str, Any]:
        """With the base model's id in the catalogue, where completions call it by another name."""
        if not self.dialect.resolves_model:
            return body
        ids = {found.model_name: found.id for found in self._listed() if found.model_name}
        return {**body, "model": ids.get(body["model"], body["model"])}

    def _listed(self) -> Sequence[WireModel]:
        send = self._client.models.with_raw_response.list
        return self._caller.read("listing models", send, as_(WirePage[WireModel])).data

    def _job(self, found: WireJob) -> Job:
        return found.normalised(self.dialect.states)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), UTC).date()

    def _address(self, base_url: str, api_key: str) -> Address:
        query = self.dialect.project_query
        named: Mapping[str, str] = {query: self._settings.project} if query and self._settings.project else {}
        return Address(base_url, api_key, self.dialect.auth_header, self._settings.allow_private_address, named)

    def _elsewhere(self, usual: str | None) -> str:
        """The vendor's second address, unless its first was replaced: then a gateway stands before both."""
        replaced = self.base_url != self.dialect.base_url
        return str(self._client.base_url).rstrip("/") if usual is None or replaced else usual

    @property
    def _resource(self) -> str:
        return self._settings.foundry.account if self._settings.foundry else "default"

    def _serving(self) -> Server:
        """What the dialect calls for."""
        if self.dialect.azure:
            return AzureDeployments(self._caller, self._settings, self.dialect.azure)
        if self.dialect.serving == "nebius":
            return NebiusModels(self._caller, self._at, self._settings.request_timeout_s)
        if self.dialect.serving == "crusoe":
            cloud = Address(self._elsewhere(self.dialect.management), self._at.key, private=self._at.private)
            return CrusoeAdapters(self._caller, cloud, self._settings)
        return Probed(self._caller) if self.dialect.serving == "probed" else Listed(self._caller)


class _Estimate(BaseModel):
    """An estimate whose field no page names: the one that is called after a price or a cost."""

    model_config = ConfigDict(extra="allow")

    @property
    def price(self) -> float | None:
        """USD."""
        found = [value for name, value in (self.model_extra or {}).items() if _PRICE.search(name)]
        numbers = (float(value) for value in found if re.fullmatch(r"\d+(\.\d+)?", str(value)))
        return next(numbers, None)


def _info(found: WireModel) -> ModelInfo:
    """By the name that completions use."""
    name = found.model_name or found.id
    days = (found.shutdown_date, found.tunable, found.training_until)
    return ModelInfo(name, found.created or 0, found.owned_by or "", *days)


def _endless(call: str) -> ProviderUnavailableError:
    remedy = "Ask the provider why, or use an account or project with fewer jobs, then `tunegate resume RUN`."
    return ProviderUnavailableError(call, "the listing does not come to its end", remedy)
