"""Files behind one interface: local paths and s3:// (boto3). What is read is one version from its first byte to its
last, and nothing is written in part."""

import glob
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from tasks.errors import ConfigurationError
from tasks.home import writable
from tasks.storage.s3 import ATTEMPTS, RANGE, S3, S3Object, address, changed, s3_errors

BLOCK = 2**20


@dataclass(frozen=True)
class OpenFile:
    """A file open for reading, and the one version that all its bytes come from; "" for a local file."""

    stream: "io.BufferedReader[Any]"
    version: str = ""

    def blocks(self) -> Iterator[bytes]:
        """The content from where the stream stands, in pieces of at most a megabyte."""
        while block := self.stream.read(BLOCK):
            yield block


class Storage:
    """Reads and writes whole files. `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL` win over the argument."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        self._endpoint_url = next((os.environ[name] for name in variables if os.environ.get(name)), endpoint_url)

    def find(self, path: str) -> list[str]:
        """Files that a file name, glob, folder or s3 prefix stands for, sorted; hidden ones (._) are left out."""
        return sorted(self._s3_expand(path) if _is_s3(path) else _local_expand(path))

    def expand(self, path: str) -> list[str]:
        """The same, at least one. Raises ConfigurationError if there is none."""
        found = self.find(path)
        if not found:
            raise ConfigurationError(path, "no file is there", "Check the path; a relative one starts at its file.")
        return found

    def read(self, path: str) -> bytes:
        """The whole content of one file."""
        with self.open(path) as file:
            return b"".join(file.blocks())

    @contextmanager
    def open(self, path: str, growing: bool = False) -> Iterator[OpenFile]:
        """One file as a stream. Raises ResumableError where it changes meanwhile, unless it is a log that may grow."""
        if _is_s3(path):
            source = S3Object(self._client, path)
            yield OpenFile(io.BufferedReader(source, RANGE), source.version)
            return
        with _local_errors(path):
            stream = io.BufferedReader(_LocalFile(path), BLOCK)
        with stream:
            state = _state(stream)
            yield OpenFile(stream)
            if not growing and _state(stream) != state:
                raise changed(path)

    def write(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all; folders on the way are made."""
        if _is_s3(path):
            bucket, key = address(path)
            with s3_errors(path):
                self._client.put_object(Bucket=bucket, Key=key, Body=content)
            return
        with _local_errors(path):
            replace_file(Path(path), content)

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        import boto3
        from botocore.config import Config

        style = {"addressing_style": "path"} if self._endpoint_url else {}
        config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, s3=style, connect_timeout=10)
        return boto3.session.Session().client("s3", endpoint_url=self._endpoint_url, config=config)

    def _s3_expand(self, path: str) -> list[str]:
        bucket, key = address(path)
        fixed = re.split(r"[*?]", key, maxsplit=1)[0]
        with s3_errors(path):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=fixed)
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return [f"{S3}{bucket}/{name}" for name in _chosen(keys, key, is_glob=fixed != key)]


class _LocalFile(io.FileIO):
    """A local file whose failures, such as a bad disk, name it."""

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        with _local_errors(str(self.name)):
            return super().readinto(buffer) or 0


def replace_file(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writable(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)


def _is_s3(path: str) -> bool:
    if "://" in path and not path.startswith(S3):
        raise ConfigurationError(path, "is neither a local path nor s3://", "Copy the file to one of the two.")
    return path.startswith(S3)


def _local_expand(path: str) -> list[str]:
    with _local_errors(path):
        if Path(path).is_file():
            return [path]
        pattern = f"{glob.escape(path)}/**" if Path(path).is_dir() else path
        found = map(Path, glob.iglob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        return [str(file) for file in found if file.is_file() and not file.name.startswith(("_", "."))]


def _state(stream: BinaryIO) -> tuple[int, int]:
    found = os.fstat(stream.fileno())
    return found.st_size, found.st_mtime_ns


@contextmanager
def _local_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = (error.strerror or type(error).__name__).lower()
        raise ConfigurationError(path, problem, "Check the path and its rights.") from error


def _chosen(keys: list[str], wanted: str, is_glob: bool) -> list[str]:
    """The key itself, else what the glob matches, else what lies in the folder, else what begins like it."""
    keys = [key for key in keys if not key.endswith("/")]  # the console's marker of an empty folder
    if wanted in keys:
        return [wanted]
    keys = [key for key in keys if not key.rpartition("/")[2].startswith(("_", "."))]
    if is_glob:
        pattern = re.compile(_glob_pattern(wanted))
        return [key for key in keys if pattern.fullmatch(key)]
    folder = wanted.rstrip("/") + "/"
    return [key for key in keys if key.startswith(folder)] or keys


def _glob_pattern(wanted: str) -> str:
    """`**/` is any folders, `*` and `?` stay inside one."""
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", wanted)
    return "".join(meaning.get(part, re.escape(part)) for part in parts)
