"""Files behind one interface: local paths and s3:// (boto3). Nothing is read in part and nothing is written in part."""

import glob
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tasks.errors import ConfigurationError, CredentialsError, ProviderUnavailableError, ResumableError, TunegateError
from tasks.home import writable

S3 = "s3://"
ATTEMPTS = 5
Result = TypeVar("Result")


class ShortReadError(Exception):
    """Fewer bytes arrived than the store had announced."""


class Storage:
    """Reads and writes whole files. `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL` win over the argument."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        self._endpoint_url = next((os.environ[name] for name in variables if os.environ.get(name)), endpoint_url)

    def expand(self, path: str) -> list[str]:
        """Files that a file name, glob, folder or s3 prefix stands for, sorted; hidden ones (._) are left out.

        Raises ConfigurationError if there is none.
        """
        found = sorted(self._s3_expand(path) if _is_s3(path) else _local_expand(path))
        if not found:
            raise ConfigurationError(path, "no file is there", "Check the path; a relative one starts at its file.")
        return found

    def read(self, path: str) -> bytes:
        """The whole content of one file."""
        if _is_s3(path):
            return self._s3_read(path)
        with _local_errors(path):
            return Path(path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all; folders on the way are made."""
        if _is_s3(path):
            bucket, key = _address(path)
            with _s3_errors(path):
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
        bucket, key = _address(path)
        fixed = re.split(r"[*?]", key, maxsplit=1)[0]
        with _s3_errors(path):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=fixed)
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return [f"{S3}{bucket}/{name}" for name in _chosen(keys, key, is_glob=fixed != key)]

    def _s3_read(self, path: str) -> bytes:
        def attempt() -> bytes:
            with _s3_errors(path):
                return self._s3_read_once(path)

        return _retried(path, attempt)

    def _s3_read_once(self, path: str) -> bytes:
        """The object as HEAD announced it: same ETag, same size. boto3 takes a body cut short for a whole one."""
        bucket, key = _address(path)
        head = self._client.head_object(Bucket=bucket, Key=key)
        answer = self._client.get_object(Bucket=bucket, Key=key, IfMatch=head["ETag"])
        content: bytes = answer["Body"].read()
        if len(content) != head["ContentLength"]:
            raise ShortReadError(f"{len(content)} of {head['ContentLength']} bytes arrived")
        return content


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


@contextmanager
def _local_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = (error.strerror or type(error).__name__).lower()
        raise ConfigurationError(path, problem, "Check the path and its rights.") from error


def _address(path: str) -> tuple[str, str]:
    bucket, _, key = path.removeprefix(S3).partition("/")
    return bucket, key


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


def _retried(path: str, attempt: Callable[[], Result]) -> Result:
    """Try again where the connection broke inside a body: boto3 itself does not."""
    from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ResponseStreamingError

    broken = (ShortReadError, FlexibleChecksumError, IncompleteReadError, ResponseStreamingError)
    attempts = Retrying(
        retry=retry_if_exception_type(broken),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )
    try:
        return attempts(attempt)
    except broken as error:
        cause = f"its content kept arriving damaged or cut short ({type(error).__name__})"
        raise ProviderUnavailableError(f"Reading {path}", cause, "Run again once the store is well.") from error


@contextmanager
def _s3_errors(path: str) -> Iterator[None]:
    """Each of boto3's errors as one that says what to do; those of a broken body pass, `_retried` sees to them."""
    from botocore import exceptions as boto

    no_key = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
    try:
        yield
    except (boto.ResponseStreamingError, boto.IncompleteReadError, boto.FlexibleChecksumError):
        raise
    except boto.ClientError as error:
        raise _s3_refusal(path, error.response) from error
    except no_key as error:
        remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        raise CredentialsError(path, "there are no complete AWS credentials", remedy) from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        cause = f"the S3 endpoint cannot be reached ({type(error).__name__})"
        raise ProviderUnavailableError(path, cause, "Check source.endpoint_url and the network.") from error
    except boto.BotoCoreError as error:
        problem = f"boto3 refuses it ({type(error).__name__})"
        raise ConfigurationError(path, problem, "Write s3://bucket/key; check AWS_PROFILE and AWS_REGION.") from error


def _s3_refusal(path: str, response: dict[str, Any]) -> TunegateError:
    """The error for an S3 error answer, with bucket and key, cause and way out."""
    bucket, key = _address(path)
    where, code = f"bucket {bucket}, key {key}", str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return ConfigurationError(where, "there is no such bucket", "Check the name and source.endpoint_url.")
    if status == 404:
        return ConfigurationError(where, "there is no such object", "Check the key; keys tell upper from lower case.")
    if status in (401, 403):
        remedy = "Check the AWS key and that it may do s3:GetObject there and s3:ListBucket on the bucket."
        return CredentialsError(where, f"S3 refused access ({code})", remedy)
    if status == 412:
        return ResumableError(where, "the object changed while it was read", "Run again once its upload is over.")
    if status in (301, 307, 400):
        return ConfigurationError(where, f"S3 refused the request ({code})", "Check AWS_REGION and the address.")
    return ProviderUnavailableError(where, f"S3 kept failing ({status} {code})", "Run again later.")
