"""The server in another provider's dialect, as the settings name it: what a client of that provider says is put into
OpenAI's words, the answer back into that provider's, and what it would not take is refused.

The differences are those that the vendors document (read 2026-11-22); each tongue names its pages.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.providers.local.errors import ApiError
from tasks.providers.local.handlers import Service, json_response
from tasks.providers.local.pages import Public
from tasks.providers.local.request_log import RequestLog

JOBS = "/v1/fine_tuning/jobs"
CHAT = "/v1/chat/completions"
Handler = Callable[[Request], Awaitable[Response]]


class AnyEdge(Protocol):
    """What the application hands over."""

    service: Service
    log: RequestLog


@dataclass
class Tongue:
    """A dialect. The base class changes nothing."""

    service: Service
    routes: list[Route] = field(default_factory=list)  # paths that OpenAI does not have

    def path(self, path: str) -> str:
        """The path in OpenAI's words. Raises ApiError 404."""
        return path

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Request headers in OpenAI's words."""
        return dict(headers)

    def job_request(self, asked: Public) -> Public:
        """Body of a job's creation in OpenAI's words. Raises ApiError."""
        return asked

    def chat_request(self, asked: Public) -> Public:
        """Body of a completion in OpenAI's words. Raises ApiError."""
        return asked

    def shown(self, document: Public) -> Public | None:
        """An object as this provider shows it; None: not at all."""
        return document

    def page(self, documents: list[Public]) -> list[Public]:
        """The objects of a listing as this provider shows them."""
        return [said for document in documents if (said := self.shown(document)) is not None]

    @property
    def tunes(self) -> dict[str, str]:
        """This provider's name of each tuned model to the server's own."""
        names = (model["id"] for model in self.service.catalogue.page()["data"])
        return {self.tuned_name(name): name for name in names if name.startswith("ft:")}

    def tuned_name(self, name: str) -> str:
        """This provider's name for `ft:BASE:ORG:SUFFIX:ID`."""
        return name


class Spoken:
    """The application, spoken to in the dialect that the settings name at the moment."""

    def __init__(self, app: ASGIApp, edge: AnyEdge) -> None:
        self._app, self._edge = app, edge
        self._tongues: dict[str, Tongue] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; without a dialect, as the application does."""
        name = self._edge.service.settings.current().dialect if scope["type"] == "http" else None
        if name is None or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        tongue = self._tongues.setdefault(name, tongue_of(name, self._edge.service))
        try:
            await self._translated(tongue, scope, receive, send)
        except ApiError as refusal:
            await self._own(f"{name}.refused", _answering(refusal), (scope, receive, send))

    async def _translated(self, tongue: Tongue, scope: Scope, receive: Receive, send: Send) -> None:
        for route in tongue.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                await self._own(str(route.name), route.endpoint, ({**scope, **found}, receive, send))
                return
        path = tongue.path(scope["path"])
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        headers = [(name.encode(), value.encode()) for name, value in tongue.headers(given).items()]
        inner: Scope = {**scope, "path": path, "raw_path": path.encode(), "headers": headers}
        translate = {JOBS: tongue.job_request, CHAT: tongue.chat_request}.get(path)
        if scope["method"] == "POST" and translate:
            asked = _object(await Request(scope, receive).body())
            inner, receive = _with_body(inner, json.dumps(translate(asked)).encode())
        await self._app(inner, receive, _Rewriter(tongue, send).send)

    async def _own(self, name: str, handler: Handler, call: tuple[Scope, Receive, Send]) -> None:
        """A call that OpenAI does not have, or that is refused: logged like every other."""
        scope, receive, send = call
        entry = self._edge.log.begin(name, scope["method"], scope["path"])
        try:
            response = await handler(Request(scope, receive))
        except ApiError as refusal:
            response = await _answering(refusal)(Request(scope, receive))
        entry.answered(response.status_code, {})
        entry.close()
        await response(scope, receive, send)


def tongue_of(name: str, service: Service) -> Tongue:
    """The dialect of that name."""
    from tasks.providers.local.dialect_bedrock import Mantle
    from tasks.providers.local.dialect_crusoe import Crusoe
    from tasks.providers.local.dialect_foundry import Foundry
    from tasks.providers.local.dialect_nebius import Nebius

    kinds: dict[str, type[Tongue]] = {
        "foundry": Foundry,
        "nebius": Nebius,
        "crusoe": Crusoe,
        "bedrock_openai": Mantle,
    }
    return kinds[name](service)


class _Rewriter:
    """Holds back a JSON answer until it is whole, and sends it as the dialect has it; a stream passes."""

    def __init__(self, tongue: Tongue, send: Send) -> None:
        self._tongue, self._send = tongue, send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Take one message of the application."""
        if message["type"] == "http.response.start" and (b"content-type", b"application/json") in message["headers"]:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = json.dumps(self._said(json.loads(self._body))).encode()
        kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await self._send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})

    def _said(self, document: object) -> object:
        if not isinstance(document, dict):
            return document
        if document.get("object") == "list":
            return {**document, "data": self._tongue.page(document["data"])}
        return self._tongue.shown(document)


def required(document: Public, allowed: set[str], place: str = "") -> None:
    """Raises ApiError 400 for a field that this provider does not know."""
    if unknown := sorted(set(document) - allowed):
        raise ApiError(400, f"Unknown parameter: '{place}{unknown[0]}'.", unknown[0], "unknown_parameter")


def hyperparameters(asked: Public, method: str) -> Public:
    """Those under `method`. Raises ApiError where the job is of another method."""
    given = asked.get("method") or {}
    if given.get("type") != method:
        raise ApiError(400, f"The method must be {method}.", "method", "invalid_value")
    found: Public = (given.get(method) or {}).get("hyperparameters") or {}
    return found


def _answering(refusal: ApiError) -> Handler:
    async def answer(request: Request) -> Response:
        return json_response(refusal.body(), refusal.status)

    return answer


def _object(body: bytes) -> Public:
    try:
        found = json.loads(body)
    except json.JSONDecodeError:
        raise ApiError(400, "We could not parse the JSON body of your request.") from None
    return found if isinstance(found, dict) else {}


def _with_body(scope: Scope, body: bytes) -> tuple[Scope, Receive]:
    """The scope and the receive channel of the same request with another body."""
    kept = [(name, value) for name, value in scope["headers"] if name != b"content-length"]

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return {**scope, "headers": [*kept, (b"content-length", str(len(body)).encode())]}, receive
