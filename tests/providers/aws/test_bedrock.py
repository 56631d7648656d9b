"""Bedrock's files and jobs against moto's server."""

import json
from typing import Any

import boto3
import pytest
from moto.backends import get_backend

from data_contracts.provider import Aws, OwnPrice, ProviderSettings
from tasks.errors import AmbiguousAnswerError, ConfigurationError, ProviderRefusedError
from tasks.providers.aws.account import Account
from tasks.providers.aws.bedrock import Bedrock
from tasks.providers.connect import connect
from tests.providers.aws.conftest import REGION, ROLE
from tests.providers.aws.orders import INTENT, NOVA, file_of, record, request

CREATE = "after-call.bedrock.CreateModelCustomizationJob"


def stored(endpoint: str, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def sent(bedrock: Bedrock, account: Account, **changes: Any) -> dict[str, Any]:
    """What boto3 sends for a request, as it stands in the body."""
    bodies: list[dict[str, Any]] = []
    event = "before-call.bedrock.CreateModelCustomizationJob"
    account.client("bedrock").meta.events.register(event, lambda params, **_: bodies.append(json.loads(params["body"])))
    bedrock.create_job(request(bedrock, **changes))
    return bodies[0]


def set_job(**fields: Any) -> None:
    """What AWS does to the job meanwhile: moto leaves it as it is."""
    job = list(get_backend("bedrock")["123456789012"][REGION].model_customization_jobs.values())[-1]
    vars(job).update(fields)


@pytest.fixture(autouse=True)
def no_jobs() -> None:
    backend = get_backend("bedrock")["123456789012"][REGION]
    backend.model_customization_jobs.clear()
    backend.custom_models.clear()


# ---------------------------------------------------------------- files


def test_a_file_is_found_again_by_name_and_content(bedrock: Bedrock) -> None:
    assert bedrock.find_file("a.jsonl", b"rows") is None
    uri = bedrock.upload("a.jsonl", b"rows")
    assert bedrock.find_file("a.jsonl", b"rows") == uri and bedrock.has_file(uri)
    assert bedrock.find_file("a.jsonl", b"other rows") is None
    assert bedrock.find_file("b.jsonl", b"rows") is None


def test_an_upload_repeated_leaves_the_one_file(bedrock: Bedrock, endpoint: str) -> None:
    assert bedrock.upload("a.jsonl", b"rows") == (uri := bedrock.upload("a.jsonl", b"rows"))
    assert stored(endpoint, uri) == b"rows"


def test_a_file_that_somebody_put_in_its_place_is_neither_found_nor_overwritten(
    bedrock: Bedrock, endpoint: str
) -> None:
    bucket, _, key = bedrock.upload("a.jsonl", b"rows").removeprefix("s3://").partition("/")
    boto3.client("s3", endpoint_url=endpoint, region_name=REGION).put_object(Bucket=bucket, Key=key, Body=b"swor")
    assert bedrock.find_file("a.jsonl", b"rows") is None
    with pytest.raises(ProviderRefusedError, match="another file"):
        bedrock.upload("a.jsonl", b"rows")


def test_a_deleted_file_is_gone_with_all_that_was_made_of_it(bedrock: Bedrock, endpoint: str, storage: str) -> None:
    wanted = request(bedrock)
    bedrock.create_job(wanted)
    bedrock.delete_file(wanted.training_file)
    bedrock.delete_file(wanted.training_file)
    assert not bedrock.has_file(wanted.training_file)
    bucket, _, prefix = storage.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)


@pytest.mark.parametrize(
    ("missing", "says"), [({"storage": ""}, r"provider\.aws\.storage"), ({"role_arn": ""}, r"provider\.aws\.role_arn")]
)
def test_settings_that_cannot_train_stop_before_the_first_upload(aws: Aws, missing: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        connect(ProviderSettings(name="bedrock", aws=aws.model_copy(update=missing))).find_file("a.jsonl", b"rows")


# ---------------------------------------------------------------- what is bought


def test_the_order_reaches_aws_under_the_intents_name_and_token(bedrock: Bedrock, account: Account) -> None:
    body = sent(bedrock, account, hyperparameters={"learningRate": 1e-5})
    assert body["clientRequestToken"] == INTENT and body["jobName"] == f"tunegate-{INTENT[:54]}"
    assert body["baseModelIdentifier"] == NOVA and body["roleArn"] == ROLE
    assert body["customizationType"] == "FINE_TUNING"
    assert body["hyperParameters"] == {"epochCount": "2", "learningRate": "1e-05"}
    assert body["customModelName"] == f"support-{INTENT[:16]}"
    assert {"key": "tunegate.intent", "value": INTENT} in body["jobTags"]
    assert {"key": "tunegate.use_case", "value": "support intents"} in body["jobTags"]


def test_the_base_model_trains_on_its_own_form_of_the_file(bedrock: Bedrock, account: Account, endpoint: str) -> None:
    body = sent(bedrock, account)
    (first, *_) = stored(endpoint, body["trainingDataConfig"]["s3Uri"]).splitlines()
    assert json.loads(first) == {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Name the label."}],
        "messages": [
            {"role": "user", "content": [{"text": "Question 0"}]},
            {"role": "assistant", "content": [{"text": "card"}]},
        ],
    }


def test_a_validation_file_goes_along_where_the_base_model_takes_one(bedrock: Bedrock, account: Account) -> None:
    validation = bedrock.upload("i.validation.jsonl", file_of(count=1))
    body = sent(bedrock, account, validation_file=validation, metadata={"intent": "first"})
    (validator,) = body["validationDataConfig"]["validators"]
    assert validator["s3Uri"] == validation.replace(".jsonl", ".conversation.jsonl")
    assert "validationDataConfig" not in sent(
        bedrock, account, validation_file=validation, base_model="amazon.nova-2-lite-v1:0"
    )


def test_reinforcement_trains_on_the_chat_file_with_a_lambda_as_grader(
    bedrock: Bedrock, account: Account, endpoint: str
) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:grade"
    graded = [{"messages": record(number)["messages"][:2], "reference_answer": "card"} for number in range(100)]
    body = sent(bedrock, account, content=file_of(*graded), method="reinforcement", batch_size=32,
                grader={"lambdaGrader": {"lambdaArn": arn}}, hyperparameters={"maxPromptLength": 512})  # fmt: skip
    assert body["customizationType"] == "REINFORCEMENT_FINE_TUNING" and "hyperParameters" not in body
    assert body["customizationConfig"]["rftConfig"] == {
        "graderConfig": {"lambdaGrader": {"lambdaArn": arn}},
        "hyperParameters": {"epochCount": 2, "batchSize": 32, "maxPromptLength": 512},
    }
    assert stored(endpoint, body["trainingDataConfig"]["s3Uri"]) == file_of(*graded)


def test_the_key_that_encrypts_the_tuned_model_is_handed_on(settings: ProviderSettings, aws: Aws) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    settings = settings.model_copy(update={"aws": aws.model_copy(update={"kms_key": key})})
    account = Account(settings)
    assert sent(Bedrock(settings, account), account)["customModelKmsKeyId"] == key


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "a base model of unknown form": ({"base_model": "ai21.j2-mid"}, "no training file's form"),
    "a multiplier where Bedrock wants a rate": ({"learning_rate_multiplier": 2.0}, "takes no learningRateMultiplier"),
    "a hyperparameter of another family": ({"hyperparameters": {"earlyStoppingPatience": 1}}, "earlyStoppingPatience"),
    "too few records": ({"base_model": "anthropic.claude-3-haiku-20240307-v1:0"}, "asks for 32"),
    "a grader that is no Lambda": (
        {"method": "reinforcement", "grader": {"type": "string_check"}, "content": file_of(count=100)},
        "Lambda",
    ),
    "a record with tools": ({"content": file_of(*[record(tools=[{"type": "function"}])] * 12)}, "line 1 .* tools"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_before_anything_is_bought(bedrock: Bedrock, case: str) -> None:
    changes, says = REFUSALS[case]
    with pytest.raises(ProviderRefusedError, match=says) as caught:
        bedrock.create_job(request(bedrock, **changes))
    assert "Question" not in str(caught.value), "no row text"
    assert not get_backend("bedrock")["123456789012"][REGION].model_customization_jobs


# ---------------------------------------------------------------- one job, whatever happens


def test_a_second_request_finds_the_first_ones_job(bedrock: Bedrock) -> None:
    wanted = request(bedrock)
    first, second = bedrock.create_job(wanted), bedrock.create_job(wanted)
    assert first.id == second.id and first.training_file == second.training_file == wanted.training_file
    assert [job.id for job in bedrock.find_jobs(INTENT, wanted.training_file)] == [first.id]


def test_a_job_is_found_by_its_intent_alone(bedrock: Bedrock) -> None:
    job = bedrock.create_job(request(bedrock))
    (found,) = bedrock.find_jobs(INTENT, "")
    assert found.id == job.id and found.metadata["intent"] == INTENT
    assert bedrock.find_jobs("cd" * 32, "") == []


def test_a_name_that_is_taken_by_a_job_that_aws_does_not_show_is_looked_for_again(bedrock: Bedrock) -> None:
    wanted = request(bedrock)
    bedrock.create_job(wanted)
    get_backend("bedrock")["123456789012"][REGION].model_customization_jobs.clear()  # the model's name is still taken
    with pytest.raises(AmbiguousAnswerError, match="does not show the job"):
        bedrock.create_job(wanted)


def test_an_answer_that_names_no_job_is_ambiguous(bedrock: Bedrock, account: Account) -> None:
    account.client("bedrock").meta.events.register(CREATE, lambda parsed, **_: parsed.clear())
    with pytest.raises(AmbiguousAnswerError, match="names no job"):
        bedrock.create_job(request(bedrock))


# ---------------------------------------------------------------- states and history


@pytest.mark.parametrize(
    ("status", "state"),
    [("InProgress", "running"), ("Stopping", "running"), ("Completed", "succeeded"), ("Failed", "failed"),
     ("Stopped", "cancelled"), ("Paused", "unknown")],
)  # fmt: skip
def test_states(bedrock: Bedrock, status: str, state: str) -> None:
    job_id = bedrock.create_job(request(bedrock)).id
    set_job(status=status, failure_message="The data\nis malformed.")
    job = bedrock.job(job_id)
    assert (job.state, job.raw_state) == (state, status)
    assert job.error_message == ("The data is malformed." if state == "failed" else None)
    assert bool(job.model) == (state == "succeeded")


def test_a_job_that_is_cancelled_stops_and_stays_so(bedrock: Bedrock) -> None:
    job_id = bedrock.create_job(request(bedrock)).id
    assert bedrock.cancel(job_id).state == bedrock.cancel(job_id).state == "cancelled"


def test_a_job_that_does_not_exist_is_refused_by_name(bedrock: Bedrock) -> None:
    with pytest.raises(ProviderRefusedError, match="AWS knows no such thing"):
        bedrock.job("nobody")


def test_the_metrics_of_each_step_become_events_once_aws_has_written_them(
    bedrock: Bedrock, endpoint: str, storage: str
) -> None:
    job_id = bedrock.create_job(request(bedrock)).id
    before = {event.id for event in bedrock.events(job_id)}
    bucket, _, prefix = storage.removeprefix("s3://").partition("/")
    folder = f"{prefix}/output/model-customization-job-{job_id}"  # moto's ARN ends with the name
    steps = "step_number,epoch_number,training_loss,perplexity\n0,1,2.5,12\n1,1,1.5,nan\n"
    valid = "step_number,epoch_number,validation_loss\n1,1,1.75\n"
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    s3.put_object(Bucket=bucket, Key=f"{folder}/training_artifacts/step_wise_training_metrics.csv", Body=steps)
    s3.put_object(Bucket=bucket, Key=f"{folder}/validation_artifacts/x/validation_metrics.csv", Body=valid)
    events = bedrock.events(job_id)
    metrics = [event.metrics for event in events if event.metrics]
    assert metrics == [
        {"step": 0.0, "epoch": 1.0, "train_loss": 2.5, "perplexity": 12.0},
        {"step": 1.0, "epoch": 1.0, "train_loss": 1.5},
        {"step": 1.0, "epoch": 1.0, "valid_loss": 1.75},
    ]
    assert len({event.id for event in events}) == len(events) and before < {event.id for event in events}


def test_output_that_may_not_be_read_does_not_stop_the_waiting(bedrock: Bedrock, account: Account) -> None:
    job_id = bedrock.create_job(request(bedrock)).id
    denied = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    def refuse(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        http_response.status_code = 403
        parsed.update(denied)

    account.client("s3").meta.events.register("after-call.s3.ListObjectsV2", refuse)
    assert [event.message for event in bedrock.events(job_id)] == ["the job was created", "the job is InProgress"]


# ---------------------------------------------------------------- the account


def test_the_account_is_the_one_of_the_role(bedrock: Bedrock) -> None:
    assert bedrock.account == "123456789012"


def test_without_a_region_nothing_starts(aws: Aws) -> None:
    with pytest.raises(ConfigurationError, match=r"provider\.aws\.region"):
        connect(ProviderSettings(name="bedrock", aws=aws.model_copy(update={"region": None})))


def test_the_region_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert connect(ProviderSettings(name="bedrock")).base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"


def test_the_standard_endpoint_variable_wins_over_the_use_case(
    settings: ProviderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert connect(settings).base_url == "http://127.0.0.1:9"


def test_rows_do_not_travel_unencrypted(aws: Aws) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        connect(ProviderSettings(name="bedrock", aws=aws.model_copy(update={"endpoint_url": "http://aws.example"})))


def test_own_prices_count(settings: ProviderSettings) -> None:
    priced = settings.model_copy(update={"prices": {NOVA: OwnPrice(training=8.0)}})
    assert connect(priced).price(NOVA, tuned=False).training == 8.0
