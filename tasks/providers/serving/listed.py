"""How a tuned model comes to answer, where nothing needs to be deployed for it."""

import hashlib
from functools import partial
from typing import Protocol

from data_contracts.money import Job
from tasks.errors import ProviderRefusedError
from tasks.providers.asking import Caller, as_
from tasks.providers.failure import Failure, read_error
from tasks.providers.protocol import Serving
from tasks.providers.wire_records import WireModel, WirePage

PROBE_TOKENS = 16


class Server(Protocol):
    """What serving, withdrawing and deleting a tuned model means at one endpoint."""

    def made_by(self, job: Job) -> str | None:
        """The model that a job which succeeded has made."""

    def serve(self, model: str) -> Serving:
        """Start deploying it, or look how far that is."""

    def withdraw(self, model: str) -> None:
        """Take its deployment down."""

    def has_model(self, model: str) -> bool:
        """Whether the endpoint still holds it."""

    def delete_model(self, model: str) -> None:
        """Delete it; gone is fine."""


class Listed:
    """A tuned model answers once it is listed: OpenAI's own way."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def made_by(self, job: Job) -> str | None:
        """As the job says."""
        return job.model

    def serve(self, model: str) -> Serving:
        """Look whether it is listed."""
        send = self.caller.sdk.models.with_raw_response.list
        page = self.caller.read("listing models", send, as_(WirePage[WireModel]))
        if model in {found.id for found in page.data}:
            return Serving("ready", model)
        return Serving("starting", model, "the provider does not list it")

    def withdraw(self, model: str) -> None:
        """Nothing to take down."""

    def has_model(self, model: str) -> bool:
        """Whether the endpoint still holds it."""
        send = partial(self.caller.sdk.models.with_raw_response.retrieve, model)
        return self.caller.is_there("looking for a model", send, as_(WireModel, id=model))

    def delete_model(self, model: str) -> None:
        """Delete; a model that is gone already is fine."""
        self.caller.delete("deleting a model", partial(self.caller.sdk.models.with_raw_response.delete, model))


class Probed(Listed):
    """A tuned model answers at once, and no listing says so: it is asked for a word."""

    def serve(self, model: str) -> Serving:
        """Ask it."""
        problem = silence(self.caller, model)
        return Serving("starting", model, problem) if problem else Serving("ready", model)


def silence(caller: Caller, model: str) -> str:
    """Why a model does not answer yet; empty where it does. Costs a few tokens."""
    question = {
        "model": model,
        "messages": [{"role": "user", "content": "ping"}],
        "max_completion_tokens": PROBE_TOKENS,
    }
    try:
        caller.read("asking the tuned model", caller.request("POST", "/chat/completions", question), _any, _not_yet)
    except LookupError as error:
        return str(error)
    except ProviderRefusedError:  # it refuses this very question, so it is there
        return ""
    return ""


def _any(content: bytes) -> None:
    """An answer is an answer."""


def _not_yet(call: str, failure: Failure) -> Exception:
    if failure.status in (404, 409, 424):
        return LookupError(f"it does not answer yet ({failure})")
    return read_error(call, failure)


def short_name(model: str, length: int = 12) -> str:
    """A name for a model's deployment: the same whoever asks, whenever."""
    return f"tunegate-{hashlib.sha256(model.encode()).hexdigest()[:length]}"
