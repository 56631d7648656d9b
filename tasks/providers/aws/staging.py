"""Training files in S3, under keys that name their content: written once, never overwritten."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

from tasks.errors import ConfigurationError, ProviderRefusedError
from tasks.providers.aws.account import Account, Send
from tasks.providers.aws.errors import GoneError, TakenError

URI = re.compile(r"s3://(?P<bucket>[a-z0-9][-.a-z0-9]{1,61}[a-z0-9])/?(?P<key>[-!_*'().a-zA-Z0-9/]*)")


FILES = "/files/"


class Staging:
    """Files below `provider.aws.storage`. A file's id is its s3:// address."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def root(self) -> str:
        """s3://bucket/prefix without the last slash. Raises ConfigurationError where the settings cannot train."""
        aws = self._account.aws
        if not URI.fullmatch(aws.storage):
            problem = "is no s3:// address" if aws.storage else "is not set"
            raise ConfigurationError("provider.aws.storage", problem, "Write it as s3://bucket/prefix.")
        if not aws.role_arn.startswith("arn:"):
            remedy = "Name the role that reads and writes provider.aws.storage: arn:aws:iam::ACCOUNT:role/NAME."
            raise ConfigurationError("provider.aws.role_arn", "is no role's ARN", remedy)
        return aws.storage.rstrip("/")

    def find(self, name: str, content: bytes) -> str | None:
        """Address of the file of that name and content; size and hash are those that S3 stores."""
        uri = self._address(name, content)
        return uri if self._holds(uri, content) else None

    def put(self, name: str, content: bytes) -> str:
        """Write it once, without retry; S3 checks the hash. One that is there already is not touched."""
        uri = self._address(name, content)
        self._write(uri, content, self._account.pay)
        return uri

    def derive(self, uri: str, target: str, convert: Callable[[bytes], bytes]) -> None:
        """Write beside a file what is made of it; safe to repeat, since the same is always made of it."""
        made = convert(self.read(uri))
        if target != uri:
            self._write(target, made, self._account.write)

    def has(self, uri: str) -> bool:
        """Whether S3 holds it."""
        try:
            self._head(uri)
        except GoneError:
            return False
        return True

    def read(self, uri: str) -> bytes:
        """The whole file."""
        call = "reading a staged file"

        def send() -> dict[str, Any]:
            return {"content": self._s3.get_object(**_place(uri))["Body"].read()}

        content: bytes = self._account.read(call, send)["content"]
        return content

    def below(self, uri: str) -> list[str]:
        """Addresses that begin with this one."""
        place = _place(uri)
        bucket, call = place["Bucket"], "listing the job's output"

        def send(**after: str) -> dict[str, Any]:
            page: dict[str, Any] = self._s3.list_objects_v2(Bucket=bucket, Prefix=place["Key"], **after)
            return {"Contents": page.get("Contents", ()), "ContinuationToken": page.get("NextContinuationToken")}

        return [
            f"s3://{bucket}/{item['Key']}" for item in self._account.pages(call, send, "Contents", "ContinuationToken")
        ]

    def delete(self, uri: str) -> None:
        """Delete; a file that is gone already is fine."""
        self._account.read("deleting a file", lambda: self._s3.delete_object(**_place(uri)))

    def _address(self, name: str, content: bytes) -> str:
        """The name tells purchases apart that train on the same bytes: each has its own copy to delete."""
        return f"{self.root}{FILES}{hashlib.sha256(content).hexdigest()[:32]}-{re.sub('[^-_.a-zA-Z0-9]', '-', name)}"

    def _write(self, uri: str, content: bytes, send_with: Callable[[str, Send], object]) -> None:
        call, metadata = "uploading a training file", {"sha256": hashlib.sha256(content).hexdigest()}
        asked = {**_place(uri), "Body": content, "ChecksumSHA256": _checksum(content), "IfNoneMatch": "*"}
        try:
            send_with(call, lambda: self._s3.put_object(**asked, Metadata=metadata))
        except TakenError:
            if not self._holds(uri, content):
                remedy = f"Delete {uri}, or set provider.aws.storage elsewhere."
                raise ProviderRefusedError(call, "other_content", "S3 holds another file there", remedy) from None

    def _holds(self, uri: str, content: bytes) -> bool:
        try:
            found = self._head(uri)
        except GoneError:
            return False
        stored = found.get("ChecksumSHA256", _checksum(content)), found.get("Metadata", {}).get("sha256")
        same = stored == (_checksum(content), hashlib.sha256(content).hexdigest())
        return same and found.get("ContentLength") == len(content)

    def _head(self, uri: str) -> dict[str, Any]:
        send = self._s3.head_object
        return self._account.find("looking for a file", lambda: send(**_place(uri), ChecksumMode="ENABLED"))

    @property
    def _s3(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        return self._account.client("s3")


def output_of(training_file: str) -> str:
    """Where a job writes: beside the folder of the file that it trains on."""
    return f"{training_file.rpartition(FILES)[0]}/output"


def _place(uri: str) -> dict[str, str]:
    found = URI.fullmatch(uri)
    if not found:
        raise ConfigurationError(uri, "is no file's address in S3", "Give an s3://bucket/key.")
    return {"Bucket": found["bucket"], "Key": found["key"]}


def _checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
