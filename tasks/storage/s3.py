"""Objects of an S3 store as streams, and each of boto3's errors as one that says what to do."""

import base64
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tasks.errors import ConfigurationError, CredentialsError, ProviderUnavailableError, ResumableError, TunegateError

S3 = "s3://"
ATTEMPTS = 5
RANGE = 8 * 2**20  # bytes asked for at once
PIECE = 2**16


class ShortReadError(Exception):
    """No byte arrived of those that the store had announced."""


_ATTEMPTS = Retrying(  # for a body that breaks before its first byte: boto3 itself does not try again
    retry=retry_if_exception_type(ShortReadError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.1, max=5),
    reraise=True,
)


class S3Object(io.RawIOBase):
    """One version of an object, read by ranges; a range that breaks off goes on where it stopped.

    Its size and, where the store keeps a SHA-256 or CRC-32, its checksum must be what HEAD announced.
    """

    def __init__(self, client: Any, path: str) -> None:  # noqa: ANN401 - boto3 makes its classes at run time
        self._client, self._path, self._position = client, path, 0
        bucket, key = address(path)
        with s3_errors(path):
            head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        versions = {"VersionId": head["VersionId"]} if head.get("VersionId") else {}
        self.version = str(versions.get("VersionId") or head["ETag"].strip('"'))
        self._pinned = {"Bucket": bucket, "Key": key, "IfMatch": head["ETag"], **versions}
        self._size, self._checksums = int(head["ContentLength"]), _checksums(head)

    def readable(self) -> bool:
        """True: io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Some of the next bytes, 0 at the end. Raises ProviderUnavailableError where they do not come, or differ."""
        wanted = memoryview(buffer)[: min(RANGE, self._size - self._position)]
        if not wanted:
            self._compare_checksums()
            return 0
        try:
            arrived = _ATTEMPTS(self._range_into, wanted)
        except ShortReadError as error:
            cause = f"its content kept arriving cut short ({error})"
            raise ProviderUnavailableError(f"Reading {self._path}", cause, "Run again later.") from error
        for _, digest in self._checksums:
            digest.update(wanted[:arrived])
        self._position += arrived
        return arrived

    def _compare_checksums(self) -> None:
        if any(base64.b64encode(digest.digest()).decode() != stored for stored, digest in self._checksums):
            remedy = "Run again; if that does not help, upload it anew."
            raise ProviderUnavailableError(f"Reading {self._path}", "its checksum is not the stored one", remedy)

    def _range_into(self, wanted: memoryview) -> int:
        """At least the first bytes of the wanted ones; raises ShortReadError if none arrived."""
        span = f"{self._position}-{self._position + len(wanted) - 1}"
        with s3_errors(self._path):
            answer = self._client.get_object(**self._pinned, Range=f"bytes={span}")
        whole = f"bytes 0-{self._size - 1}/{self._size}"  # what a store without ranges sends
        announced = (answer["ContentLength"], answer.get("ContentRange", whole))
        if announced != (len(wanted), f"bytes {span}/{self._size}"):
            raise ShortReadError(f"{announced[0]} bytes were announced, not bytes {span} of {self._size}")
        with answer["Body"] as body:
            arrived = _received(body, wanted)
        if not arrived:
            raise ShortReadError(f"none of the bytes {span} arrived")
        return arrived


class _Crc32:
    """A CRC counted in the manner of hashlib."""

    _value = 0

    def update(self, piece: memoryview) -> None:
        self._value = zlib.crc32(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


CHECKSUMS: dict[str, Callable[[], Any]] = {"ChecksumSHA256": hashlib.sha256, "ChecksumCRC32": _Crc32}


def _checksums(head: dict[str, Any]) -> list[tuple[str, Any]]:
    """Checksums of the whole object and what counts them anew; that of a composite is one of its parts' checksums."""
    found = [(str(head[name]), count()) for name, count in CHECKSUMS.items() if name in head]
    return [] if head.get("ChecksumType") == "COMPOSITE" else [pair for pair in found if "-" not in pair[0]]


def _received(body: Any, wanted: memoryview) -> int:  # noqa: ANN401 - a body of boto3
    """How many bytes arrived before the body ended or broke off; boto3 takes a body cut short for a whole one."""
    from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

    arrived = 0
    try:
        while piece := body.read(min(PIECE, len(wanted) - arrived)):
            wanted[arrived : arrived + len(piece)] = piece
            arrived += len(piece)
    except FlexibleChecksumError:
        return 0
    except (IncompleteReadError, HTTPClientError):
        pass
    return arrived


def changed(path: str) -> ResumableError:
    """The error for a file that somebody writes while it is read."""
    return ResumableError(path, "it changed while it was read", "Run again once its writer is done.")


def address(path: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    bucket, _, key = path.removeprefix(S3).partition("/")
    return bucket, key


@contextmanager
def s3_errors(path: str) -> Iterator[None]:
    """Each of boto3's errors as one that says what to do."""
    from botocore import exceptions as boto

    no_key = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
    try:
        yield
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
    bucket, key = address(path)
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
        return changed(where)
    if status in (301, 307, 400):
        return ConfigurationError(where, f"S3 refused the request ({code})", "Check AWS_REGION and the address.")
    return ProviderUnavailableError(where, f"S3 kept failing ({status} {code})", "Run again later.")
