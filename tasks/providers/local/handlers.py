"""One handler a call: read the request, ask the part that knows, answer. Ids and counts go into the log line."""

import os
from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from tasks.providers.local import chat
from tasks.providers.local.batch_records import Batch, BatchRequest
from tasks.providers.local.batches import Batches
from tasks.providers.local.catalogue import Catalogue
from tasks.providers.local.chat_request import ChatRequest
from tasks.providers.local.errors import ApiError, Body, invalid_body
from tasks.providers.local.fault_kinds import Action, BatchFate, FileFate, JobFate
from tasks.providers.local.files import Files, Upload
from tasks.providers.local.graded import GraderToRun, graded
from tasks.providers.local.job_records import Job, JobRequest
from tasks.providers.local.jobs import Jobs
from tasks.providers.local.limits import RateLimits
from tasks.providers.local.request_log import RequestLine
from tasks.providers.local.settings import SettingsFile
from tasks.providers.local.uploads import Completion, UploadRequest, Uploads

B = TypeVar("B", bound=Body)
F = TypeVar("F", JobFate, FileFate, BatchFate)


@dataclass(frozen=True)
class Service:
    """The parts behind the calls."""

    settings: SettingsFile
    files: Files
    uploads: Uploads
    catalogue: Catalogue
    jobs: Jobs
    batches: Batches
    limits: RateLimits


@dataclass(frozen=True)
class Call:
    """One request on its way to a handler."""

    service: Service
    request: Request
    line: RequestLine
    fault: Action | None = None

    def fate(self, kind: type[F]) -> F | None:
        """What a fault has in store for the object that this call creates."""
        return self.fault if isinstance(self.fault, kind) else None

    @property
    def query(self) -> dict[str, str]:
        """Query parameters."""
        return dict(self.request.query_params)

    @property
    def path_id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    def id(self, kind: str) -> str:
        """The same, noted in the log line under `kind`."""
        setattr(self.line, kind, self.path_id)
        return self.path_id

    async def body(self, kind: type[B]) -> B:
        """The JSON body. Raises ApiError 400."""
        try:
            return kind.model_validate(orjson.loads(await self.request.body()))
        except orjson.JSONDecodeError:
            raise ApiError(400, "We could not parse the JSON body of your request.") from None
        except ValidationError as problems:
            raise invalid_body(problems) from None


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, headers, "application/json")


async def create_file(call: Call) -> Response:
    """POST /files."""
    async with call.request.form(max_files=1) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        upload, content = Upload.from_form(fields), form.get("file")
        if not isinstance(content, UploadFile):
            raise ApiError(400, "Missing required parameter: 'file'.", "file", "missing_required_parameter")
        file = call.service.files.create(content.filename or "upload", content.file, upload, call.fate(FileFate))
    call.line.file = file.id
    return json_response(call.service.files.public(file.id))


async def list_files(call: Call) -> Response:
    """GET /files."""
    return json_response(call.service.files.page(call.query))


async def retrieve_file(call: Call) -> Response:
    """GET /files/{id}."""
    return json_response(call.service.files.public(call.id("file")))


async def file_content(call: Call) -> Response:
    """GET /files/{id}/content."""
    return FileResponse(call.service.files.content(call.id("file")), media_type="application/octet-stream")


async def delete_file(call: Call) -> Response:
    """DELETE /files/{id}."""
    return json_response(call.service.files.delete(call.id("file")))


async def create_upload(call: Call) -> Response:
    """POST /uploads."""
    return json_response(call.service.uploads.create(await call.body(UploadRequest)))


async def add_part(call: Call) -> Response:
    """POST /uploads/{id}/parts."""
    async with call.request.form(max_files=1) as form:
        content = form.get("data")
        if not isinstance(content, UploadFile):
            raise ApiError(400, "Missing required parameter: 'data'.", "data", "missing_required_parameter")
        return json_response(call.service.uploads.add(call.path_id, content.file))


async def complete_upload(call: Call) -> Response:
    """POST /uploads/{id}/complete."""
    shown = call.service.uploads.complete(call.path_id, await call.body(Completion), call.fate(FileFate))
    call.line.file = shown["file"]["id"]
    return json_response(shown)


async def cancel_upload(call: Call) -> Response:
    """POST /uploads/{id}/cancel."""
    return json_response(call.service.uploads.cancel(call.path_id))


async def create_job(call: Call) -> Response:
    """POST /fine_tuning/jobs."""
    job = call.service.jobs.create(await call.body(JobRequest), call.fate(JobFate))
    call.line.job, call.line.file, call.line.model = job.id, job.training_file, job.model
    return _job(call, job)


async def list_jobs(call: Call) -> Response:
    """GET /fine_tuning/jobs."""
    call.line.intent = call.query.get("metadata[intent]")
    return json_response(call.service.jobs.page(call.query))


async def retrieve_job(call: Call) -> Response:
    """GET /fine_tuning/jobs/{id}."""
    return _job(call, call.service.jobs.rooms.book.get(call.id("job")))


async def cancel_job(call: Call) -> Response:
    """POST /fine_tuning/jobs/{id}/cancel."""
    return _job(call, await call.service.jobs.cancel(call.id("job")))


async def pause_job(call: Call) -> Response:
    """POST /fine_tuning/jobs/{id}/pause."""
    return _job(call, await call.service.jobs.pause(call.id("job")))


async def resume_job(call: Call) -> Response:
    """POST /fine_tuning/jobs/{id}/resume."""
    return _job(call, call.service.jobs.resume(call.id("job")))


async def job_events(call: Call) -> Response:
    """GET /fine_tuning/jobs/{id}/events."""
    return json_response(call.service.jobs.events(call.id("job"), call.query))


async def job_checkpoints(call: Call) -> Response:
    """GET /fine_tuning/jobs/{id}/checkpoints."""
    return json_response(call.service.jobs.checkpoints(call.id("job"), call.query))


async def run_grader(call: Call) -> Response:
    """POST /fine_tuning/alpha/graders/run."""
    return json_response(graded(await call.body(GraderToRun)))


async def validate_grader(call: Call) -> Response:
    """POST /fine_tuning/alpha/graders/validate."""
    asked = await call.body(GraderToRun)
    return json_response({"grader": asked.grader.model_dump()})


async def create_batch(call: Call) -> Response:
    """POST /batches."""
    batch = call.service.batches.create(await call.body(BatchRequest), call.fate(BatchFate))
    call.line.batch, call.line.file = batch.id, batch.asked.input_file_id
    return _batch(call, batch)


async def list_batches(call: Call) -> Response:
    """GET /batches."""
    return json_response(call.service.batches.page(call.query))


async def retrieve_batch(call: Call) -> Response:
    """GET /batches/{id}."""
    return _batch(call, call.service.batches.rooms.get(call.id("batch")))


async def cancel_batch(call: Call) -> Response:
    """POST /batches/{id}/cancel."""
    return _batch(call, await call.service.batches.cancel(call.id("batch")))


async def list_models(call: Call) -> Response:
    """GET /models."""
    return json_response(call.service.catalogue.page())


async def retrieve_model(call: Call) -> Response:
    """GET /models/{id}."""
    return json_response(call.service.catalogue.public(call.id("model")))


async def delete_model(call: Call) -> Response:
    """DELETE /models/{id}."""
    return json_response(call.service.catalogue.delete(call.id("model")))


async def create_chat(call: Call) -> Response:
    """POST /chat/completions."""
    request, settings = await call.body(ChatRequest), call.service.settings.current()
    request.check()
    model = call.service.catalogue.resolve_answering(request.model)
    call.line.model = model.id
    headers = call.service.limits.admit(model.id, chat.estimate_tokens(request), settings.limits)
    completion = await chat.complete(request, model, settings)
    call.line.prompt_tokens, call.line.completion_tokens = completion.prompt_tokens, len(completion.tokens)
    if request.stream:
        stream = completion.stream(request, settings.latency)
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream")
    return json_response(completion.body(request), headers=headers)


async def list_prices(call: Call) -> Response:
    """GET /prices: this server's own, fictional ones."""
    return json_response(call.service.catalogue.prices())


async def health(call: Call) -> Response:
    """GET /health."""
    return json_response({"status": "ok", "pid": os.getpid(), "provider": "tunegate-embedded"})


async def unknown(call: Call) -> Response:
    """Any other request."""
    request = call.request
    raise ApiError(404, f"Unknown request URL: {request.method} {request.url.path}.", code="unknown_url")


def _job(call: Call, job: Job) -> Response:
    call.line.intent = (job.metadata or {}).get("intent")
    return json_response(job.public(call.service.settings.current().now()))


def _batch(call: Call, batch: Batch) -> Response:
    call.line.intent = (batch.asked.metadata or {}).get("intent")
    return json_response(batch.public())
