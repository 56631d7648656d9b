"""Which models there are, how long they live, and whether they may be trained: against botocore's model of Bedrock."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from data_contracts.provider import ProviderSettings
from tasks.errors import CredentialsError, ProviderUnavailableError
from tasks.providers.aws.bedrock import Bedrock
from tasks.providers.connect import connect
from tasks.providers.protocol import ModelInfo
from tests.fake_clock import FakeClock
from tests.providers.aws.orders import NOVA

ARN = "arn:aws:bedrock:us-east-1::foundation-model/"
DEPLOYMENT = "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl"
MODEL = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl"
TEXT = {"byOutputModality": "TEXT"}


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def model(name: str = NOVA, tunable: bool = True, **life: Any) -> dict[str, Any]:
    return {
        "modelArn": ARN + name,
        "modelId": name,
        "providerName": "Amazon",
        "customizationsSupported": ["FINE_TUNING"] if tunable else [],
        "modelLifecycle": {"status": "ACTIVE", **life},
    }


def listed(stub: Stubber, *models: dict[str, Any]) -> None:
    stub.add_response("list_foundation_models", {"modelSummaries": list(models)}, TEXT)


def test_models_inference_profiles_and_deployments_are_listed_with_their_dates(bedrock: Bedrock, stub: Stubber) -> None:
    life: dict[str, Any] = {
        "startOfLifeTime": day("2024-12-03"),
        "legacyTime": day("2027-01-05"),
        "endOfLifeTime": day("2027-07-05"),
    }
    profile = {
        "inferenceProfileName": "US Nova Lite",
        "inferenceProfileArn": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
        "inferenceProfileId": "us.amazon.nova-lite-v1:0",
        "models": [{"modelArn": f"{ARN}amazon.nova-lite-v1:0"}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
    deployed = {
        "customModelDeploymentArn": DEPLOYMENT,
        "customModelDeploymentName": "tunegate-1",
        "modelArn": MODEL,
        "createdAt": day("2026-10-01"),
        "status": "Active",
    }
    listed(stub, model(**life))
    stub.add_response("list_inference_profiles", {"inferenceProfileSummaries": [], "nextToken": "more"}, {})
    stub.add_response("list_inference_profiles", {"inferenceProfileSummaries": [profile]}, {"nextToken": "more"})
    stub.add_response(
        "list_custom_model_deployments", {"modelDeploymentSummaries": [deployed]}, {"statusEquals": "Active"}
    )
    created = int(day("2024-12-03").timestamp())
    assert bedrock.models() == [
        ModelInfo(NOVA, created, "Amazon", "2027-07-05", tunable=True, training_until="2027-01-05"),
        ModelInfo("us.amazon.nova-lite-v1:0", 0, "bedrock", tunable=False),
        ModelInfo(DEPLOYMENT, int(day("2026-10-01").timestamp()), "bedrock", tunable=False),
    ]


@pytest.mark.parametrize(
    ("found", "is_open", "says"),
    [
        (model(), True, "lists fine-tuning"),
        (model(tunable=False), False, "lists no fine-tuning"),
        (model(status="LEGACY"), False, "legacy period"),
        (model(legacyTime=day("2026-11-22")), False, "legacy period"),
        (model(legacyTime=day("2026-11-23")), True, "lists fine-tuning"),
        (model("someone.else-v1:0"), False, "lists no model"),
    ],
)
def test_whether_a_job_may_be_started(
    bedrock: Bedrock, stub: Stubber, clock: FakeClock, found: dict[str, Any], is_open: bool, says: str
) -> None:
    clock.start = day("2026-11-22").timestamp()
    listed(stub, found)
    access = bedrock.training_access(NOVA)
    assert access.open is is_open and says in access.reason


def test_a_tunable_model_whose_file_has_no_known_form_is_left_open(bedrock: Bedrock, stub: Stubber) -> None:
    listed(stub, model("qwen.qwen3-32b-v1:0"))
    assert bedrock.training_access(f"{ARN}qwen.qwen3-32b-v1:0").open is None


def test_throttled_listings_are_asked_again(bedrock: Bedrock, stub: Stubber, clock: FakeClock) -> None:
    throttled = {"http_status_code": 429, "response_meta": {"HTTPHeaders": {"retry-after": "7"}}}
    stub.add_client_error("list_foundation_models", "ThrottlingException", **throttled)
    listed(stub, model())
    assert bedrock.training_access(NOVA).open
    assert clock.slept[0] >= 7


def test_a_wait_longer_than_our_patience_is_handed_to_the_caller(bedrock: Bedrock, stub: Stubber) -> None:
    throttled = {"http_status_code": 429, "response_meta": {"HTTPHeaders": {"retry-after": "3000"}}}
    stub.add_client_error("list_foundation_models", "ThrottlingException", **throttled)
    with pytest.raises(ProviderUnavailableError) as caught:
        bedrock.training_access(NOVA)
    assert caught.value.retry_after == 3000


def test_missing_rights_stop_with_what_to_check(bedrock: Bedrock, stub: Stubber) -> None:
    meta = {"RequestId": "req-1"}
    stub.add_client_error("list_foundation_models", "AccessDeniedException", "no", 403, response_meta=meta)
    with pytest.raises(CredentialsError, match=r"HTTP 403 AccessDeniedException \(request req-1\)\. Check the AWS_"):
        bedrock.training_access(NOVA)


def test_missing_credentials_name_the_variables(settings: ProviderSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError, match=r"NoCredentialsError.*AWS_\* variables"):
        connect(settings).training_access(NOVA)


def test_a_listing_without_an_end_proves_nothing(bedrock: Bedrock, stub: Stubber) -> None:
    listed(stub, model())
    for number in range(100):
        expected = {"nextToken": "again"} if number else {}
        stub.add_response("list_inference_profiles", {"inferenceProfileSummaries": [], "nextToken": "again"}, expected)
    with pytest.raises(ProviderUnavailableError, match="does not come to its end"):
        bedrock.models()
