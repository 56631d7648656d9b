"""Webhooks: what the provider signed is noted for whoever waits, and nothing else is."""

import base64
import hashlib
import hmac
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from openai import OpenAI

from deployments.webhooks import MAX_BODY_BYTES, PATH, create_app
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.providers.webhooks import Verifier
from tests.embedded import embedded_server

KEY = b"a signing key of 32 random bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EVENT = {
    "id": "evt_1",
    "object": "event",
    "created_at": 1_795_000_000,
    "type": "fine_tuning.job.succeeded",
    "data": {"id": "ftjob-abc123"},
}
MESSAGES = [{"role": "user", "content": "hammer or plum"}, {"role": "assistant", "content": "tools"}]
TRAINING = b"".join(json.dumps({"messages": MESSAGES}).encode() + b"\n" for _ in range(12))


@dataclass
class Receiver:
    port: int
    ledger: Ledger

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", PATH, body, {"content-type": "application/json", **headers})
        status = connection.getresponse().status
        connection.close()
        return status

    def send(self, event: dict[str, Any], key: bytes = KEY, age_s: int = 0, **headers: str) -> int:
        """An event as the provider sends it."""
        body = json.dumps(event).encode()
        return self.post(body, signed(body, key, age_s) | headers)


def signed(body: bytes, key: bytes = KEY, age_s: int = 0) -> dict[str, str]:
    moment = str(int(time.time()) - age_s)
    digest = hmac.new(key, f"wh_1.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "wh_1",
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("webhooks")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    with pytest.MonkeyPatch.context() as patch, socket.socket() as listening:
        patch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(Verifier(), ledger), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Receiver(listening.getsockname()[1], ledger)
        server.should_exit = True
        thread.join()


def test_a_signed_message_about_a_job_nudges_whoever_waits_for_it(receiver: Receiver) -> None:
    before = time.time()
    assert receiver.send(EVENT) == 204
    nudged_at = receiver.ledger.nudged_at("ftjob-abc123")
    assert nudged_at is not None
    assert nudged_at >= before


def test_a_signed_message_about_something_else_is_taken_in_and_ignored(receiver: Receiver) -> None:
    assert receiver.send({**EVENT, "type": "batch.completed", "data": {"id": "batch-1"}}) == 204
    assert receiver.ledger.nudged_at("batch-1") is None


def test_one_signature_of_several_is_enough_while_a_secret_is_rotated(receiver: Receiver) -> None:
    body = json.dumps({**EVENT, "data": {"id": "ftjob-rotated"}}).encode()
    headers = signed(body)
    headers["webhook-signature"] = f"v1,{base64.b64encode(b'x' * 32).decode()} {headers['webhook-signature']}"
    assert receiver.post(body, headers) == 204
    assert receiver.ledger.nudged_at("ftjob-rotated") is not None


@pytest.mark.parametrize(
    "forged",
    [
        {"key": b"another key of thirty-two bytes!"},
        {"age_s": 301},
        {"age_s": -301},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,\xe4\xf6"},
        {"webhook-timestamp": "yesterday"},
        {"webhook-id": "wh_2"},
    ],
    ids=str,
)
def test_a_message_that_is_not_signed_for_now_is_refused_and_nudges_nobody(
    receiver: Receiver, forged: dict[str, Any]
) -> None:
    assert receiver.send({**EVENT, "data": {"id": "ftjob-forged"}}, **forged) == 400
    assert receiver.ledger.nudged_at("ftjob-forged") is None


def test_a_message_without_a_signature_is_refused(receiver: Receiver) -> None:
    assert receiver.post(json.dumps(EVENT).encode(), {}) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"{",
        b'{"object": "event"}',
        json.dumps({**EVENT, "data": {"id": "ftjob\n\x1b[31m"}}).encode(),
        json.dumps({**EVENT, "data": {}}).encode(),
    ],
    ids=repr,
)
def test_a_signed_body_that_is_no_message_is_refused(receiver: Receiver, body: bytes) -> None:
    assert receiver.post(body, signed(body)) == 400


def test_a_body_without_end_is_cut_off(receiver: Receiver) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    assert receiver.post(body, signed(body)) == 413


def test_a_get_finds_nothing_to_look_at(receiver: Receiver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    connection.request("GET", PATH)
    assert connection.getresponse().status == 405
    connection.close()


def test_no_body_and_no_secret_reach_the_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        receiver.send({**EVENT, "type": "fine_tuning.job.failed", "data": {"id": "ftjob-1", "note": "CANARY"}})
        receiver.send({**EVENT, "data": {"id": "CANARY CANARY"}})
        receiver.send({"CANARY": 1}, key=b"wrong")
    assert "ftjob-1: failed" in caplog.text
    assert "CANARY" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("secret", "problem"), [(None, "is not set"), ("whsec_***", "is no signing secret")])
def test_a_secret_that_cannot_be_one_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, secret: str | None, problem: str
) -> None:
    monkeypatch.delenv("OPENAI_WEBHOOK_SECRET", raising=False)
    if secret:
        monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", secret)
    with pytest.raises(ConfigurationError, match=problem):
        Verifier()


def test_a_missing_secret_ends_the_command_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from deployments.webhooks import main

    monkeypatch.delenv("OPENAI_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path))
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 2
    assert "OPENAI_WEBHOOK_SECRET is not set" in done.output.replace(":", "")


def test_the_end_of_a_job_reaches_whoever_waits_for_it(receiver: Receiver, tmp_path: Path) -> None:
    """The embedded provider signs and sends, the route takes in, and the ledger says when to look."""
    webhooks = {"url": f"http://127.0.0.1:{receiver.port}{PATH}", "secret": SECRET}
    with embedded_server(tmp_path / "provider", settings={"webhooks": webhooks}) as server:
        client = OpenAI(base_url=server.url, api_key="any", max_retries=0)
        training = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model="local-base-small", training_file=training.id)
        deadline = time.monotonic() + 60
        while receiver.ledger.nudged_at(job.id) is None:
            assert time.monotonic() < deadline, "no message came"
            time.sleep(0.05)
        assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"
