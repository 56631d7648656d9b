"""Uploaded files: their content, their listing, their expiry."""

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, ValidationError

from tasks.providers.local import pages
from tasks.providers.local.errors import ApiError, Body, invalid_body, no_such
from tasks.providers.local.fault_kinds import FileFate
from tasks.providers.local.pages import Public
from tasks.providers.local.settings import SettingsFile
from tasks.providers.local.store import Collection, Record, new_id, write_atomically

MAX_BYTES = 512 * 1024 * 1024
LIST_LIMIT = 10_000
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class ExpiresAfter(Body):
    """When a file deletes itself."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class Upload(Body):
    """The form fields beside the file."""

    purpose: Purpose
    expires_after: ExpiresAfter | None = None

    @classmethod
    def from_form(cls, fields: Mapping[str, str]) -> "Upload":
        """From multipart fields, in which `expires_after[seconds]` is a nested one."""
        nested = {name[14:-1]: value for name, value in fields.items() if name.startswith("expires_after[")}
        flat: dict[str, Any] = {name: value for name, value in fields.items() if "[" not in name}
        try:
            return cls.model_validate(flat | ({"expires_after": nested} if nested else {}))
        except ValidationError as problems:
            raise invalid_body(problems) from None


class File(Record):
    """A file as it is stored."""

    filename: str
    size: int
    purpose: str
    created_at: float
    expires_at: int | None = None
    processed_from: float = 0
    fate: FileFate = FileFate(kind="file")

    def status_at(self, now: float) -> Literal["uploaded", "processed", "error"]:
        """How far the server is with it."""
        return self.fate.stays or ("uploaded" if now < self.processed_from else self.fate.ends or "processed")

    def public(self, now: float) -> Public:
        """As the wire shows it."""
        shown: Public = {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": int(self.created_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": self.status_at(now),
        }
        details = {"status_details": self.fate.details} if shown["status"] == "error" else {}
        return shown | details | ({"expires_at": self.expires_at} if self.expires_at else {})


class Files:
    """All files of the server; contents lie beside their documents, named by id."""

    def __init__(self, folder: Path, settings: SettingsFile) -> None:
        self._files = Collection(folder, File)
        self._settings = settings

    def create(self, name: str, content: BinaryIO, upload: Upload, fate: FileFate | None) -> File:
        """Keep an upload. Raises ApiError for what the real service does not take."""
        if upload.purpose == "fine-tune" and not name.endswith(".jsonl"):
            raise ApiError(
                400, "Invalid file format for Fine-Tuning API. Must be .jsonl", "file", "invalid_file_format"
            )
        size = content.seek(0, 2)
        if not 0 < size <= MAX_BYTES:
            raise ApiError(
                400, f"The file has {size} bytes; 1 to {MAX_BYTES} are allowed.", "file", "invalid_file_size"
            )
        content.seek(0)
        settings = self._settings.current()
        now = settings.now()
        expires = math.ceil(now) + upload.expires_after.seconds if upload.expires_after else None
        new = File(
            id=new_id("file-"),
            order=self._files.next_order(),
            filename=name,
            size=size,
            purpose=upload.purpose,
            created_at=now,
            expires_at=expires,
            processed_from=now + settings.file_seconds,
            fate=fate or FileFate(kind="file"),
        )
        with self._content(new.id).open("wb") as stored:
            shutil.copyfileobj(content, stored, 1 << 20)
            stored.flush()
            os.fsync(stored.fileno())
        self._files.put(new)
        return new

    def add_result(self, identifier: str, name: str, content: bytes, purpose: str = "fine-tune-results") -> File:
        """Keep what a job or a batch produced, under an id of its own; adding it again replaces it."""
        new = File(
            id=identifier,
            order=self._files.next_order(),
            filename=name,
            size=len(content),
            purpose=purpose,
            created_at=self._settings.current().now(),
        )
        write_atomically(self._content(identifier), content)
        self._files.put(new)
        return new

    def get(self, identifier: str) -> File:
        """The file. Raises ApiError 404."""
        self._drop_expired()
        found = self._files.get(identifier)
        if found is None:
            raise no_such("File", identifier)
        return found

    def public(self, identifier: str) -> Public:
        """The file as the wire shows it now. Raises ApiError 404."""
        return self.get(identifier).public(self._settings.current().now())

    def problem(self, identifier: str, purpose: str = "fine-tune") -> str:
        """Why no job can be trained on it, or no batch asked from it; "" where one can."""
        try:
            file = self.get(identifier)
        except ApiError:
            return "no such file"
        if file.purpose != purpose:
            return f"its purpose is not {purpose}"
        problems = {"uploaded": "it is still being processed; try again later", "error": "it could not be processed"}
        return problems.get(file.status_at(self._settings.current().now()), "")

    def content(self, identifier: str) -> Path:
        """Where its content lies. Raises ApiError 404."""
        return self._content(self.get(identifier).id)

    def page(self, query: Mapping[str, str]) -> Public:
        """A page, by `purpose` and `order`."""
        self._drop_expired()
        found = self._files.newest_first()
        if query.get("order") == "asc":
            found.reverse()
        now = self._settings.current().now()
        wanted = [
            file.public(now)
            for file in found
            if query.get("purpose", file.purpose) == file.purpose and file.created_at + file.fate.hidden_s <= now
        ]
        return pages.page(wanted, query, LIST_LIMIT, "File")

    def delete(self, identifier: str) -> Public:
        """Forget it, content included."""
        self.get(identifier)
        self._files.delete(identifier)
        self._content(identifier).unlink(missing_ok=True)
        return {"id": identifier, "object": "file", "deleted": True}

    def _drop_expired(self) -> None:
        now = self._settings.current().now()
        for file in self._files:
            if file.expires_at is not None and file.expires_at <= now:
                self._files.delete(file.id)
                self._content(file.id).unlink(missing_ok=True)

    def _content(self, identifier: str) -> Path:
        return self._files.folder / f"{identifier}.content"
