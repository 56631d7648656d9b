"""What a provider reports by itself: a webhook, verified, says which job moved. Polling never relies on it.

OpenAI's form ("Webhooks", https://platform.openai.com/docs/guides/webhooks, 2026-11): an HMAC-SHA256 over id, time and
body in three headers, the secret `whsec_...`; a message older than five minutes is refused, so that none is replayed.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from openai import OpenAI
from pydantic import BaseModel, StringConstraints, ValidationError

from tasks.errors import ConfigurationError, TunegateError

SECRET_VARIABLE = "OPENAI_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
JOBS = "fine_tuning.job."


class WebhookRefusedError(TunegateError):
    """A message that the provider did not sign, that is too old, or that is no message at all."""


@dataclass(frozen=True)
class JobMoved:
    """A job, and the state that its provider says it has reached."""

    job: str
    state: str


class Verifier:
    """Knows the secret that the provider signs with."""

    def __init__(self, variable: str = SECRET_VARIABLE) -> None:
        self._secret = _secret(variable)
        self._webhooks = OpenAI(api_key="unused: nothing is sent").webhooks

    def job_moved(self, body: bytes, headers: Mapping[str, str]) -> JobMoved | None:
        """What the message says about a job; None where it is about something else. Raises WebhookRefusedError."""
        try:
            self._webhooks.verify_signature(body, headers, secret=self._secret)
            event = _Event.model_validate_json(body)
            if not event.type.startswith(JOBS):
                return None
            return JobMoved(_JobEvent.model_validate_json(body).data.id, event.type.removeprefix(JOBS))
        except (ValidationError, ValueError, TypeError) as error:  # the SDK lets odd headers end in any of these
            raise WebhookRefusedError(type(error).__name__) from None


class _Event(BaseModel):
    object: Literal["event"]
    type: Annotated[str, StringConstraints(max_length=64)]


class _Job(BaseModel):
    id: Annotated[str, StringConstraints(pattern=r"^[\w.:-]{1,200}$")]


class _JobEvent(BaseModel):
    data: _Job


def _secret(variable: str) -> str:
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise ConfigurationError(variable, "is not set", "Put the signing secret there that the provider shows once.")
    try:
        if secret.startswith("whsec_"):
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ConfigurationError(variable, "is no signing secret", "It reads whsec_ and base64.") from None
    return secret
