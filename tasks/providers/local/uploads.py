"""Uploads in parts: a file that arrives piece by piece and is put together at the end."""

import hashlib
import shutil
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import Field

from tasks.providers.local.errors import ApiError, Body, no_such
from tasks.providers.local.fault_kinds import FileFate
from tasks.providers.local.files import ExpiresAfter, File, Files, Purpose, Upload
from tasks.providers.local.pages import Public
from tasks.providers.local.settings import SettingsFile
from tasks.providers.local.store import Collection, Record, new_id

LIFETIME_S = 3600
MAX_PART_BYTES = 64 * 1024 * 1024
UploadStatus = Literal["pending", "completed", "cancelled", "expired"]


class UploadRequest(Body):
    """Body of POST /uploads."""

    bytes: int = Field(ge=1, le=8 * 1024**3)
    filename: str = Field(min_length=1)
    mime_type: str
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class Completion(Body):
    """Body of POST /uploads/{id}/complete."""

    part_ids: list[str] = Field(min_length=1)
    md5: str | None = None


class PartedUpload(Record):
    """An upload as it is stored. `parts` are kept until it ends."""

    asked: UploadRequest
    created_at: float
    status: UploadStatus = "pending"
    parts: list[str] = Field(default_factory=list)
    file: str | None = None

    def public(self, file: File | None, now: float) -> Public:
        """As the wire shows it."""
        return {
            "id": self.id,
            "object": "upload",
            "bytes": self.asked.bytes,
            "created_at": int(self.created_at),
            "expires_at": int(self.created_at) + LIFETIME_S,
            "filename": self.asked.filename,
            "purpose": self.asked.purpose,
            "status": self.status_at(now),
            "file": file.public(now) if file else None,
        }

    def status_at(self, now: float) -> UploadStatus:
        """Its state; one that was not finished in time has expired."""
        late = self.status == "pending" and now >= self.created_at + LIFETIME_S
        return "expired" if late else self.status


class Uploads:
    """All uploads; the parts of each lie in a folder of its own."""

    def __init__(self, folder: Path, files: Files, settings: SettingsFile) -> None:
        self._uploads = Collection(folder, PartedUpload)
        self._files, self._settings = files, settings

    def create(self, asked: UploadRequest) -> Public:
        """Begin one."""
        now, order = self._settings.current().now(), self._uploads.next_order()
        upload = PartedUpload(id=new_id("upload_"), order=order, asked=asked, created_at=now)
        self._folder(upload).mkdir(exist_ok=True)
        self._uploads.put(upload)
        return upload.public(None, now)

    def add(self, upload_id: str, content: BinaryIO) -> Public:
        """Keep a part. Raises ApiError."""
        upload, now = self._pending(upload_id), self._settings.current().now()
        if not 0 < content.seek(0, 2) <= MAX_PART_BYTES:
            raise ApiError(400, f"A part has 1 to {MAX_PART_BYTES} bytes.", "data", "invalid_value")
        content.seek(0)
        part = new_id("part_")
        with (self._folder(upload) / part).open("wb") as stored:
            shutil.copyfileobj(content, stored, 1 << 20)
        self._uploads.put(upload.model_copy(update={"parts": [*upload.parts, part]}))
        return {"id": part, "object": "upload.part", "created_at": int(now), "upload_id": upload_id}

    def complete(self, upload_id: str, wanted: Completion, fate: FileFate | None) -> Public:
        """Put the parts together, in the order asked for, into a file. Raises ApiError."""
        upload = self._pending(upload_id)
        if unknown := set(wanted.part_ids) - set(upload.parts):
            raise ApiError(400, f"{len(unknown)} part(s) are unknown to this upload.", "part_ids", "invalid_value")
        with (self._folder(upload) / "whole").open("w+b") as whole:
            for part in wanted.part_ids:
                with (self._folder(upload) / part).open("rb") as stored:
                    shutil.copyfileobj(stored, whole, 1 << 20)
            _check(whole, upload.asked.bytes, wanted.md5)
            fields = Upload(purpose=upload.asked.purpose, expires_after=upload.asked.expires_after)
            file = self._files.create(upload.asked.filename, whole, fields, fate)
        return self._end(upload, "completed", file)

    def cancel(self, upload_id: str) -> Public:
        """Forget the parts. Raises ApiError."""
        return self._end(self._pending(upload_id), "cancelled", None)

    def _pending(self, upload_id: str) -> PartedUpload:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise no_such("Upload", upload_id)
        status = upload.status_at(self._settings.current().now())
        if status != "pending":
            raise ApiError(400, f"The upload {upload_id} is {status}.", code="invalid_upload_state")
        return upload

    def _end(self, upload: PartedUpload, status: UploadStatus, file: File | None) -> Public:
        ended = upload.model_copy(update={"status": status, "parts": [], "file": file and file.id})
        self._uploads.put(ended)
        shutil.rmtree(self._folder(upload), ignore_errors=True)
        return ended.public(file, self._settings.current().now())

    def _folder(self, upload: PartedUpload) -> Path:
        return self._uploads.folder / upload.id


def _check(whole: BinaryIO, size: int, md5: str | None) -> None:
    if whole.tell() != size:
        raise ApiError(400, f"{whole.tell()} bytes arrived of the {size} announced.", "bytes", "invalid_value")
    whole.seek(0)
    if md5 and _md5(whole) != md5.lower():
        raise ApiError(400, "The file's checksum is another.", "md5", "invalid_value")


def _md5(whole: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while block := whole.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
