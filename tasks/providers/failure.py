"""What a failed call means, read alike from the SDK's errors and from plain HTTP: stop, ask again, look first, or no.

No error made here holds a request, a response body or a header.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self

from tasks.errors import (
    AmbiguousAnswerError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers.redact import shown

BILLING_CODES = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
}
_TRAINING_CODE = re.compile(r"fine_?tun|train", re.IGNORECASE)
RESUME = "Then run `tunegate resume RUN`."


@dataclass(frozen=True)
class Failure:
    """A call that did not succeed, reduced to what may be shown. `status` 0: no answer came."""

    status: int
    code: str = ""
    type: str = ""
    message: str = ""
    request_id: str = ""
    retry_after: float | None = None
    sent: bool = True  # False: the request certainly never left

    @classmethod
    def of_answer(cls, status: int, headers: Mapping[str, str], body: bytes) -> Self:
        """Read an error answer, be its body the documented JSON or anything else."""
        error = _error_object(body)
        return cls(
            status,
            code=_word(error.get("code")),
            type=_word(error.get("type")),
            message=shown(str(error.get("message") or "no reason given")),
            request_id=_word(headers.get("x-request-id")),
            retry_after=retry_after(headers),
        )

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status < 300 or self.status in (408, 409, 429) or self.status >= 500

    @property
    def billing(self) -> bool:
        """Whether money is missing: waiting does not help."""
        return self.status == 402 or (self.status == 429 and bool(BILLING_CODES & {self.code, self.type}))

    def __str__(self) -> str:
        status = f"HTTP {self.status}" if self.status else ""
        request = f"(request {self.request_id})" if self.request_id else ""
        return " ".join(part for part in (status, self.code, request) if part)


def stopping_error(call: str, failure: Failure) -> CredentialsError | None:
    """The error for a key or an account that only a person can mend, None if the cause is another."""
    if failure.status in (401, 403):
        remedy = "Check the key in the variable that provider.api_key_env names, and what it may do."
        return CredentialsError(call, str(failure), f"{remedy} {RESUME}")
    if failure.billing:
        return CredentialsError(call, str(failure), f"Add credit or raise the spending limit at the provider. {RESUME}")
    return None


def read_error(call: str, failure: Failure) -> TunegateError:
    """What a failed call means that changed nothing, or that may be repeated."""
    stopped = stopping_error(call, failure)
    if stopped:
        return stopped
    if failure.transient:
        return _unavailable(call, failure)
    return _refused(call, failure)


def paid_error(call: str, failure: Failure) -> TunegateError:
    """What a failed upload or job creation means; AmbiguousAnswerError unless it certainly was not accepted."""
    if failure.status in (403, 404) and _TRAINING_CODE.search(failure.code):
        return _closed(call, failure)
    stopped = stopping_error(call, failure)
    if stopped:
        return stopped
    if failure.status == 429 or not failure.sent:
        return _unavailable(call, failure)
    if 400 <= failure.status < 500 and failure.status not in (408, 409):
        return _refused(call, failure)
    return AmbiguousAnswerError(
        call, f"{failure}, so it may or may not have been accepted", "Look for it before asking again."
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait: `retry-after-ms`, or `retry-after` as seconds or as a date."""
    milliseconds, stated = _number(headers.get("retry-after-ms")), headers.get("retry-after")
    if milliseconds is not None:
        return milliseconds / 1000
    seconds = _number(stated)
    if seconds is not None or not stated:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(stated).timestamp() - time.time())
    except ValueError:
        return None


def _unavailable(call: str, failure: Failure) -> ProviderUnavailableError:
    remedy = f"Wait until the provider is well. {RESUME}"
    return ProviderUnavailableError(call, str(failure), remedy, failure.retry_after)


def _refused(call: str, failure: Failure) -> ProviderRefusedError:
    code = failure.code or f"HTTP {failure.status}"
    if failure.status < 400:
        return ProviderRefusedError(call, code, "it leads elsewhere", "Set provider.base_url to the final address.")
    remedy = (
        "Mend what it names in the use-case file."
        if failure.status != 404
        else "Check the model's name and that it still exists."
    )
    return ProviderRefusedError(call, code, failure.message.rstrip("."), remedy)


def _closed(call: str, failure: Failure) -> ProviderRefusedError:
    remedy = (
        "Fine-tuning is closed to this account or model. The same data trains elsewhere: set provider.base_url to "
        "another endpoint with this protocol (Microsoft Foundry, Nebius, Crusoe), or compare prompts with --no-train."
    )
    return ProviderRefusedError(call, failure.code, failure.message.rstrip("."), remedy)


def _error_object(body: bytes) -> Mapping[str, Any]:
    """OpenAI's `{"error": {...}}`, or the `{"detail": ...}` of servers that are built on FastAPI."""
    try:
        document = json.loads(body)
        error = document["error"] if "error" in document else {"message": _detail(document["detail"])}
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _detail(detail: object) -> str:
    """What is wrong with which field; the value itself stays out."""
    if not isinstance(detail, list):
        return str(detail)
    return "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in detail)


def _word(value: object) -> str:
    return re.sub(r"[^\w.:-]", "", shown(str(value or ""), 80))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
