"""The application: routes, and around each call the key, the faults, the headers and the log."""

import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.providers.local import chat, handlers
from tasks.providers.local.batch_desk import BatchRooms
from tasks.providers.local.batch_records import Batch
from tasks.providers.local.batch_work import BatchWork
from tasks.providers.local.batches import Batches
from tasks.providers.local.catalogue import Catalogue
from tasks.providers.local.dialects import Spoken
from tasks.providers.local.errors import ApiError, report
from tasks.providers.local.fault_effects import Exchange, play
from tasks.providers.local.fault_kinds import Exit
from tasks.providers.local.faults import Faults
from tasks.providers.local.files import Files
from tasks.providers.local.handlers import Call, Service, json_response
from tasks.providers.local.job_book import JobBook
from tasks.providers.local.jobs import Jobs
from tasks.providers.local.lifecycle import Lifecycle, Rooms
from tasks.providers.local.limits import RateLimits
from tasks.providers.local.request_log import Entry, RequestLog
from tasks.providers.local.settings import Settings, SettingsFile
from tasks.providers.local.store import Collection, new_id
from tasks.providers.local.uploads import Uploads
from tasks.providers.local.webhook_sender import WebhookSender

Handler = Callable[[Call], Awaitable[Response]]

ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("files.create", "POST", "/v1/files", handlers.create_file),
    ("files.list", "GET", "/v1/files", handlers.list_files),
    ("files.retrieve", "GET", "/v1/files/{id}", handlers.retrieve_file),
    ("files.content", "GET", "/v1/files/{id}/content", handlers.file_content),
    ("files.delete", "DELETE", "/v1/files/{id}", handlers.delete_file),
    ("uploads.create", "POST", "/v1/uploads", handlers.create_upload),
    ("uploads.add", "POST", "/v1/uploads/{id}/parts", handlers.add_part),
    ("uploads.complete", "POST", "/v1/uploads/{id}/complete", handlers.complete_upload),
    ("uploads.cancel", "POST", "/v1/uploads/{id}/cancel", handlers.cancel_upload),
    ("jobs.create", "POST", "/v1/fine_tuning/jobs", handlers.create_job),
    ("jobs.list", "GET", "/v1/fine_tuning/jobs", handlers.list_jobs),
    ("jobs.retrieve", "GET", "/v1/fine_tuning/jobs/{id}", handlers.retrieve_job),
    ("jobs.cancel", "POST", "/v1/fine_tuning/jobs/{id}/cancel", handlers.cancel_job),
    ("jobs.pause", "POST", "/v1/fine_tuning/jobs/{id}/pause", handlers.pause_job),
    ("jobs.resume", "POST", "/v1/fine_tuning/jobs/{id}/resume", handlers.resume_job),
    ("jobs.events", "GET", "/v1/fine_tuning/jobs/{id}/events", handlers.job_events),
    ("jobs.checkpoints", "GET", "/v1/fine_tuning/jobs/{id}/checkpoints", handlers.job_checkpoints),
    ("batches.create", "POST", "/v1/batches", handlers.create_batch),
    ("batches.list", "GET", "/v1/batches", handlers.list_batches),
    ("batches.retrieve", "GET", "/v1/batches/{id}", handlers.retrieve_batch),
    ("batches.cancel", "POST", "/v1/batches/{id}/cancel", handlers.cancel_batch),
    ("graders.run", "POST", "/v1/fine_tuning/alpha/graders/run", handlers.run_grader),
    ("graders.validate", "POST", "/v1/fine_tuning/alpha/graders/validate", handlers.validate_grader),
    ("models.list", "GET", "/v1/models", handlers.list_models),
    ("models.retrieve", "GET", "/v1/models/{id}", handlers.retrieve_model),
    ("models.delete", "DELETE", "/v1/models/{id}", handlers.delete_model),
    ("chat.create", "POST", "/v1/chat/completions", handlers.create_chat),
    ("prices.list", "GET", "/v1/prices", handlers.list_prices),
    ("health", "GET", "/health", handlers.health),
)


@dataclass
class Edge:
    """What stands between the socket and every handler."""

    service: Service
    faults: Faults
    log: RequestLog
    last_request: float = field(default_factory=time.monotonic)

    def idle_seconds(self) -> float:
        """Since the last request; 0 while a job or a batch is on its way."""
        busy = self.service.jobs.lifecycle.busy or self.service.batches.work.busy
        return 0 if busy else time.monotonic() - self.last_request


class Endpoint:
    """The ASGI application of one call."""

    def __init__(self, name: str, handler: Handler, edge: Edge) -> None:
        self._name, self._handler, self._edge = name, handler, edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or what a fault makes of it."""
        entry = self._edge.log.begin(self._name, scope["method"], scope["path"])
        if self._name != "health":
            self._edge.last_request = entry.arrived
        action = self._edge.faults.next(self._name)
        entry.line.fault = action.kind if action else None

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await self._respond(Call(self._edge.service, Request(scope, receive), entry.line, action))
            await response(scope, receive, send)

        try:
            await play(action, Exchange(answer, scope, receive, _recorded(entry, send)))
        finally:
            entry.close()
            if isinstance(action, Exit):
                self._edge.faults.keep_counts()
                os._exit(137)

    async def _respond(self, call: Call) -> Response:
        try:
            if self._name != "health":
                _check_key(call.request, self._edge.service.settings.current())
            response = await self._handler(call)
        except ApiError as refusal:
            return json_response(refusal.body(), refusal.status, dict(refusal.headers))
        except Exception as problem:
            report(problem)
            return json_response(ApiError(500, "The server had an error.", code="server_error").body(), 500)
        call.line.accepted = True
        return response


def create_app(state: Path, settings: SettingsFile, faults: Faults, log: RequestLog) -> tuple[ASGIApp, Edge]:
    """The application on a state folder, and its edge."""
    files, catalogue = Files(state / "files", settings), Catalogue(state / "tunes", settings)
    uploads, webhooks = Uploads(state / "uploads", files, settings), WebhookSender(settings)
    rooms = Rooms(JobBook(state / "jobs", settings, webhooks.job_ended), files, catalogue, settings)
    lifecycle = Lifecycle(rooms)
    desks = BatchRooms(Collection(state / "batches", Batch), files, catalogue, settings)
    jobs, batches = Jobs(rooms, lifecycle), Batches(desks, BatchWork(desks))
    edge = Edge(Service(settings, files, uploads, catalogue, jobs, batches, RateLimits()), faults, log)
    routes = [
        Route(
            path.replace("{id}", "{id:path}") if "models" in path else path, Endpoint(name, handler, edge), methods=[m]
        )
        for name, m, path, handler in ROUTES
    ]
    routes.append(Route("/{path:path}", Endpoint("unknown", handlers.unknown, edge)))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        lifecycle.start_all()
        batches.work.start_all()
        chat.warm_up()
        yield
        await lifecycle.stop_all()
        await batches.work.stop_all()
        await webhooks.stop()

    return Spoken(Starlette(routes=routes, lifespan=lifespan), edge), edge


def _recorded(entry: Entry, send: Send) -> Send:
    """`send` that adds the headers of every answer, and logs it before its end: who has it finds it in the log."""

    async def recorded(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.answered(message["status"], {k.decode().lower(): v.decode() for k, v in message["headers"]})
            added = {"x-request-id": new_id("req_"), "openai-processing-ms": str(int(entry.ms))}
            message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in added.items())]
        elif not message.get("more_body"):
            entry.close()
        await send(message)

    return recorded


def _check_key(request: Request, settings: Settings) -> None:
    """401 unless the configured key is there; nothing is asked where none is configured."""
    if settings.api_key_env is None:
        return
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not given:
        raise ApiError(401, "You didn't provide an API key in the Authorization header.", code="missing_api_key")
    if not secrets.compare_digest(given.encode(), settings.api_key.encode()):
        raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
