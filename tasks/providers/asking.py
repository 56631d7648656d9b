"""One request through the openai SDK, and patience where it may be asked again.

The SDK sends; what it would retry, follow, read from the environment or parse by itself is switched off: its own
retries pay for a job up to three times, its parsing lets a wrong object pass, and OPENAI_CUSTOM_HEADERS would put
another key in the place of ours.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from httpx2 import Limits, Request, Response
from openai import APIConnectionError, APIStatusError, DefaultHttpxClient, OpenAI, omit
from pydantic import BaseModel
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.clock import Clock
from tasks.errors import ConfigurationError, ProviderUnavailableError, TunegateError
from tasks.providers.base_url import PRIVATE, ForbiddenPeerError, host_of, is_loopback, refuse_peer
from tasks.providers.failure import Failure, read_error
from tasks.providers.wire_records import RecordT, WireDeleted, WirePage

ATTEMPTS = 6
PATIENCE_S = 120.0  # a longer Retry-After is handed to the caller, who waits by its own clock
MAX_PAGES = 100
NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}  # of the HTTP library: no connection, so nothing arrived
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)
ErrorOf = Callable[[str, Failure], Exception]


class Answered(Protocol):
    """A raw answer of the SDK."""

    @property
    def content(self) -> bytes:
        """Its body."""


@dataclass(frozen=True)
class Address:
    """A checked base URL and how one identifies oneself there."""

    url: str
    key: str = field(repr=False)
    auth_header: str = "authorization"
    private: bool = False
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The header with the key."""
        bearer = self.auth_header == "authorization"
        return {"Authorization": f"Bearer {self.key}"} if bearer else {self.auth_header: self.key}


def client(at: Address, timeout_s: float, project: str | None = None) -> OpenAI:
    """The SDK's client; no retry, no redirect, and nothing of the environment but a proxy and an OPENAI_ORG_ID."""
    return bare(
        OpenAI(
            api_key=at.key,
            base_url=at.url,  # given, so that OPENAI_BASE_URL cannot send the data elsewhere
            project=project,
            timeout=timeout_s,
            max_retries=0,
            default_query=dict(at.query),
            http_client=http_client(at.url, at.headers, at.private),
        )
    )


def bare(made: OpenAI) -> OpenAI:
    """Without the headers of OPENAI_CUSTOM_HEADERS, for which the SDK has no switch."""
    made._custom_headers = {}
    return made


def http_client(url: str, headers: Mapping[str, str], private: bool = False) -> DefaultHttpxClient:
    """What sends: the key only in these headers, and only to a machine that the URL may lead to."""

    def prepare(request: Request) -> None:
        request.headers.pop("authorization", None)
        request.headers.update(headers)
        request.extensions["trace"] = Peer(str(request.url), private).look

    return DefaultHttpxClient(
        follow_redirects=False,  # a redirect would carry rows to another host
        trust_env=not is_loopback(url),
        limits=Limits(max_keepalive_connections=0),  # a kept connection that just closed looks like a lost paid request
        event_hooks={"request": [prepare]},
    )


@dataclass
class Peer:
    """The machine at the other end, looked at once the socket is connected: before TLS, and before the request."""

    url: str
    private: bool
    direct: bool = True  # false: it is a proxy, which resolves the name by itself

    def look(self, event: str, info: Mapping[str, Any]) -> None:
        """For the HTTP library's `trace`."""
        if event == "connection.connect_tcp.started":
            self.direct = info["host"] == host_of(self.url)
        elif event == "connection.connect_tcp.complete" and self.direct:
            refuse_peer(self.url, info["return_value"].get_extra_info("server_addr")[0], self.private)


def ask(call: str, send: Callable[[], Answered], parse: Callable[[bytes], T], error_of: ErrorOf) -> T:
    """One request. The error is raised outside the handler, so that none drags a request or a body along."""
    forbidden = ""
    try:
        return parse(send().content)
    except APIStatusError as error:
        failure = Failure.of_answer(error.status_code, error.response.headers, error.response.content)
    except APIConnectionError as error:
        cause = type(error.__cause__ or error).__name__
        failure = Failure(0, code=cause, sent=cause not in NEVER_SENT)
    except ForbiddenPeerError as error:
        forbidden = str(error)
    except ValueError:
        failure = Failure(200, code="unreadable_answer")
    if forbidden:
        raise ConfigurationError("base_url", forbidden, PRIVATE)
    raise error_of(call, failure)


@dataclass(frozen=True)
class Caller:
    """Calls to one address; `before` each of them its owner may look where it is now (the embedded provider moves)."""

    sdk: OpenAI
    clock: Clock
    before: Callable[[], None] = lambda: None

    def once(self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], T], error_of: ErrorOf) -> T:
        """One request, never repeated."""
        self.before()
        return ask(call, send, parse, error_of)

    def read(
        self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], T], error_of: ErrorOf = read_error
    ) -> T:
        """Ask for what may be asked for again, with patience."""
        return retrying(self.clock)(lambda: self.once(call, send, parse, error_of))

    def is_there(self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], object]) -> bool:
        """Whether there is such an object: a 404 is no."""
        try:
            self.read(call, send, parse, gone_or_error)
        except LookupError:
            return False
        return True

    def delete(self, call: str, send: Callable[[], Answered], parse: Callable[[bytes], object] | None = None) -> None:
        """Delete; what is gone already is fine."""
        with suppress(LookupError):
            self.read(call, send, parse or as_(WireDeleted), gone_or_error)

    def listing(
        self, call: str, send: Callable[..., Answered], page_of: type[WirePage[RecordT]]
    ) -> tuple[list[RecordT], bool]:
        """Every record once, and whether the listing came to its end."""
        found: dict[str, RecordT] = {}
        after: Any = omit
        for _ in range(MAX_PAGES):
            page = self.read(call, partial(send, after=after), as_(page_of))
            fresh = {record.id: record for record in page.data if record.id not in found}
            found |= fresh
            if not page.has_more or not fresh:
                return list(found.values()), not page.has_more
            after = page.data[-1].id
        return list(found.values()), False

    def request(self, method: str, path: str, body: object = None) -> Callable[[], Answered]:
        """A request that the SDK has no method for, ready to be sent."""
        verbs: dict[str, Callable[..., Response]] = {
            "GET": self.sdk.get,
            "POST": self.sdk.post,
            "PUT": self.sdk.put,
            "DELETE": self.sdk.delete,
        }
        return partial(verbs[method], path, cast_to=Response, **({} if body is None else {"body": body}))


def as_(kind: type[ModelT], **expected: object) -> Callable[[bytes], ModelT]:
    """A parser that refuses, as ValueError, an object which contradicts what is expected of it."""

    def parse(content: bytes) -> ModelT:
        parsed = kind.model_validate_json(content)
        if any(getattr(parsed, name) not in (None, value) for name, value in expected.items()):
            raise ValueError("another object than the one asked for")
        return parsed

    return parse


def gone_or_error(call: str, failure: Failure) -> TunegateError | LookupError:
    """A 404 as LookupError, anything else as what it means for a read."""
    return LookupError(call) if failure.status == 404 else read_error(call, failure)


def retrying(clock: Clock) -> Retrying:
    """Asks again what may be asked again, as long as the provider is only unavailable."""
    return Retrying(
        retry=retry_if_exception_type(ProviderUnavailableError),
        wait=_pause,
        stop=_is_hopeless,
        sleep=clock.sleep,
        reraise=True,
    )


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderUnavailableError) else None
    return max(asked or 0.0, BACKOFF(state))


def _is_hopeless(state: RetryCallState) -> bool:
    return state.attempt_number >= ATTEMPTS or state.idle_for + state.upcoming_sleep > PATIENCE_S
