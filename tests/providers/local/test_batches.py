"""Batches: requests by the file, as OpenAI documents them, on the server's own clock."""

import json
from typing import Any

import pytest
from openai import ConflictError, NotFoundError, OpenAI
from openai.types import Batch

from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support

QUICK = {"validating": 0, "in_progress": 0, "finalizing": 0, "cancelling": 0}
URL = "/v1/chat/completions"
DONE = ("completed", "failed", "expired", "cancelled")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory):
    with embedded_server(tmp_path_factory.mktemp("batches") / "state", settings={"batch_seconds": QUICK}) as server:
        yield support.client(server.url)


def line(number: int, **more: Any) -> dict[str, Any]:
    body = {"model": support.BASE, "temperature": 0, "messages": [{"role": "user", "content": f"hello {number}"}]}
    return {"custom_id": f"c{number}", "method": "POST", "url": URL, "body": {**body, **more}}


def handed_in(openai: OpenAI, lines: list[Any], purpose: str = "batch", **more: Any) -> Batch:
    content = b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    file = openai.files.create(file=("requests.jsonl", content or b"\n"), purpose=purpose)
    return openai.batches.create(input_file_id=file.id, endpoint=URL, completion_window="24h", **more)


def ended(openai: OpenAI, batch: Batch, *statuses: str) -> Batch:
    return support.until(lambda: openai.batches.retrieve(batch.id), lambda one: one.status in (statuses or DONE))


def lines_of(openai: OpenAI, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in openai.files.content(file_id).text.splitlines()]


def test_a_batch_goes_from_validating_to_completed_and_tells_when(quick: OpenAI):
    begun = handed_in(quick, [line(1)], metadata={"intent": "abc"})
    assert (begun.status, begun.metadata, begun.output_file_id) == ("validating", {"intent": "abc"}, None)
    assert begun.expires_at == begun.created_at + 86_400
    done = ended(quick, begun)
    assert done.status == "completed"
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at


def test_each_answer_is_a_line_under_its_requests_id_and_the_batch_counts_them(quick: OpenAI):
    done = ended(quick, handed_in(quick, [line(number) for number in range(5)]))
    found = lines_of(quick, done.output_file_id)
    assert {one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"] for one in found} == {
        f"c{number}": f"hello {number}" for number in range(5)
    }
    assert {(one["response"]["status_code"], one["error"]) for one in found} == {(200, None)}
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed, done.error_file_id) == (5, 5, 0, None)
    assert done.usage.output_tokens == sum(one["response"]["body"]["usage"]["completion_tokens"] for one in found)


def test_a_refused_request_stands_in_the_file_of_errors_as_the_status_that_it_would_have_got(quick: OpenAI):
    done = ended(quick, handed_in(quick, [line(1), line(2, temperature=3)]))
    (refused,) = lines_of(quick, done.error_file_id)
    assert (refused["custom_id"], refused["response"]["status_code"], refused["error"]) == ("c2", 400, None)
    assert refused["response"]["body"]["error"]["param"] == "temperature"
    assert (done.request_counts.completed, done.request_counts.failed) == (1, 1)


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        ([line(1), b"{oops"], "invalid_json_line", 2),
        ([line(1), line(1)], "duplicate_custom_id", 2),
        ([line(1), line(2, model="local-base-large")], "model_mismatch", 2),
        ([line(1), {**line(2), "url": "/v1/embeddings"}], "url_mismatch", 2),
        ([{"custom_id": "c1", "method": "POST", "url": URL}], "invalid_request", 1),
        ([line(1, model="gpt-4o")], "model_not_found", 1),
        ([line(1, stream=True)], "invalid_request", 1),
    ],
)
def test_a_file_that_cannot_be_worked_on_fails_the_batch_with_code_and_line(quick: OpenAI, lines, code, number):
    failed = ended(quick, handed_in(quick, lines))
    assert (failed.status, failed.failed_at is not None) == ("failed", True)
    assert [(one.code, one.line) for one in failed.errors.data] == [(code, number)]


def test_a_file_for_another_purpose_or_none_at_all_fails_the_batch(quick: OpenAI):
    other = ended(quick, handed_in(quick, [support.example(n) for n in range(10)], purpose="fine-tune"))
    gone = quick.batches.create(input_file_id="file-unknown", endpoint=URL, completion_window="24h")
    for failed in (other, ended(quick, gone)):
        assert (failed.status, failed.errors.data[0].code) == ("failed", "invalid_input_file")


def test_the_listing_is_paged_newest_first(quick: OpenAI):
    made = [handed_in(quick, [line(number)]).id for number in range(3)]
    page = quick.batches.list(limit=2)
    assert [batch.id for batch in page.data] == made[:0:-1] and page.has_more
    assert [batch.id for batch in quick.batches.list(limit=1, after=made[1]).data] == made[:1]


def test_an_unknown_batch_is_not_found(quick: OpenAI):
    with pytest.raises(NotFoundError):
        quick.batches.retrieve("batch_unknown")


def test_a_cancelled_batch_delivers_what_was_answered(tmp_path):
    settings = {"batch_seconds": {**QUICK, "in_progress": 60}}
    with embedded_server(tmp_path, settings=settings) as server:
        openai = support.client(server.url)
        batch = handed_in(openai, [line(number) for number in range(3)])
        support.until(lambda: openai.batches.retrieve(batch.id), lambda one: one.request_counts.completed == 3)
        assert openai.batches.cancel(batch.id).status == "cancelling"
        done = ended(openai, batch)
        assert (done.status, len(lines_of(openai, done.output_file_id))) == ("cancelled", 3)
        with pytest.raises(ConflictError, match="cancelled"):
            openai.batches.cancel(batch.id)


def test_a_window_that_is_over_ends_a_batch_with_its_unanswered_requests_named(tmp_path):
    fate = {"kind": "batch", "answered": 0.5, "stays": "in_progress"}
    settings = {"batch_seconds": {**QUICK, "window": 0.5}}
    with embedded_server(tmp_path, faults=[{"call": "batches.create", "happens": fate}], settings=settings) as server:
        openai = support.client(server.url)
        done = ended(openai, handed_in(openai, [line(number) for number in range(4)]))
        late = lines_of(openai, done.error_file_id)
        answered = lines_of(openai, done.output_file_id) if done.output_file_id else []
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == (
        "expired",
        len(answered),
        len(late),
    )
    assert {(one["response"], one["error"]["code"]) for one in late} == {(None, "batch_expired")}
    assert sorted(one["custom_id"] for one in [*answered, *late]) == ["c0", "c1", "c2", "c3"]
    assert {"c2", "c3"} <= {one["custom_id"] for one in late}


def test_a_server_that_was_killed_goes_on_where_it_was_and_answers_nothing_twice(tmp_path):
    settings = {"batch_seconds": {**QUICK, "in_progress": 1}}
    with embedded_server(tmp_path, settings=settings) as server:
        openai = support.client(server.url)
        batch = handed_in(openai, [line(number) for number in range(4)])
        support.until(lambda: openai.batches.retrieve(batch.id), lambda one: one.request_counts.completed == 4)
        server.kill()
    output = tmp_path / "batches" / batch.id / "output.jsonl"
    whole = output.read_bytes()
    output.write_bytes(whole[: len(whole) - len(whole.splitlines(keepends=True)[-1]) // 2])  # torn by the kill
    with embedded_server(tmp_path, settings=settings) as server:
        openai = support.client(server.url)
        done = ended(openai, batch)
        found = lines_of(openai, done.output_file_id)
    assert (done.status, done.request_counts.completed) == ("completed", 4)
    assert sorted(one["custom_id"] for one in found) == ["c0", "c1", "c2", "c3"]
    assert [one["id"] for one in found][:3] == [json.loads(one)["id"] for one in whole.splitlines()][:3]


def test_the_log_names_the_batch_and_what_it_was_for(tmp_path):
    with embedded_server(tmp_path, settings={"batch_seconds": QUICK}) as server:
        openai = support.client(server.url)
        batch = handed_in(openai, [line(1)], metadata={"intent": "abc"})
        (logged,) = server.log("batches.create")
    assert (logged["batch"], logged["intent"], logged["file"]) == (batch.id, "abc", batch.input_file_id)


def test_the_price_table_says_what_an_answer_costs_in_a_batch(server: RunningServer):
    prices = support.client(server.url).get("/prices", cast_to=dict)
    assert prices["batch_price"] == 0.5
