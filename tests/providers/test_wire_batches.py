"""Batches on OpenAI's wire: handed in once, found by their key, read and cleared away; refused where there are none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from data_contracts.money import Price
from data_contracts.provider import Aws, ProviderSettings
from tasks.errors import AmbiguousAnswerError, ConfigurationError, ProviderRefusedError, ProviderUnavailableError
from tasks.providers.batches import Batch, BatchedRequest, Batches, batches_of
from tasks.providers.connect import connect
from tasks.providers.dialects import dialects
from tasks.providers.embedded import URL_VARIABLE, Embedded
from tasks.providers.wire_batches import WireBatch
from tests.embedded import RunningServer, embedded_server
from tests.fake_clock import FakeClock
from tests.providers.local import support
from tests.providers.speaking import speaker

QUICK = {"batch_seconds": {"validating": 0, "in_progress": 0, "finalizing": 0, "cancelling": 0}}
LIVE = Price(model="m", input=2.0, output=None, training=25.0, source="a table", as_of="2026-11-22")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("provider"), settings=QUICK) as running:
        yield running


def requests(count: int, text: str = "hello") -> list[BatchedRequest]:
    messages = [{"role": "user", "content": text}]
    body = orjson.dumps({"model": support.BASE, "messages": messages, "temperature": 0})
    return [BatchedRequest(f"r{number}", body) for number in range(count)]


def ended(batches: Batches, batch: Batch) -> Batch:
    return support.until(lambda: batches.batch(batch.id), lambda one: one.state != "running")


@pytest.mark.parametrize("name", ["openai", "foundry", "nebius"])
def test_each_dialect_that_has_them_hands_in_reads_and_clears_away(server: RunningServer, name: str):
    batches = speaker(server, name).batches()
    done = ended(batches, batches.create(f"key-{name}", requests(3, name)))
    said = dict(batches.answers(done))
    assert {request: orjson.loads(answer.body)["choices"][0]["message"]["content"] for request, answer in said.items()}
    assert (set(said), {answer.status for answer in said.values()}) == ({"r0", "r1", "r2"}, {200})
    assert (done.total, done.settled, done.raw_state) == (3, 3, "completed")
    batches.discard(done)
    assert batches.find(f"key-{name}") is None
    assert list(batches.answers(done)) == []


def test_a_batch_is_found_by_its_key_alone_until_it_is_cleared_away(server: RunningServer):
    batches = speaker(server, "openai").batches()
    made = batches.create("key-1", requests(1))
    found = batches.find("key-1")
    assert found is not None and found.id == made.id
    assert batches.find("key-2") is None


def test_the_same_requests_are_uploaded_once(server: RunningServer):
    batches = speaker(server, "openai").batches()
    one, other = (batches.create(key, requests(2, "uploaded once")) for key in ("key-3", "key-4"))
    assert one.input_file == other.input_file


def test_a_batch_that_failed_tells_why_and_is_not_found(server: RunningServer):
    batches = speaker(server, "openai").batches()
    twice = [*requests(1), *requests(1)]
    failed = ended(batches, batches.create("key-5", twice))
    assert (failed.state, failed.error_code) == ("failed", "duplicate_custom_id")
    assert batches.find("key-5") is None


def test_a_refused_request_comes_with_its_status_and_an_unanswered_one_with_its_reason(tmp_path: Path):
    fates = [{"kind": "batch", "ends": "expired", "answered": 0.5, "refused": 1}]
    rules = [{"call": "batches.create", "happens": fates[0]}]
    with embedded_server(tmp_path, faults=rules, settings=QUICK) as running:
        batches = speaker(running, "openai").batches()
        said = dict(batches.answers(ended(batches, batches.create("key", requests(4)))))
    assert {name: (one.status, one.error) for name, one in said.items()} == {
        "r0": (500, ""),
        "r1": (200, ""),
        "r2": (0, "batch_expired"),
        "r3": (0, "batch_expired"),
    }


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("lost_answer", AmbiguousAnswerError),
        ("error_500_after", AmbiguousAnswerError),
        ("bare_429", ProviderUnavailableError),
        ("bad_request", ProviderRefusedError),
    ],
)
def test_handing_in_is_tried_once_and_says_whether_it_may_have_been_taken(tmp_path: Path, fault: str, error: type):
    with embedded_server(tmp_path, faults=[{"call": "batches.create", "happens": fault}], settings=QUICK) as running:
        with pytest.raises(error):
            speaker(running, "openai").batches().create("key", requests(1))
        assert len(support.until(lambda: running.log("batches.create"), bool)) == 1


def test_an_upload_whose_answer_is_lost_is_found_and_used(tmp_path: Path):
    with embedded_server(tmp_path, faults=[{"call": "files.create", "happens": "lost_answer"}]) as running:
        speaker(running, "openai").batches().create("key", requests(1))
        assert len(running.log("files.create")) == 1


def test_a_listing_without_an_end_proves_nothing(tmp_path: Path):
    rules = [{"call": "batches.list", "times": None, "happens": "empty_page"}]
    with (
        embedded_server(tmp_path, faults=rules) as running,
        pytest.raises(ProviderUnavailableError, match="does not come to its end"),
    ):
        speaker(running, "openai").batches().find("key")


@pytest.mark.parametrize("status", ["reticulating", None])
def test_a_state_that_nobody_has_heard_of_is_no_end(status: str | None):
    assert WireBatch(id="batch_1", status=status).normalised().state == "running"


def test_an_answer_in_a_batch_costs_half_of_what_is_known(server: RunningServer):
    batched = speaker(server, "openai", batches=dialects()["openai"].batches).batches().price(LIVE)
    assert (batched.input, batched.output, batched.training) == (1.0, None, 25.0)
    assert batched.source == "a table; in a batch 50 % of it"


def test_the_embedded_servers_own_share_counts(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(URL_VARIABLE, server.url)
    server.change_settings(batch_price=0.25)
    provider = Embedded(ProviderSettings(), tmp_path / "state", FakeClock())
    assert batches_of(provider).price(LIVE).input == 0.5
    server.change_settings()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "crusoe", "batch": True}, "provider.batch"),
    ({"name": "bedrock_openai", "batch": True, "aws": Aws(region="us-west-2")}, "provider.batch"),
    ({"name": "together", "batch": True}, "provider.batch"),
    ({"name": "bedrock", "batch": True, "aws": Aws(region="us-west-2")}, "provider.batch"),
    ({"name": "bedrock", "stream": True, "aws": Aws(region="us-west-2")}, "provider.stream"),
    ({"name": "sagemaker", "stream": True, "aws": Aws(region="us-west-2")}, "provider.stream"),
]


@pytest.mark.parametrize(("section", "field"), REFUSED, ids=str)
def test_a_way_to_answer_that_a_provider_has_not_is_refused_when_it_is_connected(
    section: dict[str, Any], field: str, monkeypatch: pytest.MonkeyPatch
):
    keys = ("OPENAI_API_KEY", "CRUSOE_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "TOGETHER_API_KEY")
    for name in (*keys, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    settings = ProviderSettings.model_validate({**section, "api_key_env": "OPENAI_API_KEY"})
    with pytest.raises(ConfigurationError) as refused:
        connect(settings)
    assert refused.value.where == field


def test_batch_and_stream_exclude_each_other():
    with pytest.raises(ValidationError, match="batch and stream exclude each other"):
        ProviderSettings(name="openai", batch=True, stream=True)


def test_who_streams_says_so_to_whoever_asks(server: RunningServer):
    wire = speaker(server, "openai")
    assert not wire.answer_endpoint().stream
    wire._settings = wire._settings.model_copy(update={"stream": True})
    assert wire.answer_endpoint().stream


@pytest.mark.parametrize("name", dialects())
def test_whoever_sells_batches_says_where_it_is_written(name: str):
    table = dialects()[name]
    assert table.capabilities.batches == (table.batches is not None)
    told = any("batch" in source.says for source in table.sources) or name in ("embedded", "compatible")
    assert told or table.batches is None
