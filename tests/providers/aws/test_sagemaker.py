"""SageMaker: jobs and endpoints against moto's server, serverless customisation against botocore's model of it."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto.backends import get_backend

from data_contracts.provider import Aws, ProviderSettings
from tasks.errors import AmbiguousAnswerError, ConfigurationError, ProviderRefusedError
from tasks.finetune.submit import submit
from tasks.ledger import Ledger
from tasks.providers.aws.account import Account
from tasks.providers.aws.sagemaker import SageMaker
from tasks.providers.connect import connect
from tests.fake_clock import FakeClock
from tests.providers.aws.conftest import REGION, ROLE
from tests.providers.aws.orders import INTENT, file_of, order, record, request

NAME = f"tunegate-{INTENT[:54]}"
HUB = "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/meta-textgeneration-llama-3-2-1b-instruct"
NOVA = "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/nova-textgeneration-lite"
GROUP = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/tunes"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/tunes/1"
WHEN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def jobs() -> Iterator[dict[str, Any]]:
    """The training jobs that AWS holds."""
    backend = get_backend("sagemaker")["123456789012"][REGION]
    backend.training_jobs.clear()
    yield backend.training_jobs


@pytest.fixture
def serverless(aws: Aws, clock: FakeClock) -> SageMaker:
    own = aws.model_copy(update={"model_package_group": GROUP, "accept_eula": True})
    settings = ProviderSettings(name="sagemaker", aws=own)
    return SageMaker(settings, Account(settings, clock))


@pytest.fixture
def stub(serverless: SageMaker) -> Iterator[Stubber]:
    with Stubber(serverless._account.client("sagemaker")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def sent(provider: SageMaker, **changes: Any) -> dict[str, Any]:
    """What boto3 sends for a request; its answer says that the job was made."""
    bodies: list[dict[str, Any]] = []

    def answer(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, str]]:
        bodies.append(json.loads(params["body"]))
        ok = type("Answer", (), {"status_code": 200})()
        return ok, {"TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{NAME}"}

    provider._account.client("sagemaker").meta.events.register("before-call.sagemaker.CreateTrainingJob", answer)
    provider.create_job(request(provider, **changes))
    return bodies[0]


def described(status: str = "Completed", detail: str = "Completed", **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": NAME,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{NAME}",
        "TrainingJobStatus": status,
        "SecondaryStatus": detail,
        "CreationTime": WHEN,
        "ModelArtifacts": {"S3ModelArtifacts": ""},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        **more,
    }


# ---------------------------------------------------------------- an image of one's own


def test_an_own_image_gets_the_chat_file_and_the_order_as_hyperparameters(sagemaker: SageMaker) -> None:
    body = sent(sagemaker, base_model="Qwen/Qwen3-0.6B", learning_rate_multiplier=0.5, hyperparameters={"lora_r": 8})
    assert body["TrainingJobName"] == NAME and body["RoleArn"] == ROLE
    assert body["AlgorithmSpecification"]["TrainingImage"] == "123.dkr.ecr/trainer:1"
    assert body["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
    assert body["HyperParameters"] == {
        "base_model": "Qwen/Qwen3-0.6B", "method": "supervised", "seed": "7", "n_epochs": "2",
        "learning_rate_multiplier": "0.5", "lora_r": "8",
    }  # fmt: skip
    (channel,) = body["InputDataConfig"]
    assert sagemaker._staging.read(channel["DataSource"]["S3DataSource"]["S3Uri"]) == file_of()
    assert {"Key": "tunegate.intent", "Value": INTENT} in body["Tags"]


def test_a_purchase_is_one_job_after_a_lost_answer_and_eight_submits(
    sagemaker: SageMaker, tmp_path: Path, clock: FakeClock, jobs: dict[str, Any]
) -> None:
    lost = [ReadTimeoutError(endpoint_url="http://127.0.0.1:9")]

    def lose(**_: Any) -> None:
        if lost:
            raise lost.pop()

    calls: list[int] = []
    events = sagemaker._account.client("sagemaker").meta.events
    events.register("after-call.sagemaker.CreateTrainingJob", lose)
    events.register("before-call.sagemaker.CreateTrainingJob", lambda **_: calls.append(1))
    for number in range(8):
        ledger = Ledger(f"sqlite:///{tmp_path / f'ledger-{number // 4}.db'}", clock)
        submission = submit(order(tmp_path, "Qwen/Qwen3-0.6B"), sagemaker, ledger, clock)
    assert list(jobs) == [submission.job_id] and len(calls) == 1


def test_a_name_that_is_taken_is_the_job_of_this_purchase(sagemaker: SageMaker) -> None:
    wanted = request(sagemaker)
    first = sagemaker.create_job(wanted)
    with Stubber(sagemaker._account.client("sagemaker")) as stub:
        stub.add_client_error("create_training_job", "ResourceInUse", "Training job names must be unique", 400)
        stub.add_response("describe_training_job", described("InProgress", "Starting"), {"TrainingJobName": NAME})
        assert sagemaker.create_job(wanted).id == first.id == NAME
        stub.add_client_error("create_training_job", "ResourceInUse", "Training job names must be unique", 400)
        stub.add_client_error("describe_training_job", "ValidationException", "Requested resource not found.", 400)
        with pytest.raises(AmbiguousAnswerError):
            sagemaker.create_job(wanted)


def test_a_trained_model_is_served_by_one_endpoint_and_withdrawn(sagemaker: SageMaker) -> None:
    sagemaker.create_job(request(sagemaker))
    job = sagemaker.job(NAME)  # moto's jobs are done at once
    assert (job.state, job.model) == ("succeeded", NAME)
    assert sagemaker.serve(NAME).state == "starting"
    backend = get_backend("sagemaker")["123456789012"][REGION]
    assert backend.endpoint_configs[NAME].production_variants[0]["InstanceType"] == "ml.m5.xlarge"
    assert sagemaker.serve(NAME).state == "ready" and [model.id for model in sagemaker.models()] == [NAME]
    sagemaker.withdraw(NAME)
    sagemaker.withdraw(NAME)
    assert not backend.endpoints and not backend.endpoint_configs


def test_an_image_needs_something_to_train_on(aws: Aws) -> None:
    with pytest.raises(ConfigurationError, match=r"provider\.aws\.instance_type"):
        connect(ProviderSettings(name="sagemaker", aws=aws.model_copy(update={"image": "trainer:1"})))


# ---------------------------------------------------------------- serverless customisation


def test_a_serverless_job_is_a_lora_of_a_hub_model(serverless: SageMaker) -> None:
    body = sent(serverless, base_model=HUB, n_epochs=None, hyperparameters={"max_epochs": 2})
    assert body["ServerlessJobConfig"] == {
        "BaseModelArn": HUB, "AcceptEula": True, "JobType": "FineTuning", "CustomizationTechnique": "SFT",
        "Peft": "LORA",
    }  # fmt: skip
    assert body["ModelPackageConfig"] == {"ModelPackageGroupArn": GROUP}
    assert body["HyperParameters"] == {"max_epochs": "2"} and "AlgorithmSpecification" not in body
    uri = body["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
    first = json.loads(serverless._staging.read(uri).splitlines()[0])
    assert first == {"prompt": "Name the label.\n\nQuestion 0", "completion": "card"}


def test_preferences_and_nova_have_forms_of_their_own(serverless: SageMaker) -> None:
    asked, answer = record()["messages"][:2], record()["messages"][2:]
    pair = {"input": {"messages": asked}, "preferred_output": answer, "non_preferred_output": answer}
    body = sent(serverless, content=file_of(pair), base_model=HUB, method="dpo", n_epochs=None)
    assert body["ServerlessJobConfig"]["CustomizationTechnique"] == "DPO"
    assert body["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"].endswith(".preference.jsonl")


def test_nova_trains_on_conversations(serverless: SageMaker) -> None:
    body = sent(serverless, base_model=NOVA, n_epochs=None)
    assert body["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"].endswith(".conversation.jsonl")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "takes no n_epochs"),
        ({"n_epochs": None, "base_model": "llama"}, "no model of a SageMaker hub"),
        ({"n_epochs": None, "base_model": NOVA, "method": "dpo"}, "another form"),
    ],
)
def test_what_has_no_shape_is_refused_before_anything_is_bought(
    serverless: SageMaker, jobs: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ProviderRefusedError, match=says):
        serverless.create_job(request(serverless, **{"base_model": HUB, **change}))
    assert not jobs


def test_without_a_package_group_nothing_is_bought(aws: Aws) -> None:
    plain = SageMaker(settings := ProviderSettings(name="sagemaker", aws=aws), Account(settings))
    with pytest.raises(ProviderRefusedError, match="model_package_group"):
        plain.create_job(request(plain, base_model=HUB, n_epochs=None))


def test_a_package_is_deployed_looked_for_and_deleted(serverless: SageMaker, stub: Stubber) -> None:
    serverless._aws = serverless._aws.model_copy(update={"instance_type": "ml.m5.xlarge"})
    job, named = described(OutputModelPackageArn=PACKAGE), {"TrainingJobName": NAME}
    stub.add_client_error("describe_endpoint", "ValidationException", f'Could not find endpoint "{NAME}".', 400)
    stub.add_response("describe_training_job", job, named)
    container = {"ModelPackageName": PACKAGE}
    stub.add_response("create_model", {"ModelArn": f"arn:aws:sagemaker:us-east-1:123456789012:model/{NAME}"},
                      {"ModelName": NAME, "PrimaryContainer": container, "ExecutionRoleArn": ROLE})  # fmt: skip
    stub.add_client_error("create_endpoint_config", "ValidationException", "Cannot create already existing one", 400)
    stub.add_response("create_endpoint", {"EndpointArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{NAME}"})
    assert serverless.serve(NAME).state == "starting"
    stub.add_response("describe_training_job", job, named)
    stub.add_client_error("describe_model_package", "ValidationException", "ModelPackage does not exist.", 400)
    assert not serverless.has_model(NAME)
    stub.add_response("describe_training_job", job, named)
    stub.add_response("delete_model_package", {}, {"ModelPackageName": PACKAGE})
    serverless.delete_model(NAME)


@pytest.mark.parametrize(
    ("status", "detail", "state"),
    [
        ("InProgress", "Starting", "queued"),
        ("InProgress", "DownloadingTrainingImage", "queued"),
        ("InProgress", "Training", "running"),
        ("Stopping", "Stopping", "running"),
        ("Stopped", "Stopped", "cancelled"),
        ("Stopped", "MaxRuntimeExceeded", "failed"),
        ("Failed", "Failed", "failed"),
        ("Completed", "Completed", "succeeded"),
        ("Deleting", "Completed", "unknown"),
    ],
)
def test_states(serverless: SageMaker, stub: Stubber, status: str, detail: str, state: str) -> None:
    more = {"FailureReason": "AlgorithmError:\nno GPU", "BillableTokenCount": 900}
    stub.add_response("describe_training_job", described(status, detail, **more), {"TrainingJobName": NAME})
    job = serverless.job(NAME)
    assert (job.state, job.raw_state, job.trained_tokens) == (state, f"{status} ({detail})", 900)
    assert job.error_message == ("AlgorithmError: no GPU" if state == "failed" else None)


def test_what_a_job_went_through_and_how_far_it_is(serverless: SageMaker, stub: Stubber) -> None:
    steps = [{"Status": "Starting", "StartTime": WHEN, "StatusMessage": "Preparing"}]
    progress = {"CurrentStep": 12, "CurrentEpoch": 1, "TotalStepCountPerEpoch": 20, "MaxEpoch": 2}
    final = [{"MetricName": "train_loss", "Value": 0.5, "Timestamp": WHEN}]
    more = {"SecondaryStatusTransitions": steps, "ProgressInfo": progress, "FinalMetricDataList": final}
    stub.add_response("describe_training_job", described("InProgress", "Training", **more))
    events = serverless.events(NAME)
    assert [event.message for event in events] == ["Starting: Preparing", "epoch 1, step 12", "the last metrics"]
    assert [event.metrics for event in events] == [{}, {"step": 12.0, "epoch": 1.0}, {"train_loss": 0.5}]


@pytest.mark.parametrize(("status", "state"), [("Creating", "starting"), ("InService", "ready"), ("Failed", "failed")])
def test_how_far_an_endpoint_is(serverless: SageMaker, stub: Stubber, status: str, state: str) -> None:
    endpoint = {"EndpointName": NAME, "EndpointArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{NAME}",
                "EndpointStatus": status, "CreationTime": WHEN, "LastModifiedTime": WHEN}  # fmt: skip
    stub.add_response("describe_endpoint", endpoint, {"EndpointName": NAME})
    assert serverless.serve(NAME).state == state


def test_whether_a_job_may_be_started(sagemaker: SageMaker, serverless: SageMaker, stub: Stubber) -> None:
    assert sagemaker.training_access("anything").open is None
    assert serverless.training_access("llama").open is False
    stub.add_client_error("describe_hub_content", "ResourceNotFound", "no", 400)
    assert serverless.training_access(HUB).open is False


# ---------------------------------------------------------------- answers


def test_an_endpoint_is_asked_in_openais_words(sagemaker: SageMaker) -> None:
    body = {"model": NAME, "messages": [{"role": "user", "content": "Where is it?"}], "max_tokens": 8}
    answer = {"choices": [{"message": {"content": "card"}, "finish_reason": "stop"}]}
    content = json.dumps(answer).encode()
    endpoint = sagemaker.answer_endpoint()
    assert endpoint.transport is not None
    with Stubber(sagemaker._account.client("sagemaker-runtime")) as stub:
        expected = {"EndpointName": NAME, "Body": json.dumps(body).encode(), "ContentType": "application/json",
                    "Accept": "application/json"}  # fmt: skip
        stub.add_response("invoke_endpoint", {"Body": StreamingBody(io.BytesIO(content), len(content))}, expected)
        found = asyncio.run(endpoint.transport.ask(json.dumps(body).encode()))
        stub.add_client_error("invoke_endpoint", "ModelNotReadyException", http_status_code=429)
        busy = asyncio.run(endpoint.transport.ask(json.dumps(body).encode()))
    assert (found.status, json.loads(found.body)) == (200, answer)
    assert busy.status == 503
