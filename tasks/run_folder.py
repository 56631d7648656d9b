"""A run's folder: each file written whole or not at all, and its sha256 in manifest.json."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import BaseModel

from tasks.errors import FormatVersionError, ResumableError, TunegateError
from tasks.home import writable
from tasks.storage import replace_file

FORMAT = 1
GRACE_S = 0.5  # `in_progress` holds a lock for a moment
SAME_S = 0.02  # between two readings of when a process began; its number alone may be another one's by now
POLL_S = 1.0  # while another process works on the run
Model = TypeVar("Model", bound=BaseModel)
log = logging.getLogger("tunegate")
_claims: dict[Path, FileLock] = {}  # what this process works on, or has worked on
_hashed: dict[tuple[str, int, int], str] = {}  # path, size and moment of change of a file to its sha256


class TamperedFileError(TunegateError):
    """A file of a run is gone or is not the one that was recorded."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path} {self.problem}: this run can no longer be trusted. Start a new one with `tunegate run`."


class RunFolder:
    """Files of one run. A name that stands in the manifest is complete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with writable(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def run(self) -> str:
        """The run's name."""
        return self.path.name

    def claim(self, patiently: bool = False) -> bool:
        """Keep other processes off this run until `release`, or until this process ends, however it ends.

        Where another one works on it: wait for its end if `patiently`, and return whether that was so; else raise
        ResumableError.
        """
        lock, waited = _claims.pop(self.path, None) or _lock(self.path), False
        if not lock.is_locked:
            try:
                lock.acquire(timeout=GRACE_S)
            except Timeout:
                holder = self.holder()
                cause = f"it is in progress in process {holder.pid if holder else 'unknown'}"
                if not patiently:
                    raise ResumableError(f"Run {self.run}", cause, "Wait for its end: `tunegate status`.") from None
                log.warning("run        %s: %s; waiting for its end", self.run, cause)
                lock.acquire(poll_interval=POLL_S)
                waited = True
            me = psutil.Process()
            replace_file(self.file(".holder"), f"{me.pid} {me.create_time()}".encode())
        _claims[self.path] = lock
        return waited

    def holder(self) -> psutil.Process | None:
        """The process that claimed it last; None where it is gone, or on another machine or in another container."""
        try:
            pid, began = self.file(".holder").read_text().split()
            process = psutil.Process(int(pid))
            return process if abs(process.create_time() - float(began)) < SAME_S else None
        except (OSError, ValueError, psutil.Error):
            return None

    def release(self) -> None:
        """Let other processes at this run."""
        if self.path in _claims:
            _claims[self.path].release(force=True)

    def file(self, name: str) -> Path:
        """Path of a file, whether it exists or not."""
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether the file was written whole."""
        return name in self.manifest()

    def manifest(self) -> dict[str, str]:
        """File name to sha256."""
        path = self.file("manifest.json")
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_bytes())
            found, files = int(content["format"]), dict(content["files"])
        except (ValueError, LookupError, TypeError) as error:
            raise TamperedFileError(str(path), "is no manifest") from error
        if found > FORMAT:
            raise FormatVersionError(str(path), found, FORMAT)
        return files

    def write_bytes(self, name: str, content: bytes) -> str:
        """Write a file and its manifest line; the sha256."""
        digest = hashlib.sha256(content).hexdigest()
        return self._take_in(name, digest, lambda: replace_file(self.file(name), content))

    def write_json(self, name: str, content: BaseModel | dict[str, Any]) -> str:
        """Write a document as indented JSON; the sha256."""
        plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
        return self.write_bytes(name, json.dumps(plain, indent=2, ensure_ascii=False).encode() + b"\n")

    def write_lines(self, name: str, rows: Iterable[dict[str, Any]]) -> str:
        """Write one JSON object a line; the sha256."""
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        return self.write_bytes(name, "".join(f"{line}\n" for line in lines).encode())

    def write_frame(self, name: str, frame: pd.DataFrame) -> str:
        """Write a frame as Parquet; the sha256."""
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False)
        return self.write_bytes(name, buffer.getvalue())

    def incoming(self, name: str) -> Path:
        """Where a file too large for memory is written before `adopt` takes it in."""
        return self.path / f".{name}.part"

    def adopt(self, name: str) -> str:
        """Take in the file at `incoming(name)`, and its manifest line; the sha256."""
        path = self.incoming(name)
        with writable(path):
            path.chmod(0o600)
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
        return self._take_in(name, _sha256(path), lambda: path.replace(self.file(name)))

    def columns(self, name: str, columns: Sequence[str]) -> pa.Table:
        """Some columns of a Parquet file that may be too large to be read whole; checked against the manifest."""
        return pq.read_table(self.checked(name), columns=list(columns))

    def checked(self, name: str) -> Path:
        """Path of a file whose bytes are what the manifest says; hashed once as long as it does not change."""
        path = self.file(name)
        if name not in self.manifest() or not path.exists():
            raise TamperedFileError(str(path), "is missing")
        facts = path.stat()
        key = (str(path), facts.st_size, facts.st_mtime_ns)
        if key not in _hashed:
            _hashed[key] = _sha256(path)
        self._require(name, _hashed[key])
        return path

    def read_bytes(self, name: str) -> bytes:
        """The file's bytes, checked against the manifest."""
        path = self.file(name)
        if name not in self.manifest() or not path.exists():
            raise TamperedFileError(str(path), "is missing")
        content = path.read_bytes()
        self._require(name, hashlib.sha256(content).hexdigest())
        return content

    def read_json(self, name: str, model: type[Model]) -> Model:
        """A document, typed."""
        return model.model_validate_json(self.read_bytes(name))

    def read_frame(self, name: str) -> pd.DataFrame:
        """A frame."""
        return pd.read_parquet(BytesIO(self.read_bytes(name)))

    def changed_files(self) -> list[str]:
        """Files whose bytes are not what the manifest says; the audit of `tunegate verify`."""
        return [name for name in self.manifest() if not self._is_intact(name)]

    def _is_intact(self, name: str) -> bool:
        path = self.file(name)
        return path.exists() and _sha256(path) in self.manifest()[name].split()

    def _take_in(self, name: str, digest: str, write: Callable[[], object]) -> str:
        known = self.manifest().get(name)
        if known:  # both count until the new one is there: a kill in between must not look like tampering
            self._record(name, f"{known} {digest}")
        write()
        self._record(name, digest)
        return digest

    def _require(self, name: str, digest: str) -> None:
        if digest not in self.manifest()[name].split():
            raise TamperedFileError(str(self.file(name)), "was changed after it was written")

    def _record(self, name: str, digest: str) -> None:
        files = {**self.manifest(), name: digest}
        replace_file(
            self.file("manifest.json"), json.dumps({"format": FORMAT, "files": files}, indent=2).encode() + b"\n"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def last_claimed() -> str | None:
    """The run that this process claimed last."""
    return next(reversed(_claims)).name if _claims else None


def in_progress(path: Path) -> bool:
    """Whether a living process works on the run of this folder."""
    lock = _lock(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock(path: Path) -> FileLock:
    # not thread-local: Prefect runs each task in a thread of its own
    return FileLock(path / ".lock", mode=0o600, thread_local=False)
