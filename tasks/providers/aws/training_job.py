"""A training job of SageMaker AI: what is asked for, and how its state is read.

Shapes: botocore 1.44, CreateTrainingJob (ServerlessJobConfig) and DescribeTrainingJob; files of serverless jobs:
SageMaker Python SDK 3, `ai_registry/dataset_validation.py`, and for Nova the SageMaker AI guide. Read 2026-11-22.
"""

import re
from collections.abc import Mapping
from typing import Any

from data_contracts.money import Job, JobEvent
from data_contracts.provider import Aws
from tasks.errors import ProviderRefusedError, ProviderUnavailableError
from tasks.providers.aws.customization import STATES, event, job_name, tags
from tasks.providers.aws.forms import AS_IT_IS, COMPLETION, CONVERSATION, PREFERENCE, Form, converted_uri, original_uri
from tasks.providers.aws.staging import output_of
from tasks.providers.protocol import JobRequest
from tasks.providers.redact import shown

CALL = "preparing the training job"
QUEUED = re.compile(r"^(Pending|Starting|LaunchingMLInstances|PreparingTrainingStack|Downloading)")
HUB_MODEL = re.compile(r"arn:[a-z0-9.-]+:sagemaker:[\w-]+:(\d{12}|aws):hub-content/[^/]+/Model/.+")
TECHNIQUES = {"supervised": "SFT", "dpo": "DPO"}
USUAL = ("n_epochs", "batch_size", "learning_rate_multiplier", "beta")
MAX_SECONDS = 24 * 3600
VOLUME_GB = 200


def form_of(base_model: str, method: str, aws: Aws) -> Form:
    """An image of one's own gets the chat file as it is; a serverless job what SageMaker documents for it."""
    if aws.image:
        return AS_IT_IS
    if method == "dpo":
        if "nova" in base_model:
            raise _refused("Nova's preference files have another form", "Use fine_tune.method: supervised.")
        return PREFERENCE
    return CONVERSATION if "nova" in base_model else COMPLETION


def body(request: JobRequest, form: Form, aws: Aws) -> dict[str, Any]:
    """Arguments of create_training_job. AWS keeps its name, which is the intent's, unique."""
    output = {"S3OutputPath": output_of(request.training_file), **({"KmsKeyId": aws.kms_key} if aws.kms_key else {})}
    files = {"train": request.training_file, "validation": request.validation_file}
    return {
        "TrainingJobName": job_name(request.metadata["intent"]),
        "RoleArn": aws.role_arn,
        "InputDataConfig": [_channel(name, converted_uri(uri, form)) for name, uri in files.items() if uri],
        "OutputDataConfig": output,
        "StoppingCondition": {"MaxRuntimeInSeconds": MAX_SECONDS},
        "Tags": tags(request.metadata, "Key", "Value"),
        **(_own_image(request, aws) if aws.image else _serverless(request, aws)),
    }


def normalised(answer: Mapping[str, Any], intent: str = "") -> Job:
    """A described job as every provider's is handed on; a tuned model goes by the name of its job."""
    try:
        status, detail = str(answer["TrainingJobStatus"]), str(answer.get("SecondaryStatus") or "")
        state = STATES.get(status, "unknown")
        if state == "running" and QUEUED.match(detail):
            state = "queued"
        failed = state == "failed" or detail in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")
        name = answer["TrainingJobName"]
        return Job(
            id=name,
            state="failed" if failed else state,
            raw_state=shown(f"{status} ({detail})", 60),
            base_model=_base_model(answer),
            training_file=original_uri(_train_channel(answer)),
            created_at=answer["CreationTime"].timestamp(),
            model=name if state == "succeeded" else None,
            trained_tokens=answer.get("BillableTokenCount"),
            error_code=(detail or "Failed") if failed else None,
            error_message=shown(str(answer.get("FailureReason") or "")) or None if failed else None,
            metadata={"intent": intent} if intent and name == job_name(intent) else {},
        )
    except (LookupError, AttributeError, TypeError, ValueError):
        pass
    remedy = "Look at the job in the SageMaker console, then run `tunegate resume RUN`."
    raise ProviderUnavailableError("reading the training job", "its description is not readable", remedy)


def history(answer: Mapping[str, Any]) -> list[JobEvent]:
    """What it went through, how far it is, and the metrics that its algorithm emitted last, oldest first."""
    name, latest = answer["TrainingJobName"], answer.get("LastModifiedTime") or answer["CreationTime"]
    events = [
        event(f"{name}/{step['Status']}", step["StartTime"], f"{step['Status']}: {step.get('StatusMessage') or ''}")
        for step in answer.get("SecondaryStatusTransitions") or ()
    ]
    progress = answer.get("ProgressInfo") or {}
    if "CurrentStep" in progress:
        epoch, step = progress.get("CurrentEpoch", 0), progress["CurrentStep"]
        metrics = {"step": float(step), "epoch": float(epoch)}
        events.append(event(f"{name}/progress-{epoch}-{step}", latest, f"epoch {epoch}, step {step}", metrics=metrics))
    final = {found["MetricName"]: float(found["Value"]) for found in answer.get("FinalMetricDataList") or ()}
    if final:
        events.append(event(f"{name}/final", latest, "the last metrics", metrics=final))
    return sorted(events, key=lambda found: found.created_at)


def _own_image(request: JobRequest, aws: Aws) -> dict[str, Any]:
    """The image reads the order as hyperparameters and the chat file from /opt/ml/input/data/train."""
    order = {
        "base_model": request.base_model,
        "method": request.method,
        "seed": request.seed,
        **{name: getattr(request, name) for name in USUAL},
        **request.hyperparameters,
    }
    return {
        "AlgorithmSpecification": {"TrainingImage": aws.image, "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": aws.instance_type, "InstanceCount": 1, "VolumeSizeInGB": VOLUME_GB},
        "HyperParameters": {name: str(value) for name, value in order.items() if value is not None},
    }


def _serverless(request: JobRequest, aws: Aws) -> dict[str, Any]:
    """A LoRA of a model of SageMaker's hub. Its recipe names the hyperparameters, and tunegate renames none."""
    given = [name for name in USUAL if getattr(request, name) is not None]
    if given:
        remedy = "Give them under fine_tune.hyperparameters, as the model's recipe names them."
        raise _refused(f"a serverless job takes no {', '.join(given)}", remedy)
    if not HUB_MODEL.fullmatch(request.base_model):
        remedy = "Give a hub model's ARN as fine_tune.base_model, or set provider.aws.image and instance_type."
        raise _refused(f"{request.base_model} is no model of a SageMaker hub", remedy)
    if not aws.model_package_group:
        remedy = "Name the ARN of the group that the tuned model becomes a package of."
        raise _refused("provider.aws.model_package_group is not set", remedy)
    return {
        "ServerlessJobConfig": {
            "BaseModelArn": request.base_model,
            "AcceptEula": aws.accept_eula,
            "JobType": "FineTuning",
            "CustomizationTechnique": TECHNIQUES[request.method],
            "Peft": "LORA",
        },
        "ModelPackageConfig": {"ModelPackageGroupArn": aws.model_package_group},
        "HyperParameters": {name: str(value) for name, value in request.hyperparameters.items()},
    }


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _train_channel(answer: Mapping[str, Any]) -> str:
    channels = {channel["ChannelName"]: channel["DataSource"] for channel in answer.get("InputDataConfig") or ()}
    return str(channels.get("train", {}).get("S3DataSource", {}).get("S3Uri", ""))


def _base_model(answer: Mapping[str, Any]) -> str:
    serverless, order = answer.get("ServerlessJobConfig") or {}, answer.get("HyperParameters") or {}
    return str(serverless.get("BaseModelArn") or order.get("base_model") or "")


def _refused(problem: str, remedy: str) -> ProviderRefusedError:
    return ProviderRefusedError(CALL, "unsupported", f"{problem}; nothing was bought", remedy)
