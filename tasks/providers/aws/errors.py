"""What a failed AWS call means: stop, ask again, look first, or no. No error made here holds what was sent."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from tasks.errors import (
    AmbiguousAnswerError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from tasks.providers.failure import RESUME, retry_after
from tasks.providers.redact import shown

AUTH = re.compile(
    r"AccessDenied|Unauthorized|NotAuthorized|ExpiredToken|InvalidClientTokenId|UnrecognizedClient|Signature"
    r"|MissingAuthenticationToken|InvalidAccessKeyId|OptInRequired|SubscriptionRequired|Forbidden|^403$"
    r"|Credential|AuthToken|TokenRetrieval|SSO|^Login|ProfileNotFound|MetadataRetrieval"
)
QUOTA = re.compile(r"QuotaExceeded|LimitExceeded$|LimitExceededException$")
THROTTLED = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|BandwidthLimit|ModelNotReady")
GONE = re.compile(r"^ResourceNotFound|^NoSuchKey$|^NotFound$|^404$")
TAKEN = re.compile(r"^Conflict|^ResourceInUse|^PreconditionFailed$|^412$")
GONE_TEXT = re.compile(r"could not find|not found|does not exist", re.IGNORECASE)  # SageMaker: a ValidationException
TAKEN_TEXT = re.compile(r"already exist", re.IGNORECASE)
NEVER_SENT = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError"}


class GoneError(LookupError):
    """AWS knows no such thing."""


class TakenError(LookupError):
    """AWS holds something of that name already: look what it is."""


@dataclass(frozen=True)
class Trouble:
    """A call that did not succeed, reduced to what may be shown. `status` 0: no answer came."""

    code: str
    status: int = 0
    message: str = ""
    request_id: str = ""
    retry_after: float | None = None
    sent: bool = True

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Read one of botocore's errors. Only an answer of AWS has a text; botocore's own may quote the request."""
        response: dict[str, Any] = getattr(error, "response", None) or {}
        code = shown(str(response.get("Error", {}).get("Code") or type(error).__name__), 80)
        if not response:
            return cls(code, message=_parameters(error), sent=_was_sent(error))
        about = response.get("ResponseMetadata", {})
        headers = {str(name).lower(): str(value) for name, value in about.get("HTTPHeaders", {}).items()}
        return cls(
            code,
            status=int(about.get("HTTPStatusCode") or 0),
            message=shown(str(response["Error"].get("Message") or "no reason given")),
            request_id=shown(str(about.get("RequestId") or ""), 80),
            retry_after=retry_after(headers),
        )

    @property
    def gone(self) -> bool:
        """Whether AWS says that there is no such thing."""
        return bool(GONE.search(self.code) or (self._invalid and GONE_TEXT.search(self.message)))

    @property
    def taken(self) -> bool:
        """Whether AWS says that there is one of that name already."""
        return bool(TAKEN.search(self.code) or (self._invalid and TAKEN_TEXT.search(self.message)))

    @property
    def stops(self) -> bool:
        """Whether only a person can mend it: credentials, rights or a quota."""
        return bool(AUTH.search(self.code) or QUOTA.search(self.code))

    @property
    def waits(self) -> bool:
        """Whether nothing was accepted, and the same call may succeed later."""
        return bool(THROTTLED.search(self.code)) or self.status == 429

    @property
    def refused(self) -> bool:
        """Whether AWS or, before anything was sent, boto3 said no for good."""
        local = not self.status and not self.sent and self.code not in NEVER_SENT
        return local or (300 <= self.status < 500 and self.status not in (408, 409, 424))

    @property
    def _invalid(self) -> bool:
        return self.code.startswith("Validation")

    def __str__(self) -> str:
        status = f"HTTP {self.status}" if self.status else ""
        request = f"(request {self.request_id})" if self.request_id else ""
        return " ".join(part for part in (status, self.code, request) if part)


ErrorOf = Callable[[str, Trouble], Exception]


def read_error(call: str, trouble: Trouble) -> Exception:
    """What a failed call means that changed nothing, or that may be repeated."""
    if trouble.gone:
        return GoneError(call)
    if trouble.stops:
        return _stopped(call, trouble)
    if trouble.taken or (trouble.refused and not trouble.waits):
        return _refused(call, trouble)
    return _unavailable(call, trouble)


def write_error(call: str, trouble: Trouble) -> Exception:
    """The same for what is written once: it may be there already, and what it needs may be gone."""
    if trouble.taken:
        return TakenError(call)
    return _refused(call, trouble) if trouble.gone else read_error(call, trouble)


def paid_error(call: str, trouble: Trouble) -> Exception:
    """What a failed upload or purchase means; AmbiguousAnswerError unless it certainly was not accepted."""
    if trouble.taken:
        return TakenError(call)
    if trouble.stops:
        return _stopped(call, trouble)
    if trouble.waits or trouble.code in NEVER_SENT:
        return _unavailable(call, trouble)
    if trouble.refused:
        return _refused(call, trouble)
    cause = f"{trouble}, so it may or may not have been accepted"
    return AmbiguousAnswerError(call, cause, "Look for it before asking again.")


def _refused(call: str, trouble: Trouble) -> ProviderRefusedError:
    reason = " ".join(part for part in (trouble.message.rstrip("."), str(trouble)) if part)
    return ProviderRefusedError(call, trouble.code, reason, "Mend what it names in the use-case file.")


def _stopped(call: str, trouble: Trouble) -> CredentialsError:
    remedy = "Check the AWS_* variables or the machine's role, and what provider.aws.role_arn may do."
    if QUOTA.search(trouble.code):
        remedy = "Raise the quota in AWS Service Quotas, or wait until other jobs and deployments have ended."
    return CredentialsError(call, str(trouble), f"{remedy} {RESUME}")


def _unavailable(call: str, trouble: Trouble) -> ProviderUnavailableError:
    return ProviderUnavailableError(call, str(trouble), f"Wait until AWS is well. {RESUME}", trouble.retry_after)


def _was_sent(error: Exception) -> bool:
    """botocore refuses by its own errors what it does not send; whatever else happens, happens with a request out."""
    from botocore import exceptions as boto

    network = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.ChecksumError)
    local = isinstance(error, boto.BotoCoreError) and not isinstance(error, network)
    return not local and type(error).__name__ not in NEVER_SENT


def _parameters(error: Exception) -> str:
    """Names of the parameters that botocore refuses, without their values."""
    if type(error).__name__ != "ParamValidationError":
        return ""
    names = re.findall(r"parameter (?:in input: )?\"?([\w.\[\]]+)", str(error))
    return f"a parameter has not the form that AWS takes: {', '.join(dict.fromkeys(names))}"
