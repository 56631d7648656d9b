"""A model customisation job of Bedrock: what is asked for, and how its state is read.

Shapes: botocore 1.44, CreateModelCustomizationJob and GetModelCustomizationJob, read 2026-11-22.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from data_contracts.money import Job, JobEvent
from data_contracts.provider import Aws
from tasks.errors import ProviderRefusedError, ProviderUnavailableError
from tasks.providers.aws.forms import Form, converted_uri, hyperparameters, original_uri
from tasks.providers.aws.staging import output_of
from tasks.providers.protocol import JobRequest
from tasks.providers.redact import shown

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: dict[str, State] = {
    "InProgress": "running",
    "Stopping": "running",
    "Completed": "succeeded",
    "Failed": "failed",
    "Stopped": "cancelled",
}
METRICS = {
    "step_number": "step",
    "epoch_number": "epoch",
    "training_loss": "train_loss",
    "validation_loss": "valid_loss",
    "perplexity": "perplexity",
}


def job_name(intent: str) -> str:
    """Name of the one job of this purchase; AWS keeps names unique in an account and region."""
    return f"tunegate-{re.sub('[^a-zA-Z0-9-]', '-', intent)[:54].strip('-')}"


def body(request: JobRequest, form: Form, aws: Aws) -> dict[str, Any]:
    """Arguments of create_model_customization_job. The intent is the token: AWS makes one job of however many calls."""
    intent = request.metadata["intent"]
    reinforced = request.method == "reinforcement"
    asked = {
        "jobName": job_name(intent),
        "customModelName": model_name(request.suffix, intent),
        "clientRequestToken": intent,
        "roleArn": aws.role_arn,
        "baseModelIdentifier": request.base_model,
        "customizationType": "REINFORCEMENT_FINE_TUNING" if reinforced else "FINE_TUNING",
        "customModelKmsKeyId": aws.kms_key,
        "trainingDataConfig": {"s3Uri": converted_uri(request.training_file, form)},
        "validationDataConfig": _validators(request, form),
        "outputDataConfig": {"s3Uri": output_of(request.training_file)},
        "jobTags": tags(request.metadata),
        "customModelTags": tags(request.metadata),
        **(_reinforcement(request, form) if reinforced else {"hyperParameters": _texts(_given(request, form))}),
    }
    return {name: value for name, value in asked.items() if value}


def tags(metadata: Mapping[str, str], key: str = "key", value: str = "value") -> list[dict[str, str]]:
    """The metadata as tags, in the characters that AWS allows there."""
    return [
        {key: f"tunegate.{name}", value: re.sub(r"[^\w\s.:/=+@-]", "_", text, flags=re.ASCII)[:256]}
        for name, text in metadata.items()
    ]


def model_name(suffix: str | None, intent: str) -> str:
    """Name of the tuned model: the suffix, and enough of the intent to tell purchases apart."""
    words = re.sub("[^a-zA-Z0-9]+", "-", suffix or "").strip("-") or "tunegate"
    return f"{words[:40]}-{re.sub('[^a-zA-Z0-9]', '', intent)[:16]}"


def ordered(request: JobRequest, now: float) -> Job:
    """A job that AWS has just taken, whose answer is an ARN and nothing else."""
    return Job(
        id=job_name(request.metadata["intent"]),
        state="queued",
        raw_state="Created",
        base_model=request.base_model,
        training_file=request.training_file,
        created_at=now,
        metadata=dict(request.metadata),
    )


def normalised(answer: Mapping[str, Any]) -> Job:
    """A described job as every provider's is handed on. A state that is not known is `unknown`, never an end."""
    try:
        status, token = str(answer["status"]), answer.get("clientRequestToken")
        failed = status == "Failed"
        return Job(
            id=answer["jobName"],
            state=STATES.get(status, "unknown"),
            raw_state=shown(status, 40),
            base_model=answer["baseModelArn"].partition("foundation-model/")[2] or answer["baseModelArn"],
            training_file=original_uri(answer["trainingDataConfig"]["s3Uri"]),
            created_at=answer["creationTime"].timestamp(),
            model=answer.get("outputModelArn") if status == "Completed" else None,
            error_code="Failed" if failed else None,
            error_message=shown(str(answer.get("failureMessage") or "")) or None if failed else None,
            metadata={"intent": token} if token else {},
        )
    except (LookupError, AttributeError, TypeError, ValueError):
        pass
    remedy = "Look at the job in the Bedrock console, then run `tunegate resume RUN`."
    raise ProviderUnavailableError("reading the customisation job", "its description is not readable", remedy)


def history(answer: Mapping[str, Any]) -> list[JobEvent]:
    """Its beginning, and its state where that is another one by now."""
    job, changed = answer["jobName"], answer.get("lastModifiedTime") or answer["creationTime"]
    events = [event(f"{job}/created", answer["creationTime"], "the job was created")]
    level = "error" if answer["status"] == "Failed" else "info"
    loss = {"train_loss": (answer.get("trainingMetrics") or {}).get("trainingLoss")}
    for number, found in enumerate(answer.get("validationMetrics") or (), 1):
        loss["valid_loss" if number == 1 else f"valid_loss_{number}"] = found.get("validationLoss")
    metrics = _finite(loss) if answer["status"] == "Completed" else {}
    return [*events, event(f"{job}/{answer['status']}", changed, f"the job is {answer['status']}", level, metrics)]


def steps(job: str, content: bytes, when: datetime) -> list[JobEvent]:
    """One event a row of step_wise_training_metrics.csv or validation_metrics.csv; what is no number is left out."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", "replace")))
    found = [_finite({name: row.get(column) for column, name in METRICS.items()}) for row in rows]
    kind = "valid" if any("valid_loss" in metrics for metrics in found) else "train"
    return [
        event(f"{job}/{kind}-{number}", when, f"step {metrics.get('step', number):.0f}", metrics=metrics)
        for number, metrics in enumerate(found)
        if metrics
    ]


def event(
    name: str, when: datetime, message: str, level: str = "info", metrics: Mapping[str, float] | None = None
) -> JobEvent:
    """One line of a job's history."""
    return JobEvent(id=name, created_at=when.timestamp(), level=level, message=shown(message), metrics=metrics or {})


def _validators(request: JobRequest, form: Form) -> dict[str, Any]:
    if not request.validation_file or not form.validates:
        return {}
    return {"validators": [{"s3Uri": converted_uri(request.validation_file, form)}]}


def _reinforcement(request: JobRequest, form: Form) -> dict[str, Any]:
    """`fine_tune.grader` in Bedrock's words: {"lambdaGrader": {"lambdaArn": ...}}."""
    match request.grader:
        case {"lambdaGrader": {"lambdaArn": str(arn), **more}, **others} if not more and not others:
            grader = {"lambdaGrader": {"lambdaArn": arn}}
        case _:
            remedy = 'Write fine_tune.grader as {"lambdaGrader": {"lambdaArn": ARN}}.'
            raise ProviderRefusedError("preparing the training job", "grader", "it is no Lambda function's", remedy)
    given = _given(request, form)
    return {"customizationConfig": {"rftConfig": {"graderConfig": grader, "hyperParameters": given}}}


def _given(request: JobRequest, form: Form) -> dict[str, Any]:
    usual = {name: getattr(request, name) for name in ("n_epochs", "batch_size", "learning_rate_multiplier")}
    return hyperparameters({**usual, **request.hyperparameters}, form)


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{value:.10g}" if isinstance(value, float) else str(value) for name, value in given.items()}


def _finite(values: Iterable[tuple[str, Any]] | Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among the values."""
    found: dict[str, float] = {}
    for name, value in dict(values).items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            found[name] = number
    return found
