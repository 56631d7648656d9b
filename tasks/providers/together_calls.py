"""Requests through Together's library. What it would retry, follow, or parse by itself is switched off.

Its own retries pay for a job up to three times, its redirects carry rows elsewhere, and its parsing lets a wrong
object pass.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel

from tasks.clock import Clock
from tasks.errors import ConfigurationError, ProviderUnavailableError
from tasks.providers import asking
from tasks.providers.asking import NEVER_SENT, Peer, gone_or_error, retrying
from tasks.providers.base_url import ForbiddenPeerError, is_loopback
from tasks.providers.failure import Failure, paid_error, read_error
from tasks.providers.redact import shown
from tasks.providers.together_records import Listing, RecordT

if TYPE_CHECKING:
    from httpx import Client, Response
    from together import Together

MAX_PAGES = 100
P = ParamSpec("P")
T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)
Send = Callable[[], "Response"]
ErrorOf = Callable[[str, Failure], Exception]


class Wrapped(Protocol):
    """An answer as the library hands it on unread."""

    @property
    def http_response(self) -> "Response":
        """The answer itself."""


def http_client(base_url: str, private: bool = False) -> "Client":
    """One that follows no redirect, reuses no connection, and sends only to a machine that the URL may lead to."""
    from httpx import Client, Limits, Request

    def prepare(request: Request) -> None:
        request.extensions["trace"] = Peer(str(request.url), private).look

    return Client(
        follow_redirects=False,
        trust_env=not is_loopback(base_url),
        limits=Limits(max_keepalive_connections=0),  # a kept connection that just closed looks like a lost request
        event_hooks={"request": [prepare]},
    )


def library(http: "Client", base_url: str, api_key: str, timeout_s: float) -> "Together":
    """Together's client for an address that was checked; TOGETHER_BASE_URL and TOGETHER_CUSTOM_HEADERS do not count."""
    from together import Together

    made = Together(
        api_key=api_key,
        base_url=base_url.removesuffix("/v1"),
        timeout=timeout_s,
        max_retries=0,
        http_client=http,
    )
    made._custom_headers = {}  # the library has no switch for the variable
    return made


def raw(method: Callable[P, Wrapped], *args: P.args, **options: P.kwargs) -> Send:
    """A request by one of the library's methods, its answer unread."""
    return lambda: method(*args, **options).http_response


def as_(kind: type[ModelT], **expected: object) -> Callable[["Response"], ModelT]:
    """A parser that refuses, as ValueError, an object which contradicts what is expected of it."""

    parse = asking.as_(kind, **expected)
    return lambda answer: parse(answer.content)


def ask(call: str, send: Send, parse: Callable[["Response"], T], error_of: ErrorOf) -> T:
    """One request. The error is raised outside the handler, so that none drags a request or a body along."""
    from httpx import TransportError
    from together import APIConnectionError, APIStatusError

    try:
        return parse(send())
    except APIStatusError as error:
        failure = failure_of(error.response)
    except (APIConnectionError, TransportError, ForbiddenPeerError) as error:
        failure = _unanswered(error.__cause__ or error)
    except ValueError:
        failure = Failure(200, code="unreadable_answer")
    if failure.code == ForbiddenPeerError.__name__:
        raise ConfigurationError("provider.base_url", failure.message, "Name the host that you mean to send data to.")
    raise error_of(call, failure)


def _unanswered(cause: BaseException) -> Failure:
    name = type(cause).__name__
    if isinstance(cause, ForbiddenPeerError):
        return Failure(0, code=name, message=str(cause), sent=False)
    return Failure(0, code=name, sent=name not in NEVER_SENT)


def failure_of(answer: "Response") -> Failure:
    """An error answer, be it OpenAI's object or the flat one of the fine-tuning and endpoint calls."""
    failure = Failure.of_answer(answer.status_code, answer.headers, answer.content)
    with suppress(ValueError, RecursionError):
        flat = json.loads(answer.content)
        if isinstance(flat, dict) and "error" not in flat and isinstance(flat.get("message"), str):
            return replace(failure, message=shown(flat["message"]))
    return failure


@dataclass(frozen=True)
class Calls:
    """How the account is asked: once where it matters, with patience elsewhere."""

    clock: Clock

    def once(self, call: str, send: Send, parse: Callable[["Response"], T], error_of: ErrorOf = paid_error) -> T:
        """One request, never repeated here."""
        return ask(call, send, parse, error_of)

    def read(self, call: str, send: Send, parse: Callable[["Response"], T], error_of: ErrorOf = read_error) -> T:
        """What may be asked for again."""
        return retrying(self.clock)(lambda: ask(call, send, parse, error_of))

    def is_there(self, call: str, send: Send, parse: Callable[["Response"], object]) -> bool:
        """Whether the object exists."""
        try:
            self.read(call, send, parse, gone_or_error)
        except LookupError:
            return False
        return True

    def delete(self, call: str, send: Send, parse: Callable[["Response"], object]) -> None:
        """Delete; what is gone already is fine."""
        self.is_there(call, send, parse)

    def every(self, call: str, method: Callable[..., Wrapped], page_of: type[Listing[RecordT]]) -> list[RecordT]:
        """All pages of a listing. One that does not come to its end proves nothing: ProviderUnavailableError."""
        found: list[RecordT] = []
        after: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = self.read(call, raw(method, **after), as_(page_of))
            found += page.data
            if not page.next_cursor or after == {"after": page.next_cursor}:
                return found
            after = {"after": page.next_cursor}
        raise ProviderUnavailableError(call, "the listing does not come to its end", "Report it to Together.")
