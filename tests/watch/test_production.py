"""Production answers as they lie about: lines of JSON, packed or not, here or on S3, good and bad ones among them."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import ValidationError

from data_contracts.production import ProductionRecord
from tasks.errors import ConfigurationError
from tasks.storage import Storage
from tasks.watch.production import JsonLines, Window, counted, read
from tasks.watch.sample import Sample, key_of

AT = "2026-11-02T09:30:00+00:00"
SECRET = "hunter2"


def line(**fields: Any) -> bytes:
    return json.dumps({"at": AT, "input": "hello", "output": "a"} | fields).encode() + b"\n"


def found(path: object, storage: Storage | None = None) -> tuple[list[ProductionRecord], Counter[str]]:
    skipped: Counter[str] = Counter()
    return list(read([JsonLines(str(path), storage or Storage())], skipped)), skipped


def written(folder: Path, *lines: bytes) -> Path:
    (folder / "log.jsonl").write_bytes(b"".join(lines))
    return folder / "log.jsonl"


# ---------------------------------------------------------------- good records


def test_a_record_needs_a_time_and_a_text_and_may_say_more(tmp_path):
    records, skipped = found(written(tmp_path, line(), line(at=1793611800, version=3, expected={"b": 1, "a": None})))
    assert [record.moment for record in records] == [1793611800.0, 1793611800.0]
    assert (records[1].version, records[1].expected) == (3, '{"a":null,"b":1}')
    assert not skipped


def test_a_label_that_comes_later_belongs_to_its_request_and_the_newest_counts(tmp_path):
    log = written(
        tmp_path, b'{"id": "q1", "expected": "b"}\n', line(id="q1"), line(id="q2"), line(id="q3", expected="c")
    )
    (tmp_path / "labels.jsonl").write_bytes(b'{"id": "q1", "expected": "d"}\n{"id": "nobody", "expected": "x"}\n')
    skipped: Counter[str] = Counter()
    sources = [JsonLines(str(log), Storage()), JsonLines(str(tmp_path / "labels.jsonl"), Storage())]
    assert {record.id: record.expected for record in read(sources, skipped)} == {"q1": "d", "q2": None, "q3": "c"}


def test_a_folder_a_glob_and_packed_files_are_read_alike(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(line(id="1"))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(line(id="2")) + gzip.compress(line(id="3")))
    (tmp_path / "_part.jsonl").write_bytes(line(id="4"))
    for path in (tmp_path, tmp_path / "*.jsonl*"):
        assert [record.id for record in found(path)[0]] == ["1", "2", "3"]


def test_a_log_may_grow_while_it_is_read(tmp_path):
    log = written(tmp_path, *[line(id=str(number)) for number in range(3)])
    ids = []
    for record in read([JsonLines(str(log), Storage())], Counter()):
        ids.append(record.id)
        if record.id == "1":
            with log.open("ab") as stream:
                stream.write(line(id="new"))
    assert ids[:3] == ["0", "1", "2"]


def test_a_file_that_is_not_there_yet_is_counted_and_no_error(tmp_path):
    records, skipped = found(tmp_path / "none" / "*.jsonl")
    assert records == []
    assert [reason for reason in skipped if "none" in reason and "yet" in reason]


# ---------------------------------------------------------------- bad records

BAD = {
    b"{broken\n": "not one JSON object a line",
    b'["a list"]\n': "not one JSON object a line",
    b'"\xff"\n': "not one JSON object a line",
    b'{"input": "x", "output": "a"}\n': "a request needs `at`, the time at which it was asked",
    b'{"at": 1, "output": "a"}\n': "a record needs `at` with `input` or `messages`, or `id` with `expected`",
    line(at="2026-11-02T09:30:00"): "at: timezone aware",
    line(latency_ms=-1): "latency_ms: greater than equal",
    line(outcome="lost"): "outcome: literal error",
    line(lable="a"): "unknown field lable",
    line(**{f"my key is {SECRET}": 1}): "unknown field",
    line(input="x" * 1_000_001): "longer than 1,000,000 bytes",
}


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: BAD[bad])
def test_a_bad_line_is_counted_by_its_reason_and_hides_no_other(tmp_path, bad):
    records, skipped = found(written(tmp_path, line(id="1"), bad, b"\n", line(id="2"), b'{"at": 1, "inp'))
    assert [record.id for record in records] == ["1", "2"]
    assert skipped == Counter({BAD[bad]: 1}) + Counter({"not one JSON object a line": 1})


def test_a_packed_file_that_breaks_off_gives_what_it_has(tmp_path):
    lines = [line(id=str(number), input=uuid4().hex) for number in range(2000)]
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(b"".join(lines))[:-2000])
    records, skipped = found(tmp_path / "log.jsonl.gz")
    assert 0 < len(records) < 2000
    assert skipped["a gzip file breaks off"] == 1


def test_no_text_of_a_record_stands_among_the_reasons(tmp_path):
    bad = [line(**{field: SECRET}) for field in ("at", "version", "latency_ms", "outcome", "fields", SECRET + "!")]
    reasons = counted(found(written(tmp_path, *bad))[1])
    assert sum(reasons.values()) == len(bad)
    assert not any(SECRET in reason for reason in reasons)


# ---------------------------------------------------------------- whose answers, and of when


def window(**changes: Any) -> Window:
    plain = {"version": 3, "models": frozenset({"small"}), "since": 1000.0, "until": 2000.0}
    return Window(**(plain | changes))


def record(**fields: Any) -> ProductionRecord:
    return ProductionRecord.model_validate({"at": 1500, "input": "x"} | fields)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, ""),
        ({"version": 3, "model": "anything"}, ""),
        ({"version": 2, "model": "small"}, "another version"),
        ({"model": "small"}, ""),
        ({"model": "small-2026-06-01"}, ""),
        ({"model": "small-turbo"}, "another version"),
        ({"at": 999}, "before the promotion"),
        ({"at": 2301}, "after the window"),
        ({"at": 2299}, ""),
    ],
)
def test_a_record_counts_for_the_champion_of_the_window_only(fields, why):
    assert why in window().passes_over(record(**fields))
    assert bool(window().passes_over(record(**fields))) == bool(why)


def test_of_a_long_stream_the_same_sample_is_kept_in_any_order_and_a_copy_counts_once():
    keys = [str(number) for number in range(1000)]
    forth, back = Sample[str](most=50), Sample[str](most=50)
    for key in [*keys, *keys[:30]]:
        forth.add(key, key, 10)
    for key in reversed(keys):
        back.add(key, key, 10)
    assert list(forth) == list(back)
    assert len(forth) == 50
    small = Sample[str](most_bytes=95)
    for key in keys:
        small.add(key, key, 10)
    assert (len(small), list(small)) == (9, list(back)[:9])


def test_a_request_is_known_by_its_id_else_by_what_it_holds():
    assert key_of(record(id="a")) == key_of(record(id="a", output="b")) == "a"
    assert key_of(record()) == key_of(record()) != key_of(record(input="y"))


def test_a_record_is_frozen_and_takes_no_other_key():
    with pytest.raises(ValidationError):
        record(other=1)


# ---------------------------------------------------------------- S3


@pytest.fixture(scope="module")
def storage():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield Storage(f"http://{host}:{port}")
    server.stop()


def test_a_prefix_on_s3_is_read_packed_or_not(storage):
    client = boto3.client("s3", endpoint_url=storage._endpoint_url)
    client.create_bucket(Bucket="production")
    client.put_object(Bucket="production", Key="log/2026/11/a.jsonl", Body=line(id="1") + b"broken\n")
    client.put_object(Bucket="production", Key="log/2026/11/b.jsonl.gz", Body=gzip.compress(line(id="2")))
    records, skipped = found("s3://production/log/2026", storage)
    assert [record.id for record in records] == ["1", "2"]
    assert skipped.total() == 1
    assert found("s3://production/none", storage)[1].total() == 1
    with pytest.raises(ConfigurationError):
        found("s3://no-such-bucket/log", storage)
