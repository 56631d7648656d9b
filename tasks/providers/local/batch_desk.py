"""The answers of one batch on disk, and what a batch touches on its way to them."""

import random
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from tasks.providers.local import chat
from tasks.providers.local.batch_records import EXPIRED, Batch, BatchLine, BatchStatus
from tasks.providers.local.catalogue import Catalogue
from tasks.providers.local.chat_request import ChatRequest
from tasks.providers.local.errors import ApiError, invalid_body, no_such
from tasks.providers.local.files import Files
from tasks.providers.local.pages import Public
from tasks.providers.local.settings import Latency, SettingsFile
from tasks.providers.local.store import Collection, new_id

_PROGRESS = 50  # answers between two counts that are shown


@dataclass(frozen=True)
class BatchRooms:
    """What a batch touches on its way."""

    batches: Collection[Batch]
    files: Files
    catalogue: Catalogue
    settings: SettingsFile

    def get(self, batch_id: str) -> Batch:
        """The batch. Raises ApiError 404."""
        found = self.batches.get(batch_id)
        if found is None:
            raise no_such("Batch", batch_id)
        return found

    def update(self, batch_id: str, **changes: object) -> Batch:
        """Change it within its state."""
        changed = self.get(batch_id).model_copy(update=changes)
        self.batches.put(changed)
        return changed

    def enter(self, batch_id: str, status: BatchStatus, **changes: object) -> Batch:
        """Move it into another state."""
        entered = {**self.get(batch_id).entered, status: self.settings.current().now()}
        return self.update(batch_id, status=status, entered=entered, **changes)

    def folder(self, batch_id: str) -> Path:
        """Where its answers are gathered."""
        return self.batches.folder / batch_id


class Desk:
    """The answers of one batch, appended line by line; a line that a kill cut short is dropped."""

    def __init__(self, rooms: BatchRooms, batch: Batch) -> None:
        self._rooms, self._batch = rooms, batch
        folder = rooms.folder(batch.id)
        folder.mkdir(exist_ok=True)
        self.outputs, self.errors = folder / "output.jsonl", folder / "error.jsonl"
        answered, refused = (_whole_lines(path) for path in (self.outputs, self.errors))
        self.done = {line["custom_id"] for line in [*answered, *refused]}
        usages = [line["response"]["body"]["usage"] for line in answered]
        self._counts = {"completed": len(answered), "failed": len(refused)}
        for name in ("prompt_tokens", "completion_tokens"):
            self._counts[name] = sum(usage[name] for usage in usages)

    async def answer(self, number: int, line: BatchLine) -> None:
        """Answer one request, unless it was answered before."""
        if line.custom_id in self.done:
            return
        try:
            if number < self._batch.fate.refused:
                raise ApiError(500, "The server had an error.", code="server_error")
            body = await self._completion(line)
        except ApiError as refusal:
            self._append(self.errors, line, _response(refusal.status, refusal.body()), None)
            self._counts["failed"] += 1
        else:
            self._append(self.outputs, line, _response(200, body), None)
            self._counts["completed"] += 1
            for name in ("prompt_tokens", "completion_tokens"):
                self._counts[name] += body["usage"][name]
        if len(self.done) % _PROGRESS == 0:
            self.count()

    def expire(self, rest: list[BatchLine]) -> None:
        """Note the requests that the window left unanswered."""
        for line in rest:
            self._append(self.errors, line, None, EXPIRED)
            self._counts["failed"] += 1

    def count(self) -> None:
        """Show how far it is."""
        self._rooms.update(self._batch.id, **self._counts)

    async def _completion(self, line: BatchLine) -> Public:
        settings = self._rooms.settings.current()
        unhurried = settings.model_copy(update={"latency": Latency(scale=0)})  # a batch takes the time of its states
        try:
            request = ChatRequest.model_validate(line.body)
        except ValidationError as problems:
            raise invalid_body(problems) from None
        request.check()
        model = self._rooms.catalogue.resolve_answering(request.model)
        return (await chat.complete(request, model, unhurried)).body(request)

    def _append(self, path: Path, line: BatchLine, response: Public | None, error: Public | None) -> None:
        shown = {"id": new_id("batch_req_"), "custom_id": line.custom_id, "response": response, "error": error}
        written = orjson.dumps(shown) + b"\n"
        if self._batch.fate.shuffled and random.Random(line.custom_id).random() < 0.5 and path.exists():  # noqa: S311
            path.write_bytes(written + path.read_bytes())
        else:
            with path.open("ab") as file:
                file.write(written)
        self.done.add(line.custom_id)


def _response(status: int, body: Public) -> Public:
    return {"status_code": status, "request_id": new_id("req_"), "body": body}


def _whole_lines(path: Path) -> list[Public]:
    """Its lines; half a line at the end goes."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        path.write_bytes(whole)
    return [orjson.loads(line) for line in whole.splitlines()]
