"""Microsoft Foundry: a tuned model answers by the name of its deployment, which Azure's Resource Manager makes.

Resource Manager has a key of its own and an api-version. A deployment costs by the hour, and is deleted where nobody
asked it for 15 days (24 hours in the developer tier); the model stays, so `serve` deploys it again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from pydantic import BaseModel

from data_contracts.provider import Foundry, ProviderSettings
from tasks.clock import Clock
from tasks.errors import ConfigurationError, CredentialsError, ProviderRefusedError
from tasks.providers.asking import Address, Caller, as_, client, gone_or_error
from tasks.providers.base_url import checked
from tasks.providers.dialects import Azure
from tasks.providers.protocol import Serving
from tasks.providers.redact import shown
from tasks.providers.serving.listed import Listed, short_name, silence

DEPLOYING = "deploying at Azure's Resource Manager"
FRESH = "Tokens last about an hour: set the variable anew (`az account get-access-token`), then `tunegate resume RUN`."


class _Error(BaseModel):
    code: str = ""
    message: str = ""


class _Properties(BaseModel):
    provisioningState: str = ""  # noqa: N815 - Azure's spelling
    error: _Error | None = None


class Deployment(BaseModel):
    """As Resource Manager shows it."""

    properties: _Properties


class AzureDeployments(Listed):
    """Deployments of one Foundry resource, named after the models."""

    def __init__(self, caller: Caller, settings: ProviderSettings, rules: Azure) -> None:
        super().__init__(caller)
        self._settings, self._rules = settings, rules

    def serve(self, model: str) -> Serving:
        """Deploy it, or look how far its deployment is. `Serving.model` is the deployment's name."""
        name = short_name(model)
        found = self._look(name) or self._deploy(name, model)
        if isinstance(found, Serving):
            return found
        says = found.properties.provisioningState or "nothing"
        state, reason = self._rules.states.get(says.lower(), "starting"), self._reason(found, says)
        if state == "ready":  # Resource Manager is done minutes before the endpoint knows the name
            problem = silence(self.caller, name)
            state, reason = ("starting", problem) if problem else ("ready", self._idleness)
        return Serving(state, name, reason)

    def withdraw(self, model: str) -> None:
        """Delete its deployment; one that Azure deleted for idleness is fine."""
        manager = self._manager()
        call, path = "deleting the deployment", _path(self._foundry, short_name(model))
        with _own_key(self._foundry):
            manager.delete(call, manager.request("DELETE", path), lambda content: content)

    @property
    def _foundry(self) -> Foundry:
        if self._settings.foundry is None:
            remedy = "Set subscription, resource_group and account there."
            raise ConfigurationError("provider.foundry", "is needed to deploy a tuned model", remedy)
        return self._settings.foundry

    @property
    def _idleness(self) -> str:
        if self._foundry.sku == "DeveloperTier":
            return f"Azure deletes this deployment {self._rules.developer_hours} hours after it was made"
        return f"Azure deletes this deployment after {self._rules.idle_days} days without a request"

    def _look(self, name: str) -> Deployment | None:
        manager = self._manager()
        send = manager.request("GET", _path(self._foundry, name))
        try:
            with _own_key(self._foundry):
                return manager.read("looking at the deployment", send, as_(Deployment), gone_or_error)
        except LookupError:
            return None

    def _deploy(self, name: str, model: str) -> Deployment | Serving:
        """A PUT of the same body changes nothing, so it may be repeated."""
        foundry, manager = self._foundry, self._manager()
        publisher = next((of for start, of in self._rules.formats.items() if model.startswith(start)), "OpenAI")
        body = {
            "sku": {"name": foundry.sku, "capacity": foundry.capacity},
            "properties": {"model": {"format": publisher, "name": model, "version": "1"}},
        }
        send = manager.request("PUT", _path(foundry, name), body)
        try:
            with _own_key(foundry):
                return manager.read("deploying the tuned model", send, as_(Deployment))
        except ProviderRefusedError as refusal:
            return Serving("failed", name, f"Azure refused the deployment: {refusal.code}, {refusal.message}")

    def _reason(self, found: Deployment, says: str) -> str:
        error = found.properties.error or _Error()
        told = f": {shown(error.code, 80)} {shown(error.message)}".rstrip() if error.code or error.message else ""
        return f"{DEPLOYING}, which says {shown(says, 40)}{told}"

    def _manager(self) -> Caller:
        foundry, private = self._foundry, self._settings.allow_private_address
        token = os.environ.get(foundry.token_env, "").strip()
        if not token:
            raise CredentialsError("deploying the tuned model", f"{foundry.token_env} is not set", FRESH)
        version = self._rules.developer_api_version if foundry.sku == "DeveloperTier" else self._rules.api_version
        url = checked(foundry.management_url, "provider.foundry.management_url", private)
        address = Address(url, token, private=private, query={"api-version": version})
        return Caller(client(address, self._settings.request_timeout_s), self._clock)

    @property
    def _clock(self) -> Clock:
        return self.caller.clock


@contextmanager
def _own_key(foundry: Foundry) -> Iterator[None]:
    """Names the token's variable where Resource Manager does not accept it."""
    try:
        yield
    except CredentialsError as error:
        raise CredentialsError(error.what, f"{error.cause} with the token in {foundry.token_env}", FRESH) from None


def _path(foundry: Foundry, name: str) -> str:
    group = f"/subscriptions/{quote(foundry.subscription)}/resourceGroups/{quote(foundry.resource_group)}"
    return f"{group}/providers/Microsoft.CognitiveServices/accounts/{quote(foundry.account)}/deployments/{name}"
