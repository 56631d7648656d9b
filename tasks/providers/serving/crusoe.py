"""Crusoe: an adapter answers once it is loaded onto serverless inference, which its cloud API does for a project.

Loaded adapters expire, so `serve` loads again what is gone. Dedicated deployments, billed by the hour, are not used.
"""

from pydantic import BaseModel

from data_contracts.provider import ProviderSettings
from tasks.errors import AmbiguousAnswerError, ConfigurationError, ProviderRefusedError
from tasks.providers.asking import Address, Caller, as_, client
from tasks.providers.failure import paid_error
from tasks.providers.protocol import Serving
from tasks.providers.redact import shown
from tasks.providers.serving.listed import Listed
from tasks.providers.wire_records import Id

GONE = ("expired", "deleted", "unloaded", "deleting")


class Adapter(BaseModel):
    """A loaded adapter."""

    id: Id
    model_id: str | None = None
    status: str | None = None
    last_error: str | None = None


class Adapters(BaseModel):
    """The listing."""

    lora_adapters: list[Adapter] | None = None


class CrusoeAdapters(Listed):
    """Adapters of one project."""

    def __init__(self, caller: Caller, at: Address, settings: ProviderSettings) -> None:
        super().__init__(caller)
        self._at, self._settings = at, settings

    def serve(self, model: str) -> Serving:
        """Load it, or look how far that is; it answers to its own name."""
        found = self._find(model) or self._load(model)
        if isinstance(found, Serving):
            return found
        if found.status == "ready":
            return Serving("ready", model)
        if found.status in ("failed", "error"):
            return Serving("failed", model, shown(found.last_error or "Crusoe gives no reason"))
        return Serving("starting", model, f"Crusoe says {shown(found.status or 'nothing', 40)}")

    def withdraw(self, model: str) -> None:
        """Unload it."""
        if found := self._find(model):
            cloud = self._cloud()
            send = cloud.request("DELETE", f"/loras/{found.id}")
            cloud.delete("unloading the adapter", send, lambda content: content)

    def _find(self, model: str) -> Adapter | None:
        cloud = self._cloud()
        listed = cloud.read("listing loaded adapters", cloud.request("GET", "/loras"), as_(Adapters)).lora_adapters
        ours = (found for found in listed or [] if found.model_id == model and found.status not in GONE)
        return next(ours, None)

    def _load(self, model: str) -> Adapter | Serving:
        """Asked once; a lost answer is looked for in the listing."""
        cloud = self._cloud()
        send = cloud.request("POST", "/loras", {"model_id": model})
        try:
            return cloud.once("loading the adapter", send, as_(Adapter), paid_error)
        except AmbiguousAnswerError as lost:
            return Serving("starting", model, str(lost.cause))
        except ProviderRefusedError as refusal:
            return Serving("failed", model, f"Crusoe refused it: {refusal.code}, {refusal.message}")

    def _cloud(self) -> Caller:
        if not self._settings.project:
            remedy = "Set it to the project that the key was made in."
            raise ConfigurationError("provider.project", "is needed to serve a tuned model at Crusoe", remedy)
        url = f"{self._at.url}/projects/{self._settings.project}/foundry"
        at = Address(url, self._at.key, private=self._at.private)
        return Caller(client(at, self._settings.request_timeout_s), self.caller.clock)
