"""A training file on its way to an endpoint: in the form that it trains on, in parts where it is large, imported."""

import hashlib
from contextlib import suppress
from functools import partial

from tasks.errors import ProviderRefusedError, ProviderUnavailableError, TunegateError
from tasks.providers.asking import Caller, as_
from tasks.providers.dialects import Dialect
from tasks.providers.failure import paid_error
from tasks.providers.redact import shown
from tasks.providers.wire_records import BAD_FILE, GOOD_FILE, WireFile, WireRecord, WireUpload

BOM = b"\xef\xbb\xbf"
IMPORT_S = 1800.0  # as long as the SDK's own helper waits
LOOK_S = 5.0
CALL = "uploading a training file"


def as_uploaded(content: bytes, dialect: Dialect) -> bytes:
    """The bytes that are sent: with a byte-order mark where the dialect asks for one."""
    return BOM + content if dialect.bom and not content.startswith(BOM) else content


def upload(caller: Caller, dialect: Dialect, name: str, content: bytes) -> str:
    """Upload once; the file's id. Raises AmbiguousAnswerError where it may have been accepted."""
    sent = as_uploaded(content, dialect)
    if dialect.parts_above is not None and len(sent) > dialect.parts_above:
        return _in_parts(caller, dialect.part_bytes, name, sent)
    send = partial(caller.sdk.files.with_raw_response.create, file=(name, sent), purpose="fine-tune")
    return caller.once(CALL, send, as_(WireFile, bytes=len(sent)), paid_error).id


def await_import(caller: Caller, file_id: str) -> None:
    """Return once the endpoint has imported the file. One that is refused, or stuck, is deleted.

    Raises ProviderRefusedError with what the endpoint says about it, ProviderUnavailableError where it is stuck.
    """
    deadline = caller.clock.monotonic() + IMPORT_S
    retrieve = partial(caller.sdk.files.with_raw_response.retrieve, file_id)
    while True:
        file = caller.read("looking at an uploaded file", retrieve, as_(WireFile, id=file_id))
        if file.status in GOOD_FILE:
            return
        if file.status in BAD_FILE:
            _drop(caller, file_id)
            remedy = "The file was deleted. Mend what it names, then run again: it is uploaded anew."
            raise ProviderRefusedError(CALL, file.status or "", shown(file.status_details or "no reason given"), remedy)
        if caller.clock.monotonic() >= deadline:
            _drop(caller, file_id)
            cause = f"it is still {shown(file.status or 'without status', 40)} after {IMPORT_S / 60:.0f} minutes"
            remedy = "The file was deleted. `tunegate resume RUN` uploads it anew."
            raise ProviderUnavailableError(CALL, cause, remedy)
        caller.clock.sleep(LOOK_S)


def _in_parts(caller: Caller, size: int, name: str, content: bytes) -> str:
    """Only the last call makes a file of it, so that only this one is asked once; parts alone cost nothing."""
    uploads = caller.sdk.uploads
    start = partial(
        uploads.with_raw_response.create,
        bytes=len(content),
        filename=name,
        mime_type="text/jsonl",
        purpose="fine-tune",
    )
    begun = caller.read(CALL, start, as_(WireUpload)).id
    try:
        parts = [_part(caller, begun, content[at : at + size]) for at in range(0, len(content), size)]
    except TunegateError:
        with suppress(TunegateError):
            caller.once(CALL, partial(uploads.with_raw_response.cancel, begun), as_(WireUpload), paid_error)
        raise
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    finish = partial(uploads.with_raw_response.complete, begun, part_ids=parts, md5=digest)
    return caller.once(CALL, finish, partial(_whole, len(content)), paid_error)


def _part(caller: Caller, upload_id: str, data: bytes) -> str:
    send = partial(caller.sdk.uploads.parts.with_raw_response.create, upload_id, data=data)
    return caller.read(CALL, send, as_(WireRecord)).id


def _whole(size: int, answer: bytes) -> str:
    """Id of the file that came of it. Raises ValueError for anything else."""
    file = WireUpload.model_validate_json(answer).file
    if file is None or file.bytes not in (None, size):
        raise ValueError("no file of that size came of the upload")
    return file.id


def _drop(caller: Caller, file_id: str) -> None:
    with suppress(TunegateError):
        caller.delete("deleting a file", partial(caller.sdk.files.with_raw_response.delete, file_id))
