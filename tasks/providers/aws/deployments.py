"""Deployments of custom models for on-demand answers: one of each model, under a name that AWS keeps unique."""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from tasks.providers.aws.account import Account
from tasks.providers.aws.errors import TakenError
from tasks.providers.protocol import ModelInfo, Serving
from tasks.providers.redact import shown

State = Literal["ready", "starting", "failed"]
STATES: dict[str, State] = {"Active": "ready", "Creating": "starting", "Failed": "failed"}
BEST_FIRST = ["ready", "starting", "failed"]
LISTING = "listing custom model deployments"


class Deployments:
    """What answers for custom models."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def serve(self, model: str) -> Serving:
        """The best of its deployments; the first call makes one, later calls look."""
        found = sorted((_serving(one) for one in self._of(model)), key=lambda one: BEST_FIRST.index(one.state))
        return found[0] if found else self._deploy(model)

    def withdraw(self, model: str) -> None:
        """Delete them; those that are gone already are fine."""
        delete = self._bedrock.delete_custom_model_deployment
        for arn in [one["customModelDeploymentArn"] for one in self._of(model)]:
            self._account.forget("deleting a deployment", partial(delete, customModelDeploymentIdentifier=arn))

    def answering(self) -> Iterator[ModelInfo]:
        """Those of the account that can be asked."""
        for one in self._listed(statusEquals="Active"):
            yield ModelInfo(
                one["customModelDeploymentArn"], int(one["createdAt"].timestamp()), "bedrock", tunable=False
            )

    def _deploy(self, model: str) -> Serving:
        """A name of its own for each model lets AWS refuse a second one that a list does not show yet."""
        name = f"tunegate-{hashlib.sha256(model.encode()).hexdigest()[:32]}"
        create = self._bedrock.create_custom_model_deployment
        try:
            self._account.once("deploying a custom model", lambda: create(modelDeploymentName=name, modelArn=model))
        except TakenError:
            return Serving("starting", model, "its deployment is there and not listed yet")
        return Serving("starting", model, "its deployment was started")

    def _of(self, model: str) -> Iterator[dict[str, Any]]:
        return (one for one in self._listed(modelArnEquals=model) if one["modelArn"] == model)

    def _listed(self, **only: str) -> Iterator[dict[str, Any]]:
        listing = self._bedrock.list_custom_model_deployments
        return self._account.pages(LISTING, partial(listing, **only), "modelDeploymentSummaries", "nextToken")

    @property
    def _bedrock(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        return self._account.client("bedrock")


def _serving(deployment: dict[str, Any]) -> Serving:
    status = str(deployment["status"])
    reason = shown(str(deployment.get("failureMessage") or f"the deployment is {status}"))
    return Serving(STATES.get(status, "starting"), deployment["customModelDeploymentArn"], reason)
