"""Batches on OpenAI's wire: a file of requests, a batch on it, a file of answers and one of refusals.

The listing of batches has no filter: a batch is known by the key in its metadata, checked on our side.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from data_contracts.money import Price
from tasks.clock import Clock
from tasks.errors import AmbiguousAnswerError, ProviderUnavailableError
from tasks.providers import prices
from tasks.providers.asking import Caller, as_, gone_or_error
from tasks.providers.batches import Batch, BatchedRequest
from tasks.providers.dialects import Batching
from tasks.providers.failure import paid_error
from tasks.providers.protocol import RawAnswer
from tasks.providers.redact import shown
from tasks.providers.training_files import await_import
from tasks.providers.wire_records import BAD_FILE, Id, WireFile, WirePage, WireRecord

PAGE = 100
UPLOADS = 3  # a second copy of a file costs nothing
KEY = "intent"  # in the metadata, as with jobs
ENDED = ("completed", "expired", "cancelled")


class WireCounts(BaseModel):
    """How far a batch is."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class WireErrors(BaseModel):
    """Why a batch failed."""

    data: list[dict[str, Any]] | None = None


class WireBatch(WireRecord):
    """A batch; what other servers leave out or add is let through."""

    model_config = ConfigDict(strict=True, frozen=True)

    status: str | None = None
    input_file_id: str | None = None
    output_file_id: Id | None = None
    error_file_id: Id | None = None
    expires_at: int | None = None
    created_at: int = 0
    request_counts: WireCounts | None = None
    errors: WireErrors | None = None
    metadata: dict[str, Any] | None = Field(default=None)

    def normalised(self) -> Batch:
        """A status that nobody has heard of is no end."""
        counts, status = self.request_counts or WireCounts(), self.status or ""
        error = ((self.errors and self.errors.data) or [{}])[0]
        return Batch(
            id=self.id,
            state="ended" if status in ENDED else "failed" if status == "failed" else "running",
            raw_state=shown(status or "without status", 40),
            total=counts.total,
            settled=counts.completed + counts.failed,
            expires_at=self.expires_at,
            files=tuple(filter(None, (self.output_file_id, self.error_file_id))),
            input_file=self.input_file_id or "",
            error_code=shown(str(error.get("code") or ""), 80),
            error_message=shown(str(error.get("message") or "no reason given")),
        )


class WireBatches:
    """The batches of one account, in its dialect."""

    def __init__(self, caller: Caller, clock: Clock, dialect: Batching) -> None:
        self._caller, self.clock, self._dialect = caller, clock, dialect
        self.most_requests, self.most_bytes = dialect.most_requests, dialect.most_bytes
        self.takes_tunes = dialect.tunes

    def find(self, key: str) -> Batch | None:
        """The oldest that carries the key, did not fail and still has its files."""
        send = partial(self._caller.sdk.batches.with_raw_response.list, limit=PAGE)
        listed, whole = self._caller.listing("listing batches", send, WirePage[WireBatch])
        own = [found.normalised() for found in reversed(listed) if (found.metadata or {}).get(KEY) == key]
        there = next((batch for batch in own if self._can_be_read(batch)), None)
        if there is None and not whole:
            remedy = "Use an account or project with fewer batches, then `tunegate resume RUN`."
            raise ProviderUnavailableError("listing batches", "the listing does not come to its end", remedy)
        return there

    def create(self, key: str, requests: Sequence[BatchedRequest]) -> Batch:
        """Upload the requests, or find them uploaded; then ask once, without retry."""
        content = b"".join(self._line(request) for request in requests)
        file_id = self._file(f"{hashlib.sha256(content).hexdigest()}.jsonl", content)
        if self._dialect.waits_for_file:
            await_import(self._caller, file_id)
        endpoint: Any = self._dialect.url  # the SDK knows OpenAI's own spelling only
        send = partial(
            self._caller.sdk.batches.with_raw_response.create,
            completion_window="24h",
            endpoint=endpoint,
            input_file_id=file_id,
            metadata={KEY: key},
        )
        parse = as_(WireBatch, input_file_id=file_id)
        return self._caller.once("creating a batch", send, parse, paid_error).normalised()

    def batch(self, batch_id: str) -> Batch:
        """Its present state."""
        send = partial(self._caller.sdk.batches.with_raw_response.retrieve, batch_id)
        return self._caller.read("reading the batch", send, as_(WireBatch, id=batch_id)).normalised()

    def answers(self, batch: Batch) -> Iterator[tuple[str, RawAnswer]]:
        """From the file of answers, then from that of refusals. A file or a line that cannot be read is none."""
        for file_id in batch.files:
            send = partial(self._caller.sdk.files.with_raw_response.content, file_id)
            content = b""
            with suppress(LookupError):
                content = self._caller.read("reading the answers of a batch", send, bytes, gone_or_error)
            for line in content.splitlines():
                with suppress(ValueError, LookupError, TypeError, AttributeError):
                    yield _answer(orjson.loads(line))

    def discard(self, batch: Batch) -> None:
        """Delete the files of answers last: until then it is found again."""
        for file_id in filter(None, (batch.input_file, *reversed(batch.files))):
            send = partial(self._caller.sdk.files.with_raw_response.delete, file_id)
            self._caller.delete("deleting a file of a batch", send)

    def price(self, live: Price) -> Price:
        """What the same answers cost in a batch."""
        return prices.in_batches(live, self._dialect.price)

    def _can_be_read(self, batch: Batch) -> bool:
        if batch.state != "ended":
            return batch.state == "running"
        return any(self._has_file(file_id) for file_id in batch.files)

    def _has_file(self, file_id: str) -> bool:
        send = partial(self._caller.sdk.files.with_raw_response.retrieve, file_id)
        return self._caller.is_there("looking for a file", send, as_(WireFile, id=file_id))

    def _line(self, request: BatchedRequest) -> bytes:
        line = {"custom_id": request.name, "method": "POST", "url": self._dialect.url}
        return orjson.dumps({**line, "body": orjson.Fragment(request.body)}) + b"\n"

    def _file(self, name: str, content: bytes) -> str:
        """Id of the file at the provider. After a lost answer look, then try again: a copy costs nothing."""
        for attempt in range(1, UPLOADS + 1):
            if found := self._uploaded(name, len(content)):
                return found
            send = partial(self._caller.sdk.files.with_raw_response.create, file=(name, content), purpose="batch")
            try:
                return self._caller.once("uploading requests", send, as_(WireFile, bytes=len(content)), paid_error).id
            except AmbiguousAnswerError:
                if attempt == UPLOADS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _uploaded(self, name: str, size: int) -> str | None:
        send = partial(self._caller.sdk.files.with_raw_response.list, purpose="batch")
        files, _ = self._caller.listing("listing files", send, WirePage[WireFile])
        same = ((file.filename, file.bytes, file.purpose) == (name, size, "batch") for file in files)
        usable = (file.id for file, fits in zip(files, same, strict=True) if fits and file.status not in BAD_FILE)
        return next(usable, None)


def _answer(line: dict[str, Any]) -> tuple[str, RawAnswer]:
    """Raises ValueError and its like for a line of another form."""
    response, name = line.get("response"), str(line["custom_id"])
    if response is None:
        return name, RawAnswer(0, b"", error=shown(str((line.get("error") or {}).get("code") or "no_answer"), 80))
    headers = {"x-request-id": str(response.get("request_id") or "")}
    return name, RawAnswer(int(response["status_code"]), orjson.dumps(response.get("body")), headers)
