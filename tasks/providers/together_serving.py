"""How a tuned model of Together answers: on shared capacity where its base model allows, else on hardware of its own.

The second API (docs.together.ai/docs/dedicated-endpoints, 2026-11) deploys a model under an endpoint, in a certified
configuration, and bills by the minute while a replica runs. Names are unique in a project and ours follow from the
model's, so whoever is asked again finds what was made before.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from data_contracts.money import usd
from tasks.errors import ConfigurationError, ProviderRefusedError, ProviderUnavailableError, TunegateError
from tasks.providers.asking import gone_or_error
from tasks.providers.failure import RESUME, Failure, read_error
from tasks.providers.protocol import Serving
from tasks.providers.redact import shown
from tasks.providers.together_calls import Calls, as_, raw
from tasks.providers.together_models import Models
from tasks.providers.together_records import Listing
from tasks.providers.together_registry import Config, Deployment, Endpoint, Hardware

if TYPE_CHECKING:
    from httpx import Response
    from together import Together
    from together.types import DeploymentAutoscalingParam

CALL = "deploying the tuned model"
STATES: dict[str, Literal["ready", "failed"]] = {  # whatever else it is doing, it is starting
    "DEPLOYMENT_STATE_READY": "ready",
    "DEPLOYMENT_STATE_FAILED": "failed",
}
STOPPED = ("DEPLOYMENT_STATE_STOPPED", "DEPLOYMENT_STATE_STOPPING")
DEDICATED = "set provider.together.serving: dedicated, and provider.together.hardware"


class Hosting(Protocol):
    """One way of serving."""

    def serve(self, model: str) -> Serving:
        """Start, or look how far it is."""

    def withdraw(self, model: str) -> None:
        """Stop; what is gone already is fine."""

    def hourly(self) -> float | None:
        """USD an hour while it is served; None where Together does not say."""


@dataclass(frozen=True)
class Serverless:
    """Answers by the token, with nothing to deploy."""

    calls: Calls
    library: "Together"

    def serve(self, model: str) -> Serving:
        """Whether it answers. Only a question tells, of one token."""
        ask: Any = self.library.chat.completions.with_raw_response.create  # overloaded for streams
        send = raw(ask, model=model, messages=[{"role": "user", "content": "ping"}], max_tokens=1)
        try:
            self.calls.read("asking the tuned model", send, _answered)
        except ProviderRefusedError as error:
            if error.code == "model_not_available" or "non-serverless" in error.message:
                return Serving("failed", model, f"its base model serves no adapters by the token: {DEDICATED}")
            return Serving("starting", model, f"it does not answer yet ({error.code})")
        return Serving("ready", model)

    def withdraw(self, model: str) -> None:
        """Nothing to take down."""

    def hourly(self) -> float | None:
        """Nothing."""
        return 0.0


@dataclass(frozen=True)
class Dedicated:
    """Answers from one replica on hardware of its own."""

    calls: Calls
    library: "Together"
    models: Models
    hardware: str

    def serve(self, model: str) -> Serving:
        """Deploy it, or look how far its deployment is; one that was stopped is started again."""
        endpoint = self._endpoint(model)
        if endpoint is None or not endpoint.deployments:
            return self._deploy(model, endpoint)
        found = self._deployment(endpoint.id, endpoint.deployments[0].id)
        if found.status.state in STOPPED:
            self._scale(endpoint.id, found.id, 1)
        reason = shown(f"{found.status.state.removeprefix('DEPLOYMENT_STATE_').lower()}: {found.status.message}")
        return Serving(STATES.get(found.status.state, "starting"), found.name, reason)

    def withdraw(self, model: str) -> None:
        """Stop and delete what `serve` made; what is gone already is fine."""
        endpoint = self._endpoint(model)
        if endpoint is None:
            return
        for deployment in endpoint.deployments:
            with suppress(LookupError):
                self._scale(endpoint.id, deployment.id, 0)
            self._delete(
                self.library.endpoints.deployments.with_raw_response.delete, deployment.id, endpoint_id=endpoint.id
            )
        self._delete(self.library.endpoints.with_raw_response.delete, endpoint.id)

    def hourly(self) -> float | None:
        """USD an hour of one replica, by Together's public list."""
        return self._hourly(self.hardware)

    def _hourly(self, hardware: str) -> float | None:
        send = raw(self.library.endpoints.hardware.with_raw_response.list)
        with suppress(TunegateError):
            listed = self.calls.once("listing hardware", send, as_(Listing[Hardware]), read_error).data
            return next((one.price_cents_per_hour / 100 for one in listed if hardware in (one.id, one.name)), None)
        return None

    def _endpoint(self, model: str) -> Endpoint | None:
        listing = self.library.endpoints.with_raw_response.list
        method = partial(listing, project_id=self.models.project)
        found = self.calls.every("listing endpoints", method, Listing[Endpoint])
        return next((one for one in found if one.name.rpartition("/")[2] == _name(model)), None)

    def _deployment(self, endpoint: str, deployment: str) -> Deployment:
        method = self.library.endpoints.deployments.with_raw_response.retrieve
        send = raw(method, deployment, project_id=self.models.project, endpoint_id=endpoint)
        return self.calls.read("looking at the deployment", send, as_(Deployment, id=deployment))

    def _deploy(self, model: str, endpoint: Endpoint | None) -> Serving:
        """Asked once each: after a lost answer, the next look finds what was made."""
        job = self.models.maker(model)
        if job is None or not job.weights:
            return Serving("starting", model, "its weights are not in Together's model registry yet")
        project, weights = self.models.project, job.weights[0]
        config = self._config(weights)
        if endpoint is None:
            send = raw(self.library.endpoints.with_raw_response.create, name=_name(model), project_id=project)
            endpoint = self.calls.once(CALL, send, as_(Endpoint), read_error)
        send = raw(
            self.library.endpoints.deployments.with_raw_response.create,
            endpoint.id,
            project_id=project,
            name=_name(model),
            model=f"projects/{project}/models/{weights}",
            config=f"projects/{config.project_id}/configs/{config.id}",
            autoscaling=_replicas(1),
        )
        made = self.calls.once(CALL, send, as_(Deployment), read_error)
        return Serving("starting", made.name, f"on {config.hardware}, {usd(self._hourly(config.hardware))} an hour")

    def _config(self, weights: str) -> Config:
        """The configuration on the hardware that the settings name, or the only one."""
        listing = self.library.models.configs.with_raw_response.list
        method = partial(listing, project_id=self.models.project, reference_model_id=weights)
        found = [one for one in self.calls.every("listing configurations", method, Listing[Config]) if one.merges]
        fitting = [one for one in found if self.hardware in (one.hardware, one.id)]
        if not fitting and (self.hardware or len({one.hardware for one in found}) != 1):
            names = ", ".join(sorted({one.hardware for one in found})) or "nothing"
            problem = f"{self.hardware or 'nothing'} is set, and Together deploys this model on {names}"
            raise ConfigurationError("provider.together.hardware", problem, f"Set one of these. {RESUME}")
        return (fitting or found)[0]

    def _scale(self, endpoint: str, deployment: str, replicas: int) -> None:
        send = raw(
            self.library.endpoints.deployments.with_raw_response.update,
            deployment,
            project_id=self.models.project,
            endpoint_id=endpoint,
            autoscaling=_replicas(replicas),
            update_mask="autoscaling",
        )
        self.calls.read("scaling the deployment", send, as_(Deployment, id=deployment), gone_or_error)

    def _delete(self, method: Callable[..., Any], ident: str, **options: str) -> None:
        send = raw(method, ident, project_id=self.models.project, **options)
        with suppress(LookupError):
            self.calls.read("withdrawing the deployment", send, lambda answer: answer, _gone_or_scaling_down)


def _name(model: str) -> str:
    return f"tunegate-{hashlib.sha256(model.encode()).hexdigest()[:16]}"


def _replicas(count: int) -> "DeploymentAutoscalingParam":
    return {"min_replicas": count, "max_replicas": count}


def _answered(answer: "Response") -> None:
    if not isinstance(answer.json(), dict) or not answer.json().get("choices"):
        raise ValueError("no completion")


def _gone_or_scaling_down(call: str, failure: Failure) -> Exception:
    """What runs cannot be deleted, and stopping takes a while: the refusal is one for now only."""
    error = gone_or_error(call, failure)
    if not isinstance(error, ProviderRefusedError):
        return error
    remedy = f"It costs nothing once it has stopped. {RESUME}"
    return ProviderUnavailableError(call, f"it is not down yet ({error.code})", remedy)
