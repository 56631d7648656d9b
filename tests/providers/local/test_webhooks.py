"""The end of a job is reported where the settings say, so that OpenAI's own SDK believes it."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from pydantic import ValidationError

from tasks.providers.local.settings import Webhooks
from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

SECRET = "whsec_" + base64.b64encode(b"not a secret, only a test").decode()
Message = tuple[bytes, dict[str, str]]


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[Message]]]:
    """An address, and what arrives there; the first answers have these statuses, the others 200."""
    messages: list[Message] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            messages.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response([*statuses, 200][min(len(messages) - 1, len(statuses))])
            self.send_header("location", "http://127.0.0.1:9/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", messages
        server.shutdown()


def reporting(server: RunningServer, url: str, **more: object) -> OpenAI:
    server.change_settings(webhooks={"url": url, "secret": SECRET, "backoff_s": 0.05, **more})
    return support.client(server.url)


def unwrapped(message: Message, secret: str = SECRET):
    return OpenAI(api_key="unused").webhooks.unwrap(message[0], message[1], secret=secret)


def test_success_failure_and_cancelling_are_each_reported_and_signed(settable: RunningServer):
    with receiver() as (url, messages):
        openai = reporting(settable, url)
        jobs = {
            "fine_tuning.job.succeeded": support.create_job(openai).id,
            "fine_tuning.job.failed": support.create_job(openai, support.upload(openai, b"{}\n")).id,
        }
        cancelled = support.create_job(openai).id
        openai.fine_tuning.jobs.cancel(cancelled)
        support.until(lambda: messages, lambda found: len(found) == 3)
    events = [unwrapped(message) for message in messages]
    assert {event.type: event.data.id for event in events} == {**jobs, "fine_tuning.job.cancelled": cancelled}
    assert len({message[1]["webhook-id"] for message in messages}) == 3


def test_with_another_secret_the_sdk_does_not_believe_it(settable: RunningServer):
    with receiver() as (url, messages):
        openai = reporting(settable, url)
        openai.fine_tuning.jobs.cancel(support.create_job(openai).id)
        support.until(lambda: messages, bool)
    with pytest.raises(InvalidWebhookSignatureError):
        unwrapped(messages[0], "whsec_" + base64.b64encode(b"another").decode())


def test_a_message_is_sent_again_until_it_is_taken_and_follows_no_redirect(settable: RunningServer):
    with receiver(500, 307) as (url, messages):
        openai = reporting(settable, url)
        openai.fine_tuning.jobs.cancel(support.create_job(openai).id)
        support.until(lambda: messages, lambda found: len(found) == 3)
    assert len({message[1]["webhook-id"] for message in messages}) == 1, "whoever gets it twice can tell"


def test_the_secret_can_stand_in_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDDED_WEBHOOK_TEST_SECRET", SECRET)
    with receiver() as (url, messages):
        webhooks = {"url": url, "secret_env": "EMBEDDED_WEBHOOK_TEST_SECRET"}
        with embedded_server(tmp_path, settings={"webhooks": webhooks}) as server:
            openai = support.client(server.url)
            openai.fine_tuning.jobs.cancel(support.create_job(openai).id)
            support.until(lambda: messages, bool)
    assert unwrapped(messages[0]).type == "fine_tuning.job.cancelled"


def test_a_receiver_that_is_not_there_changes_nothing(settable: RunningServer):
    openai = reporting(settable, "http://127.0.0.1:9/", tries=1)
    assert support.wait_for(openai, support.create_job(openai).id, "succeeded")


@pytest.mark.parametrize(
    "webhooks",
    [
        {"url": "http://example.org/hook", "secret": SECRET},
        {"url": "ftp://127.0.0.1/hook", "secret": SECRET},
        {"url": "http://127.0.0.1.example.org/", "secret": SECRET},
        {"url": "https://example.org/hook"},
        {"url": "https://example.org/hook", "secret": SECRET, "secret_env": "X"},
    ],
)
def test_an_open_address_or_a_missing_secret_is_refused(webhooks):
    with pytest.raises(ValidationError):
        Webhooks.model_validate(webhooks)
