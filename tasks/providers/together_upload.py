"""Training files at Together: announced with their checksum, put where its storage says, then checked by Together.

POST /v1/files answers 302 with a presigned address and the file's id, or 409 with the id under which it holds the same
bytes already. The library's own upload would follow up to 20 redirects of the storage, rows in hand.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from tasks.errors import (
    AmbiguousAnswerError,
    ConfigurationError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TunegateError,
)
from tasks.providers.base_url import checked
from tasks.providers.failure import RESUME
from tasks.providers.redact import shown
from tasks.providers.together_calls import Calls, as_, raw
from tasks.providers.together_records import Announced, Deleted, Listing, TogetherFile

if TYPE_CHECKING:
    from httpx import Client, Response
    from together import Together

CALL = "uploading a training file"
PAUSES_S = (1, 2, 4, 8, 15, *[30] * 20)  # how long the check of a file is waited for: 10.5 minutes


@dataclass(frozen=True)
class Files:
    """The account's training files."""

    calls: Calls
    library: "Together"
    http: "Client"
    private: bool = False

    def find(self, name: str, content: bytes) -> str | None:
        """Id of an uploaded file of that name and size, once Together has checked it."""
        send = raw(self.library.files.with_raw_response.list)
        files = self.calls.read("listing files", send, as_(Listing[TogetherFile])).data
        found = next((file for file in files if file.is_usable(name, len(content))), None)
        return self._once_checked(found).id if found else None

    def upload(self, name: str, content: bytes) -> str:
        """Upload once; the id of a file that Together has checked. Raises ProviderRefusedError where it is unfit."""
        told = self.calls.once(CALL, partial(self._announce, name, content), _told)
        if told.address is None:
            return self._once_checked(self._whole(self._file(told.file_id), len(content))).id
        self._put(told.address, content)
        send = partial(self._post, f"/v1/files/{told.file_id}/preprocess")
        return self._once_checked(self.calls.once(CALL, send, as_(TogetherFile, id=told.file_id))).id

    def is_there(self, file_id: str) -> bool:
        """Whether Together still holds it."""
        send = raw(self.library.files.with_raw_response.retrieve, file_id)
        return self.calls.is_there("looking for a file", send, as_(TogetherFile, id=file_id))

    def delete(self, file_id: str) -> None:
        """Delete; a file that is gone already is fine."""
        send = raw(self.library.files.with_raw_response.delete, file_id)
        self.calls.delete("deleting a file", send, as_(Deleted))

    def _announce(self, name: str, content: bytes) -> "Response":
        from together import APIStatusError

        checksum = hashlib.sha256(content).hexdigest()
        form = {"purpose": "fine-tune", "file_name": name, "file_type": "jsonl", "checksum": checksum}
        try:
            return self._post("/v1/files", form, "multipart/form-data")
        except APIStatusError as error:
            if error.status_code in (HTTPStatus.FOUND, HTTPStatus.CONFLICT):
                return error.response
            raise

    def _post(self, path: str, form: dict[str, str] | None = None, kind: str = "application/json") -> "Response":
        from httpx import Response

        return self.library.post(path, cast_to=Response, body=form, options={"headers": {"Content-Type": kind}})

    def _put(self, address: str, content: bytes) -> None:
        """Without the key: the address carries its own permission, and leads to another company's storage."""
        _check(address, self.private)
        send = partial(self.http.put, address, content=content, timeout=self.library.timeout)
        status = self.calls.once(CALL, send, lambda answer: answer.status_code)
        if 300 <= status < 400:
            remedy = "No row was sent there. Report it to Together."
            raise ProviderRefusedError(CALL, f"HTTP {status}", "its storage leads elsewhere", remedy)
        if status >= 400:
            cause = f"its storage answered HTTP {status}"
            raise AmbiguousAnswerError(CALL, cause, "Look for the file before uploading again.")

    def _file(self, file_id: str) -> TogetherFile:
        send = raw(self.library.files.with_raw_response.retrieve, file_id)
        return self.calls.read("reading a file's state", send, as_(TogetherFile, id=file_id))

    def _whole(self, file: TogetherFile, size: int) -> TogetherFile:
        """The file, unless it is what a broken upload left: that one would stand in the way of the next."""
        if file.bytes != size:
            raise self._discarded(file, "an earlier upload broke off")
        return file

    def _once_checked(self, file: TogetherFile) -> TogetherFile:
        """The file, once Together's check of it has ended well."""
        for pause in PAUSES_S:
            if not file.is_pending:
                break
            self.calls.clock.sleep(pause)
            file = self._file(file.id)
        if file.is_pending:
            raise ProviderUnavailableError(f"Together's check of file {file.id}", "goes on", f"Wait. {RESUME}")
        if file.processing_status == "INVALID_FORMAT":
            raise _unfit(file)
        if file.is_broken:
            raise self._discarded(file, "Together's check of it broke off")
        return file

    def _discarded(self, file: TogetherFile, cause: str) -> TunegateError:
        self.delete(file.id)
        return AmbiguousAnswerError(CALL, f"{cause}, and what was left of it was deleted", f"Upload it again. {RESUME}")


def _told(answer: "Response") -> Announced:
    """Where to put the bytes, or the file that holds them. Anything else is no answer: ValueError."""
    if answer.status_code == HTTPStatus.CONFLICT:
        return Announced.model_validate_json(answer.content)
    headers = {"file_id": answer.headers.get("x-together-file-id"), "address": answer.headers.get("location")}
    return Announced.model_validate(headers | {"address": headers["address"] or ""})


def _check(address: str, private: bool) -> None:
    """Refuses a storage that rows would reach unencrypted. A presigned address has a query, which is its permission."""
    try:
        checked(address.partition("?")[0], "the address that Together's storage gave", private)
    except ConfigurationError as error:
        raise ProviderRefusedError(CALL, "unsafe_address", str(error), "Report it to Together.") from None


def _unfit(file: TogetherFile) -> ProviderRefusedError:
    found = file.validation_report.error if file.validation_report else None
    reason = shown(found or "Together gives no reason").rstrip(".")
    remedy = "Mend the training data or its mapping; `tunegate check` writes the file that was refused."
    return ProviderRefusedError("the training file", "INVALID_FORMAT", reason, remedy)
