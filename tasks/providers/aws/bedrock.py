"""Amazon Bedrock: model customisation jobs, custom model deployments and the Converse API, through boto3."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from data_contracts.money import Job, JobEvent, Price
from data_contracts.provider import ProviderSettings
from tasks.errors import (
    AmbiguousAnswerError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers import prices
from tasks.providers.aws import catalogue, converse, customization
from tasks.providers.aws.account import Account
from tasks.providers.aws.deployments import Deployments
from tasks.providers.aws.errors import GoneError, TakenError
from tasks.providers.aws.forms import HYPERPARAMETERS, Form, converted, converted_uri, form_of, versions
from tasks.providers.aws.staging import Staging
from tasks.providers.aws.threads import Threads
from tasks.providers.protocol import AnswerEndpoint, Capabilities, JobRequest, ModelInfo, Serving, TrainingAccess

CREATING = "creating a customisation job"
LOST = "Look for it before asking again."
LIFECYCLE = "Bedrock User Guide, Model lifecycle, read 2026-11-22"


def connect_bedrock(settings: ProviderSettings) -> "Bedrock":
    """Bedrock, not yet asked anything. Raises ConfigurationError where the region or an address is wrong."""
    return Bedrock(settings, Account(settings))


class Bedrock:
    """Jobs, custom models and answers of one account in one region. A file is an S3 address, a model an ARN."""

    capabilities = Capabilities(
        methods=frozenset({"supervised", "reinforcement"}),
        hyperparameters=HYPERPARAMETERS,
        deploys=True,
        max_suffix=40,
        streams=False,  # Converse is asked for whole answers
    )

    def __init__(self, settings: ProviderSettings, account: Account) -> None:
        self._settings, self._account = settings, account
        self._staging, self._deployments = Staging(self._account), Deployments(self._account)
        self.name: str = settings.name
        self.base_url = str(account.client("bedrock-runtime").meta.endpoint_url)
        self.account = account.name

    def models(self) -> Sequence[ModelInfo]:
        """Foundation models with their lifecycle, inference profiles, and deployments that answer."""
        profiles = catalogue.inference_profiles(self._account)
        return [*catalogue.foundation_models(self._account), *profiles, *self._deployments.answering()]

    def training_access(self, base_model: str) -> TrainingAccess:
        """Whether it may be customised here today, as its lifecycle and the forms known here say."""
        known, name = catalogue.foundation_models(self._account), base_model.rpartition("/")[2]
        found = next((model for model in known if model.id == name), None)
        if found is None:
            return TrainingAccess(False, f"Bedrock lists no model {base_model} in {self._account.region}")
        if found.training_until and found.training_until <= catalogue.today(self._account):
            reason = f"{base_model} is in its legacy period, in which it takes no new jobs ({LIFECYCLE})"
            return TrainingAccess(False, reason)
        if not found.tunable:
            return TrainingAccess(False, f"Bedrock lists no fine-tuning for {base_model}; variants of it may have it")
        if form_of(base_model, "supervised") is None:
            return TrainingAccess(None, f"which training file {base_model} takes is not known here; graded ones are")
        return TrainingAccess(True, f"Bedrock lists fine-tuning for {base_model}")

    def find_file(self, name: str, content: bytes) -> str | None:
        """Address of the file of that name and content, by size and stored hash."""
        return self._staging.find(name, content)

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry; what a base model trains on is made of it when a job is created."""
        return self._staging.put(name, content)

    def has_file(self, file_id: str) -> bool:
        """Whether S3 still holds it, or what was made of it."""
        return any(self._staging.has(uri) for uri in versions(file_id))

    def quote(self, request: JobRequest) -> float | None:
        """Nothing: AWS says what a job costs on its bill."""
        return None

    def create_job(self, request: JobRequest) -> Job:
        """Ask once, with the intent as token. What AWS holds under the job's name already is looked at instead."""
        form = self._stage(request)
        asked = customization.body(request, form, self._account.aws)
        try:
            answer = self._account.pay(CREATING, lambda: self._bedrock.create_model_customization_job(**asked))
        except TakenError:
            return self._present(request)
        if ":model-customization-job/" in str(answer.get("jobArn")):
            return customization.ordered(request, self._account.clock.now())
        raise AmbiguousAnswerError(CREATING, "the answer names no job, so it may or may not have been accepted", LOST)

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        """Jobs under the intent's name, which carry it as token or train on that file, oldest first."""
        name, listing = customization.job_name(intent), self._bedrock.list_model_customization_jobs
        page = self._account.pages("listing jobs", lambda **after: listing(nameContains=name, **after),
                                   "modelCustomizationJobSummaries", "nextToken")  # fmt: skip
        names = [name, *(str(summary.get("jobName")) for summary in page)]  # asked for by name, no listing's lag counts
        jobs = [customization.normalised(found) for each in dict.fromkeys(names) if (found := self._found(each))]
        own = [job for job in jobs if job.metadata.get("intent") == intent or job.training_file == training_file]
        return sorted(own, key=lambda job: job.created_at)

    def job(self, job_id: str) -> Job:
        """Its present state, by name or ARN."""
        return customization.normalised(self._described(job_id))

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """Its history, and the metrics of each step as soon as AWS has written them, oldest first."""
        answer = self._described(job_id)
        events = customization.history(answer)
        with suppress(ProviderRefusedError, CredentialsError):  # without them the job is waited for all the same
            events[1:1] = self._metrics(answer)
        return sorted(events, key=lambda event: event.created_at)

    def cancel(self, job_id: str) -> Job:
        """Ask it to stop; a job that has ended stays as it is."""
        stop = self._bedrock.stop_model_customization_job
        try:
            self._account.read("stopping the job", lambda: stop(jobIdentifier=job_id))
        except ProviderRefusedError:
            job = self.job(job_id)
            if not job.has_ended:
                raise
            return job
        return self.job(job_id)

    def serve(self, model: str) -> Serving:
        """Deploy it for on-demand answers, or look how far that is; requests ask for the deployment's ARN."""
        return self._deployments.serve(model)

    def withdraw(self, model: str) -> None:
        """Delete its deployments; those that are gone already are fine."""
        self._deployments.withdraw(model)

    def has_model(self, model: str) -> bool:
        """Whether Bedrock still holds the custom model."""
        get = self._bedrock.get_custom_model
        try:
            self._account.find("looking for a custom model", lambda: get(modelIdentifier=model))
        except GoneError:
            return False
        return True

    def delete_file(self, file_id: str) -> None:
        """Delete it and what was made of it; files that are gone already are fine."""
        for uri in versions(file_id):
            self._staging.delete(uri)

    def delete_model(self, model: str) -> None:
        """Delete; a model that is gone already is fine. Its deployments go first."""
        delete = self._bedrock.delete_custom_model
        self._account.forget("deleting a custom model", lambda: delete(modelIdentifier=model))

    def price(self, model: str, tuned: bool) -> Price:
        """Price per million tokens; unknown parts are None."""
        return prices.price(model, tuned, self.base_url, self._settings.prices)

    def answer_endpoint(self) -> AnswerEndpoint:
        """Converse, by as many threads as may ask at once."""
        client, workers = self._account.client("bedrock-runtime"), self._settings.max_concurrency

        def ask_one(body: Mapping[str, Any]) -> dict[str, Any]:
            return converse.completion(client.converse(**converse.request(body)), body["model"])

        timeout_s = self._settings.request_timeout_s
        return AnswerEndpoint(self.base_url, {}, timeout_s, workers, Threads(ask_one, workers))

    def _stage(self, request: JobRequest) -> Form:
        """Write the files in the form that the base model trains on. Nothing is bought by that."""
        form = form_of(request.base_model, request.method)
        if form is None:
            problem = f"no training file's form is known here for {request.base_model}"
            raise ProviderRefusedError(CREATING, "unsupported_model", problem, "Train another base model.")
        files = {request.training_file: form.min_records}
        if request.validation_file and form.validates:
            files[request.validation_file] = 1
        for uri, least in files.items():
            convert = partial(converted, form=form, at_least=least)
            self._staging.derive(uri, converted_uri(uri, form), convert)
        return form

    def _present(self, request: JobRequest) -> Job:
        with suppress(TunegateError):  # whatever keeps AWS from showing it, it may be there
            if jobs := self.find_jobs(request.metadata["intent"], request.training_file):
                return jobs[0]
        cause = "AWS says that a job or model of this name is there, and does not show the job"
        raise AmbiguousAnswerError(CREATING, cause, LOST)

    def _found(self, name: str) -> dict[str, Any] | None:
        get = self._bedrock.get_model_customization_job
        try:
            return self._account.find("reading the customisation job", lambda: get(jobIdentifier=name))
        except GoneError:
            return None

    def _described(self, job_id: str) -> dict[str, Any]:
        get = self._bedrock.get_model_customization_job
        answer = self._account.read("reading the customisation job", lambda: get(jobIdentifier=job_id))
        if job_id not in (answer.get("jobName"), answer.get("jobArn")):
            raise ProviderUnavailableError("reading the customisation job", "AWS answered with another job", LOST)
        return answer

    @property
    def _bedrock(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        return self._account.client("bedrock")

    def _metrics(self, answer: Mapping[str, Any]) -> Iterator[JobEvent]:
        number, when = answer["jobArn"].rpartition("/")[2], answer.get("lastModifiedTime") or answer["creationTime"]
        folder = f"{answer['outputDataConfig']['s3Uri'].rstrip('/')}/model-customization-job-{number}/"
        for uri in self._staging.below(folder):
            if uri.endswith(("/step_wise_training_metrics.csv", "/validation_metrics.csv")):
                yield from customization.steps(answer["jobName"], self._staging.read(uri), when)
