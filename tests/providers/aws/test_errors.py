"""What a paid call's end means, read from the bytes of a server on a socket: nothing here is bought twice."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from data_contracts.provider import Aws, ProviderSettings
from tasks.errors import AmbiguousAnswerError, CredentialsError, ProviderRefusedError, ProviderUnavailableError
from tasks.providers.aws.account import Account
from tasks.providers.aws.bedrock import Bedrock
from tasks.providers.protocol import JobRequest
from tests.providers.aws.conftest import REGION, ROLE
from tests.providers.aws.orders import INTENT, NOVA, file_of

JSON = {"Content-Type": "application/json"}
ARN = b"arn:aws:bedrock:us-east-1:123456789012:model-customization-job/amazon.nova-lite-v1:0/abcdefghijkl"
FILE = "s3://bucket/files/abc-intent.jsonl"


class Aws503(BaseHTTPRequestHandler):
    """Reads and writes of S3 go well; what a customisation job's creation ends in is scripted."""

    status: ClassVar[int]
    headers_sent: ClassVar[dict[str, str]]
    body: ClassVar[bytes]
    length: ClassVar[int | None]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.reply(200, file_of(), {})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(200, b"", {"ETag": '"1"'})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        if self.status:
            self.reply(self.status, self.body, self.headers_sent, self.length)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def reply(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length or len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[type[Aws503], str]]:
    class Handler(Aws503):
        status, headers_sent, body, length = 201, JSON, b'{"jobArn": "' + ARN + b'"}', None
        asked: ClassVar[list[str]] = []

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield Handler, f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def buy(url: str, timeout_s: float = 10) -> str:
    aws = Aws(region=REGION, role_arn=ROLE, storage="s3://bucket", endpoint_url=url)
    settings = ProviderSettings(name="bedrock", aws=aws, request_timeout_s=timeout_s)
    wanted = JobRequest(NOVA, FILE, None, "supervised", 2, None, None, 7, None, {"intent": INTENT})
    return Bedrock(settings, Account(settings)).create_job(wanted).raw_state


def test_an_answer_with_an_arn_is_a_job(server: tuple[type[Aws503], str]) -> None:
    assert buy(server[1]) == "Created"


def error(code: str, message: str = "no") -> dict[str, Any]:
    return {"headers_sent": {**JSON, "x-amzn-ErrorType": code}, "body": b'{"message": "%s"}' % message.encode()}


ENDS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "HTML with 200": ({"status": 200, "body": b"<html>Welcome</html>"}, AmbiguousAnswerError),
    "JSON cut short": ({"body": b'{"jobArn": "arn', "length": 99}, AmbiguousAnswerError),
    "null": ({"body": b"null"}, AmbiguousAnswerError),
    "an ARN of something else": ({"body": b'{"jobArn": "arn:aws:s3:::bucket"}'}, AmbiguousAnswerError),
    "a broken connection": ({"status": 0}, AmbiguousAnswerError),
    "HTML with 502": ({"status": 502, "body": b"<html>Bad Gateway</html>"}, AmbiguousAnswerError),
    "InternalServerException": ({"status": 500, **error("InternalServerException")}, AmbiguousAnswerError),
    "ServiceUnavailable": ({"status": 503, **error("ServiceUnavailable")}, AmbiguousAnswerError),
    "a timeout at AWS": ({"status": 408, **error("RequestTimeoutException")}, AmbiguousAnswerError),
    "throttling": ({"status": 429, **error("ThrottlingException")}, ProviderUnavailableError),
    "a validation error": ({"status": 400, **error("ValidationException")}, ProviderRefusedError),
    "no such model": ({"status": 404, **error("ResourceNotFoundException")}, ProviderRefusedError),
    "missing rights": ({"status": 403, **error("AccessDeniedException")}, CredentialsError),
    "a wrong key": ({"status": 403, **error("UnrecognizedClientException")}, CredentialsError),
    "a quota": ({"status": 400, **error("ServiceQuotaExceededException")}, CredentialsError),
    "a redirect": ({"status": 307, "headers_sent": {"Location": "/elsewhere"}, "body": b""}, ProviderRefusedError),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_paid_call(server: tuple[type[Aws503], str], end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")  # ours wins: boto3 asks once
    handler, url = server
    script, kind = ENDS[end]
    for name, value in script.items():
        setattr(handler, name, value)
    with pytest.raises(kind):
        buy(url)
    assert handler.asked == ["/model-customization-jobs"]


def test_an_error_names_the_code_and_the_request_and_what_aws_says(server: tuple[type[Aws503], str]) -> None:
    handler, url = server
    handler.status, script = 400, error("ValidationException", "The role cannot be assumed.")
    handler.body, handler.headers_sent = script["body"], {**script["headers_sent"], "x-amzn-RequestId": "req-7"}
    says = r"The role cannot be assumed HTTP 400 ValidationException \(request req-7\)"
    with pytest.raises(ProviderRefusedError, match=says):
        buy(url)


def test_an_endpoint_that_nobody_listens_on_was_sent_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    aws = Aws(region=REGION, role_arn=ROLE, storage="s3://bucket", endpoint_url=f"http://127.0.0.1:{port}")
    account = Account(ProviderSettings(name="bedrock", aws=aws))
    with pytest.raises(ProviderUnavailableError, match="EndpointConnectionError"):
        account.pay("buying", lambda: account.client("bedrock").stop_model_customization_job(jobIdentifier="job"))


def test_a_parameter_that_boto3_refuses_is_named_and_not_quoted(server: tuple[type[Aws503], str]) -> None:
    account = Account(ProviderSettings(name="bedrock", aws=Aws(region=REGION, endpoint_url=server[1])))
    create = account.client("bedrock").create_model_customization_job
    with pytest.raises(ProviderRefusedError, match="roleArn") as caught:
        account.pay("buying", lambda: create(jobName="job", roleArn=["a secret"]))
    assert "secret" not in str(caught.value) and server[0].asked == []
