"""A custom model answers where it is deployed: one deployment each, against botocore's model of Bedrock."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from tasks.errors import CredentialsError, ProviderRefusedError, ProviderUnavailableError
from tasks.providers.aws.bedrock import Bedrock
from tests.fake_clock import FakeClock

MODEL = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl"
DEPLOYMENT = "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/"
CREATE = {"modelDeploymentName": ANY, "modelArn": MODEL}


def found(stub: Stubber, *statuses: str, **more: Any) -> None:
    deployments = [
        {
            "customModelDeploymentArn": f"{DEPLOYMENT}{number:012}",
            "customModelDeploymentName": f"tunegate-{number}",
            "modelArn": MODEL,
            "createdAt": datetime(2026, 11, 1, tzinfo=UTC),
            "status": status,
            **more,
        }
        for number, status in enumerate(statuses)
    ]
    stub.add_response(
        "list_custom_model_deployments", {"modelDeploymentSummaries": deployments}, {"modelArnEquals": MODEL}
    )


def test_the_first_call_deploys_and_later_ones_look(bedrock: Bedrock, stub: Stubber) -> None:
    found(stub)
    stub.add_response("create_custom_model_deployment", {"customModelDeploymentArn": f"{DEPLOYMENT}{0:012}"}, CREATE)
    found(stub, "Creating")
    found(stub, "Active")
    assert [bedrock.serve(MODEL).state for _ in range(3)] == ["starting", "starting", "ready"]


def test_requests_ask_for_the_deployment(bedrock: Bedrock, stub: Stubber) -> None:
    found(stub, "Failed", "Active")
    assert bedrock.serve(MODEL).model == f"{DEPLOYMENT}{1:012}"


def test_a_deployment_that_failed_says_why(bedrock: Bedrock, stub: Stubber) -> None:
    found(stub, "Failed", failureMessage="The model\nis not active.")
    serving = bedrock.serve(MODEL)
    assert (serving.state, serving.reason) == ("failed", "The model is not active.")


@pytest.mark.parametrize("code", ["ConflictException", "ResourceInUseException"])
def test_one_that_no_list_shows_yet_is_waited_for(bedrock: Bedrock, stub: Stubber, code: str) -> None:
    found(stub)
    stub.add_client_error("create_custom_model_deployment", code, "taken", 409)
    assert bedrock.serve(MODEL).state == "starting"


def test_a_lost_answer_is_looked_for_and_not_repeated(bedrock: Bedrock, stub: Stubber, clock: FakeClock) -> None:
    found(stub)
    stub.add_client_error("create_custom_model_deployment", "InternalServerException", http_status_code=500)
    with pytest.raises(ProviderUnavailableError):
        bedrock.serve(MODEL)
    assert clock.slept == []
    found(stub, "Creating")
    assert bedrock.serve(MODEL).state == "starting"


def test_a_quota_stops_with_what_to_raise(bedrock: Bedrock, stub: Stubber) -> None:
    found(stub)
    stub.add_client_error("create_custom_model_deployment", "ServiceQuotaExceededException", http_status_code=400)
    with pytest.raises(CredentialsError, match="Raise the quota"):
        bedrock.serve(MODEL)


def test_a_model_that_is_gone_cannot_be_deployed(bedrock: Bedrock, stub: Stubber) -> None:
    found(stub)
    stub.add_client_error("create_custom_model_deployment", "ResourceNotFoundException", "no such model", 404)
    with pytest.raises(ProviderRefusedError, match="no such model"):
        bedrock.serve(MODEL)


def test_withdrawing_deletes_every_deployment_and_minds_none_that_is_gone(bedrock: Bedrock, stub: Stubber) -> None:
    found(stub, "Active", "Failed")
    delete = "delete_custom_model_deployment"
    stub.add_response(delete, {}, {"customModelDeploymentIdentifier": f"{DEPLOYMENT}{0:012}"})
    stub.add_client_error(delete, "ResourceNotFoundException", "gone", 404)
    bedrock.withdraw(MODEL)


def test_a_model_that_is_deleted_is_gone(bedrock: Bedrock, stub: Stubber) -> None:
    described = {"modelArn": MODEL, "modelName": "support", "creationTime": datetime(2026, 11, 1, tzinfo=UTC)}
    stub.add_response("get_custom_model", described, {"modelIdentifier": MODEL})
    stub.add_response("delete_custom_model", {}, {"modelIdentifier": MODEL})
    stub.add_client_error("delete_custom_model", "ResourceNotFoundException", "gone", 404)
    stub.add_client_error("get_custom_model", "ResourceNotFoundException", "gone", 404)
    assert bedrock.has_model(MODEL)
    bedrock.delete_model(MODEL)
    bedrock.delete_model(MODEL)
    assert not bedrock.has_model(MODEL)
