"""How a failed call is read, and what of it may be shown."""

import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tasks.providers.failure import Failure, read_error, retry_after
from tasks.providers.redact import Redacting, redact, shown


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "300"}, 300),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_in_each_of_its_forms_and_nonsense_is_none(headers, seconds):
    assert retry_after(headers) == seconds


def test_a_wait_until_a_date_is_seconds_from_now():
    then = datetime.now(UTC) + timedelta(seconds=100)
    waiting = retry_after({"retry-after": format_datetime(then, usegmt=True)})
    assert waiting == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b'{"error": "text"}', b'{"error": null}', b"[" * 9000]
)
def test_an_error_body_of_any_shape_is_read(body):
    failure = Failure.of_answer(503, {}, body)
    assert str(failure) == "HTTP 503"
    assert "HTTP 503" in str(read_error("reading", failure))


def test_the_words_of_a_server_built_on_fastapi_are_read_and_the_value_is_left_out():
    detail = [{"loc": ["body", "metadata"], "msg": "Extra inputs are not permitted", "input": "a row"}]
    said = str(read_error("creating", Failure.of_answer(422, {}, json.dumps({"detail": detail}).encode())))
    assert "metadata: Extra inputs are not permitted" in said
    assert "a row" not in said
    assert "Not Found" in str(read_error("reading", Failure.of_answer(404, {}, b'{"detail": "Not Found"}')))


def test_what_a_provider_says_becomes_one_short_line_without_keys_or_control_characters():
    said = "Incorrect key: sk-proj-0123456789\n\x1b[31mred\u202e " + "x" * 500
    line = shown(said)
    assert line.startswith("Incorrect key: *** [31mred x")
    assert len(line) == 300


def test_the_value_of_a_secret_variable_is_never_shown(monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "plain-looking-value")
    assert redact("it is plain-looking-value, really") == "it is ***, really"


def test_a_log_record_is_redacted_with_its_arguments():
    record = logging.LogRecord("any", logging.INFO, "f", 1, "sent %s", ("Bearer abcdefgh12345",), None)
    assert Redacting().filter(record)
    assert record.getMessage() == "sent ***"
