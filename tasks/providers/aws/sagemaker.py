"""Amazon SageMaker AI: training jobs, serverless or by an image of one's own, and endpoints that speak OpenAI's chat.

A tuned model goes by its job's name, and so do its SageMaker model, endpoint configuration and endpoint.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal

from data_contracts.money import Job, JobEvent, Price
from data_contracts.provider import ProviderSettings
from tasks.errors import (
    AmbiguousAnswerError,
    ConfigurationError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers import prices
from tasks.providers.aws import training_job
from tasks.providers.aws.account import Account
from tasks.providers.aws.customization import job_name, ordered
from tasks.providers.aws.errors import GoneError, TakenError
from tasks.providers.aws.forms import converted, converted_uri, versions
from tasks.providers.aws.staging import Staging
from tasks.providers.aws.threads import Threads
from tasks.providers.protocol import AnswerEndpoint, Capabilities, JobRequest, ModelInfo, Serving, TrainingAccess
from tasks.providers.redact import shown

CREATING = "creating a training job"
READING = "reading the training job"
LOST = "Look for it before asking again."
DEAD_ENDPOINT = ("Failed", "OutOfService", "UpdateRollbackFailed")
State = Literal["ready", "starting", "failed"]


def connect_sagemaker(settings: ProviderSettings) -> "SageMaker":
    """SageMaker, not yet asked anything. Raises ConfigurationError where the settings contradict themselves."""
    aws = settings.aws
    if aws and aws.image and not aws.instance_type:
        remedy = "Name what the image trains on, such as ml.g6.2xlarge."
        raise ConfigurationError("provider.aws.instance_type", "is not set, and image is", remedy)
    return SageMaker(settings, Account(settings))


class SageMaker:
    """Jobs, models and endpoints of one account in one region. A file is an S3 address."""

    capabilities = Capabilities(
        methods=frozenset(training_job.TECHNIQUES),
        open_hyperparameters=True,
        lists_bases=False,  # only endpoints
        deploys=True,
        max_suffix=40,
        streams=False,
    )

    def __init__(self, settings: ProviderSettings, account: Account) -> None:
        self._settings, self._account = settings, account
        self._staging, self._aws = Staging(self._account), self._account.aws
        self.name: str = settings.name
        self.base_url = str(account.client("sagemaker-runtime").meta.endpoint_url)
        self.account = account.name

    def models(self) -> Sequence[ModelInfo]:
        """Endpoints that answer, by name. Base models for training stand in a hub or in the image."""
        pages = self._account.pages(
            "listing endpoints",
            partial(self._sagemaker.list_endpoints, StatusEquals="InService"),
            "Endpoints",
            "NextToken",
        )
        return [
            ModelInfo(found["EndpointName"], int(found["CreationTime"].timestamp()), "sagemaker") for found in pages
        ]

    def training_access(self, base_model: str) -> TrainingAccess:
        """Whether the settings and the hub let a job start on it."""
        if self._aws.image:
            return TrainingAccess(None, "the training image decides which base models it takes")
        found = training_job.HUB_MODEL.fullmatch(base_model)
        if not found:
            return TrainingAccess(False, f"{base_model} is no ARN of a hub's model, and provider.aws.image is not set")
        try:
            self._hub_content(base_model)
        except GoneError:
            return TrainingAccess(False, f"SageMaker's hub holds no {base_model}")
        return TrainingAccess(None, "the hub holds it; which of its models may be customised, only a job tells")

    def find_file(self, name: str, content: bytes) -> str | None:
        """Address of the file of that name and content, by size and stored hash."""
        return self._staging.find(name, content)

    def upload(self, name: str, content: bytes) -> str:
        """Upload once, without retry; what a serverless job trains on is made of it when it is created."""
        return self._staging.put(name, content)

    def has_file(self, file_id: str) -> bool:
        """Whether S3 still holds it, or what was made of it."""
        return any(self._staging.has(uri) for uri in versions(file_id))

    def quote(self, request: JobRequest) -> float | None:
        """Nothing: AWS says what a job costs on its bill."""
        return None

    def create_job(self, request: JobRequest) -> Job:
        """Ask once; of a job that AWS holds under the intent's name already, its present state."""
        form = training_job.form_of(request.base_model, request.method, self._aws)
        asked = training_job.body(request, form, self._aws)
        for uri in filter(None, (request.training_file, request.validation_file)):
            if form.name:
                convert = partial(converted, form=form, at_least=1)
                self._staging.derive(uri, converted_uri(uri, form), convert)
        try:
            answer = self._account.pay(CREATING, lambda: self._sagemaker.create_training_job(**asked))
        except TakenError:
            return self._present(request)
        if str(answer.get("TrainingJobArn")).endswith(f"/{asked['TrainingJobName']}"):
            return ordered(request, self._account.clock.now())
        raise AmbiguousAnswerError(CREATING, "the answer names no job of this purchase", LOST)

    def find_jobs(self, intent: str, training_file: str) -> Sequence[Job]:
        """The job under the intent's name, which AWS keeps unique, whatever file it trains on."""
        found = self._found(job_name(intent))
        return [training_job.normalised(found, intent)] if found else []

    def job(self, job_id: str) -> Job:
        """Its present state, by name."""
        return training_job.normalised(self._described(job_id))

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """Its history, oldest first."""
        return training_job.history(self._described(job_id))

    def cancel(self, job_id: str) -> Job:
        """Ask it to stop; a job that has ended stays as it is."""
        stop = self._sagemaker.stop_training_job
        try:
            self._account.read("stopping the job", lambda: stop(TrainingJobName=job_id))
        except ProviderRefusedError:
            job = self.job(job_id)
            if not job.has_ended:
                raise
            return job
        return self.job(job_id)

    def serve(self, model: str) -> Serving:
        """Bring up its endpoint, or look how far that is. It costs by the hour until it is withdrawn."""
        describe = self._sagemaker.describe_endpoint
        try:
            found = self._account.find("looking for the endpoint", lambda: describe(EndpointName=model))
        except GoneError:
            return self._deploy(model)
        status = str(found["EndpointStatus"])
        state: State = "ready" if status == "InService" else "failed" if status in DEAD_ENDPOINT else "starting"
        return Serving(state, model, shown(str(found.get("FailureReason") or f"the endpoint is {status}")))

    def withdraw(self, model: str) -> None:
        """Delete endpoint, configuration and SageMaker model; those that are gone already are fine."""
        sagemaker, forget = self._sagemaker, self._account.forget
        forget("deleting the endpoint", lambda: sagemaker.delete_endpoint(EndpointName=model))
        forget("deleting its configuration", lambda: sagemaker.delete_endpoint_config(EndpointConfigName=model))
        forget("deleting the SageMaker model", lambda: sagemaker.delete_model(ModelName=model))

    def has_model(self, model: str) -> bool:
        """Whether what the job wrote is still there: its package, or its artefact in S3."""
        found = self._found(model)
        if not found:
            return False
        if package := found.get("OutputModelPackageArn"):
            return self._has_package(package)
        return any(self._staging.has(uri) for uri in _artefacts(found))

    def delete_file(self, file_id: str) -> None:
        """Delete it and what was made of it; files that are gone already are fine."""
        for uri in versions(file_id):
            self._staging.delete(uri)

    def delete_model(self, model: str) -> None:
        """Delete what the job wrote; what is gone already is fine. The job's record stays with AWS."""
        found = self._found(model) or {}
        delete = self._sagemaker.delete_model_package
        if package := found.get("OutputModelPackageArn"):
            self._account.forget("deleting a model package", lambda: delete(ModelPackageName=package))
        for uri in _artefacts(found):
            self._staging.delete(uri)

    def price(self, model: str, tuned: bool) -> Price:
        """Unknown, unless the use case names its own: instances cost by the hour, and tokens nothing."""
        return prices.price(model, tuned, self.base_url, self._settings.prices)

    def answer_endpoint(self) -> AnswerEndpoint:
        """InvokeEndpoint, by as many threads as may ask at once; the body is sent as it is."""
        client, workers = self._account.client("sagemaker-runtime"), self._settings.max_concurrency

        def ask_one(body: Mapping[str, Any]) -> dict[str, Any]:
            json_type = {"ContentType": "application/json", "Accept": "application/json"}
            found = client.invoke_endpoint(EndpointName=body["model"], Body=json.dumps(body).encode(), **json_type)
            answer: dict[str, Any] = json.loads(found["Body"].read())
            return answer

        return AnswerEndpoint(self.base_url, {}, self._settings.request_timeout_s, workers, Threads(ask_one, workers))

    def _deploy(self, model: str) -> Serving:
        """SageMaker model, configuration, endpoint: names are unique, so what is there already is the one."""
        if not self._aws.instance_type:
            remedy = "Name what the endpoint runs on, such as ml.g6.2xlarge."
            raise ConfigurationError("provider.aws.instance_type", "is not set", remedy)
        sagemaker, role = self._sagemaker, self._aws.role_arn
        container, variant = self._container(model), self._variant(model)
        self._make(partial(sagemaker.create_model, ModelName=model, PrimaryContainer=container, ExecutionRoleArn=role))
        self._make(partial(sagemaker.create_endpoint_config, EndpointConfigName=model, ProductionVariants=[variant]))
        self._make(partial(sagemaker.create_endpoint, EndpointName=model, EndpointConfigName=model))
        return Serving("starting", model, "its endpoint was started")

    def _make(self, create: Callable[[], dict[str, Any]]) -> None:
        with suppress(TakenError):
            self._account.once("deploying the tuned model", create)

    def _container(self, model: str) -> dict[str, Any]:
        """The package that a serverless job made, or the image that serves what one's own wrote."""
        found = self._described(model)
        if package := found.get("OutputModelPackageArn"):
            return {"ModelPackageName": package}
        if not self._aws.serving_image:
            remedy = "Name an image that answers OpenAI's chat completions at /invocations, such as vLLM's."
            raise ConfigurationError("provider.aws.serving_image", "is not set", remedy)
        return {"Image": self._aws.serving_image, "ModelDataUrl": next(_artefacts(found))}

    def _variant(self, model: str) -> dict[str, Any]:
        return {
            "VariantName": "tuned",
            "ModelName": model,
            "InstanceType": self._aws.instance_type,
            "InitialInstanceCount": 1,
        }

    def _present(self, request: JobRequest) -> Job:
        with suppress(TunegateError):  # whatever keeps AWS from showing it, it may be there
            if jobs := self.find_jobs(request.metadata["intent"], request.training_file):
                return jobs[0]
        raise AmbiguousAnswerError(CREATING, "AWS says that the job is there, and does not show it", LOST)

    def _found(self, name: str) -> dict[str, Any] | None:
        describe = self._sagemaker.describe_training_job
        try:
            return self._account.find(READING, lambda: describe(TrainingJobName=name))
        except GoneError:
            return None

    def _described(self, name: str) -> dict[str, Any]:
        describe = self._sagemaker.describe_training_job
        answer = self._account.read(READING, lambda: describe(TrainingJobName=name))
        if answer.get("TrainingJobName") != name:
            raise ProviderUnavailableError(READING, "AWS answered with another job", LOST)
        return answer

    def _has_package(self, package: str) -> bool:
        describe = self._sagemaker.describe_model_package
        try:
            self._account.find("looking for a model package", lambda: describe(ModelPackageName=package))
        except GoneError:
            return False
        return True

    def _hub_content(self, arn: str) -> None:
        """Raises GoneError where the hub lacks it. arn:...:hub-content/HUB/Model/NAME/VERSION"""
        hub, kind, name = arn.split("/")[1:4]
        describe = partial(self._sagemaker.describe_hub_content, HubName=hub, HubContentType=kind, HubContentName=name)
        self._account.find("looking for a hub's model", describe)

    @property
    def _sagemaker(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        return self._account.client("sagemaker")


def _artefacts(job: Mapping[str, Any]) -> Iterator[str]:
    """Address of what an own image wrote, if the job wrote anything."""
    address = (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
    if address:
        yield address
