"""A training file on its way: in the dialect's form, in parts where it is large, imported before a job names it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.errors import AmbiguousAnswerError, ProviderRefusedError, ProviderUnavailableError
from tasks.providers import training_files
from tasks.providers.dialects import dialects
from tasks.providers.openai_wire import OpenAIWire
from tests.embedded import RunningServer, embedded_server
from tests.fake_clock import FakeClock
from tests.providers.speaking import KEY, order, rows, settings

BOM = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("files")) as running:
        yield running


def provider(server: RunningServer, clock: FakeClock | None = None, **differences: Any) -> OpenAIWire:
    table = dialects()["compatible"].model_copy(update=differences)
    return OpenAIWire(settings(server, "openai"), server.url, KEY, clock or FakeClock(), table)


def held(server: RunningServer, file_id: str) -> bytes:
    return (server.state / "files" / f"{file_id}.content").read_bytes()


def test_a_byte_order_mark_goes_before_the_rows_and_only_once(server):
    marked, plain = provider(server, bom=True), provider(server)
    assert held(server, marked.upload("marked.jsonl", rows("openai"))) == BOM + rows("openai")
    assert held(server, marked.upload("twice.jsonl", BOM + rows("openai"))) == BOM + rows("openai")
    assert held(server, plain.upload("plain.jsonl", rows("openai"))) == rows("openai")
    assert marked.find_file("marked.jsonl", rows("openai"))
    assert marked.find_file("plain.jsonl", rows("openai")) is None, "the same rows, in a form it does not train on"


# ------------------------------------------------------------ in parts


def test_a_large_file_goes_up_in_parts_and_is_one_file_in_the_end(server):
    parted = provider(server, parts_above=1000, part_bytes=700)
    content = rows("openai")
    file = parted.upload("large.jsonl", content)
    assert held(server, file) == content
    assert parted.find_file("large.jsonl", content) == file
    assert len(server.log("uploads.add")) == -(-len(content) // 700)


def test_a_file_that_is_not_larger_goes_up_in_one_piece(server):
    before = len(server.log("uploads.create"))
    provider(server, parts_above=len(rows("openai"))).upload("fits.jsonl", rows("openai"))
    assert len(server.log("uploads.create")) == before


def test_a_part_that_fails_in_passing_is_sent_again_and_the_whole_only_once(tmp_path):
    passing = {"call": "uploads.add", "times": 1, "happens": {"kind": "status", "status": 503}}
    lost = {"call": "uploads.complete", "times": 1, "happens": {"kind": "reset", "accepted": True}}
    with embedded_server(tmp_path, [passing, lost]) as server:
        parted = provider(server, parts_above=1000, part_bytes=4000)
        with pytest.raises(AmbiguousAnswerError):
            parted.upload("lost.jsonl", rows("openai"))
        assert parted.find_file("lost.jsonl", rows("openai")), "so it is looked for before it is sent again"
        assert len(server.log("uploads.complete")) == 1


def test_parts_that_are_refused_for_good_are_given_up_at_the_provider(tmp_path):
    refused = {"call": "uploads.add", "after": 1, "times": None, "happens": {"kind": "status", "status": 400}}
    with embedded_server(tmp_path, [refused]) as server:
        with pytest.raises(ProviderRefusedError):
            provider(server, parts_above=1000, part_bytes=4000).upload("refused.jsonl", rows("openai"))
        assert len(server.log("uploads.cancel")) == 1


# ------------------------------------------------------------ imported


def fated(tmp_path, fate: dict[str, Any]) -> Any:
    return embedded_server(tmp_path, [{"call": "files.create", "happens": {"kind": "file", **fate}}])


def test_a_file_that_is_refused_after_the_upload_says_why_in_the_providers_words_and_is_deleted(tmp_path):
    with fated(tmp_path, {"ends": "error", "details": "line 3 is not JSON"}) as server:
        waiting = provider(server, waits_for_file=True)
        file = waiting.upload("bad.jsonl", rows("openai"))
        with pytest.raises(ProviderRefusedError, match="line 3 is not JSON"):
            waiting.create_job(order("openai", file))
        assert not waiting.has_file(file)
        assert server.log("jobs.create") == []


def test_a_file_that_is_never_imported_is_given_up_within_bounds_and_deleted(tmp_path):
    clock = FakeClock()
    with fated(tmp_path, {"stays": "uploaded"}) as server:
        waiting = provider(server, clock, waits_for_file=True)
        file = waiting.upload("stuck.jsonl", rows("openai"))
        with pytest.raises(ProviderUnavailableError, match="still uploaded after 30 minutes"):
            waiting.create_job(order("openai", file))
        assert training_files.IMPORT_S <= clock.elapsed <= training_files.IMPORT_S + training_files.LOOK_S
        assert not waiting.has_file(file)
        assert waiting.find_file("stuck.jsonl", rows("openai")) is None
        assert server.log("jobs.create") == []


def test_a_file_that_was_refused_is_not_found_again(tmp_path):
    with fated(tmp_path, {"ends": "error"}) as server:
        waiting = provider(server)
        waiting.upload("bad.jsonl", rows("openai"))
        assert waiting.find_file("bad.jsonl", rows("openai")) is None
