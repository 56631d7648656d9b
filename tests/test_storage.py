import base64
import hashlib
import os
import pickle
import socket
import stat
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tasks.errors import ConfigurationError, CredentialsError, ProviderUnavailableError, ResumableError
from tasks.storage import Storage, replace_file


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint):
    name = f"bucket-{uuid4().hex}"
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=name)
    return name


@pytest.fixture
def storage(endpoint):
    return Storage(endpoint)


# ---------------------------------------------------------------- local


def test_a_file_stands_for_itself_even_if_its_name_looks_like_a_glob(tmp_path):
    odd = tmp_path / "rows[1].jsonl"
    odd.write_bytes(b"x")
    assert Storage().expand(str(odd)) == [str(odd)]


def test_a_glob_and_a_folder_stand_for_their_files_in_order_without_hidden_ones(tmp_path):
    for name in ("b.csv", "a.csv", "deep/c.csv", "_SUCCESS", ".part.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = [str(tmp_path / name) for name in ("a.csv", "b.csv", "deep/c.csv")]
    assert Storage().expand(str(tmp_path)) == names
    assert Storage().expand(str(tmp_path / "**/*.csv")) == names
    assert Storage().expand(str(tmp_path / "*.csv")) == names[:2]


def test_a_path_without_files_is_a_wrong_configuration(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nothing\.csv: no file is there"):
        Storage().expand(str(tmp_path / "nothing.csv"))


def test_a_scheme_other_than_s3_is_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"gs://bucket/rows\.csv"):
        Storage().expand("gs://bucket/rows.csv")


def test_a_file_is_written_whole_private_and_into_folders_that_it_makes(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    Storage().write(str(path), b"old")
    Storage().write(str(path), b"new")
    assert Storage().read(str(path)) == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["rows.jsonl"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        Storage().write(str(path), "text, not bytes")
    assert path.read_bytes() == b"old"


def test_a_local_file_that_changes_while_it_is_read_stops_the_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"old\n")
    with (
        pytest.raises(ResumableError, match=r"rows\.jsonl.*changed while it was read"),
        Storage().open(str(path)) as file,
    ):
        file.stream.read(1)
        path.write_bytes(b"old\nnew\n")


def test_a_failure_of_the_disk_names_the_file():
    broken = "/proc/self/mem"  # its first bytes belong to nobody: reading them is an input/output error
    if not Path(broken).exists():
        pytest.skip("no Linux")
    with pytest.raises(ConfigurationError, match="/proc/self/mem: input/output error"):
        Storage().read(broken)


def test_an_error_of_whoever_reads_is_not_taken_for_one_of_the_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"x")
    with pytest.raises(OSError, match="No space left"), Storage().open(str(path)):
        raise OSError("No space left on device")


# ---------------------------------------------------------------- S3


def test_what_was_written_to_s3_is_read_back(storage, bucket):
    storage.write(f"s3://{bucket}/run/rows.jsonl", b'{"a": 1}\n')
    assert storage.read(f"s3://{bucket}/run/rows.jsonl") == b'{"a": 1}\n'


def client(endpoint):
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


def test_a_version_is_read_to_its_end_whatever_is_written_over_it(storage, endpoint, bucket, monkeypatch):
    monkeypatch.setattr("tasks.storage.s3.RANGE", 4)
    client(endpoint).put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    storage.write(f"s3://{bucket}/rows", b"0123456789")
    with storage.open(f"s3://{bucket}/rows") as file:
        begun = file.stream.read(4)
        storage.write(f"s3://{bucket}/rows", b"another ten")
        assert begun + b"".join(file.blocks()) == b"0123456789"
    versions = client(endpoint).list_object_versions(Bucket=bucket)["Versions"]
    assert file.version in {version["VersionId"] for version in versions if not version["IsLatest"]}


def test_without_versions_an_object_that_is_overwritten_stops_the_read(storage, bucket, monkeypatch):
    monkeypatch.setattr("tasks.storage.s3.RANGE", 4)
    storage.write(f"s3://{bucket}/rows", b"0123456789")
    with pytest.raises(ResumableError, match="changed while it was read"), storage.open(f"s3://{bucket}/rows") as file:
        file.stream.read(4)
        storage.write(f"s3://{bucket}/rows", b"9876543210")
        list(file.blocks())
    assert file.version == hashlib.md5(b"0123456789").hexdigest(), "the ETag"


@pytest.mark.parametrize("algorithm", ["SHA256", "CRC32"])
def test_an_object_is_read_whatever_checksum_was_stored_with_it(storage, endpoint, bucket, algorithm):
    client(endpoint).put_object(Bucket=bucket, Key="rows", Body=b"x" * 99, ChecksumAlgorithm=algorithm)
    assert storage.read(f"s3://{bucket}/rows") == b"x" * 99


def test_an_empty_object_is_an_empty_file(storage, bucket):
    storage.write(f"s3://{bucket}/rows", b"")
    assert storage.read(f"s3://{bucket}/rows") == b""


def test_an_s3_path_is_a_key_a_glob_a_folder_or_a_prefix(storage, bucket):
    keys = ("data/a.csv", "data/b.csv", "data/deep/c.csv", "data/_SUCCESS", "data_old/d.csv", "data/")
    for key in keys:
        storage.write(f"s3://{bucket}/{key}", b"x")

    def expand(path):
        return [name.removeprefix(f"s3://{bucket}/") for name in storage.expand(f"s3://{bucket}/{path}")]

    assert expand("data/a.csv") == ["data/a.csv"]
    assert expand("data/*.csv") == ["data/a.csv", "data/b.csv"]
    assert (
        expand("data/**/*.csv") == expand("data") == expand("data/") == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    )
    assert expand("data_o") == ["data_old/d.csv"]


@pytest.mark.slow
def test_more_keys_than_one_page_holds_are_all_listed(storage, bucket):
    for number in range(1005):
        storage.write(f"s3://{bucket}/many/{number:04}.csv", b"x")
    assert len(storage.expand(f"s3://{bucket}/many")) == 1005


def test_the_endpoint_variable_wins_over_the_argument(endpoint, bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    Storage("http://127.0.0.1:9").write(f"s3://{bucket}/key", b"x")
    assert Storage().read(f"s3://{bucket}/key") == b"x"


def test_a_missing_bucket_and_a_missing_key_are_told_apart(storage, bucket):
    with pytest.raises(ConfigurationError, match="bucket no-such-bucket, key rows: there is no such bucket"):
        storage.expand("s3://no-such-bucket/rows")
    with pytest.raises(ConfigurationError, match=f"bucket {bucket}, key rows: there is no such object"):
        storage.read(f"s3://{bucket}/rows")
    with pytest.raises(ConfigurationError, match="no file is there"):
        storage.expand(f"s3://{bucket}/rows")


def test_missing_credentials_stop_with_the_variables_to_set(storage, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID"):
        storage.read("s3://bucket/key")


def test_an_endpoint_that_nobody_listens_on_is_an_outage(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("tasks.storage.ATTEMPTS", 1)
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        Storage(url).read("s3://bucket/key")


CONTENT = b"0123456789"
FAULTS = {
    "shrunk": b"01234",  # a whole answer, but not of the size that HEAD announced
    "grown": CONTENT * 2,
}


class Store(BaseHTTPRequestHandler):
    """One object of ten bytes in a store that fails as `faults` say, one fault an answer to GET."""

    faults: ClassVar[list[str]]
    asked: ClassVar[list[str]]
    checksum: ClassVar[dict[str, str]]

    def do_HEAD(self):
        self.answer(403 if self.faults[:1] == ["forbidden"] else 200, CONTENT, send=b"", headers=self.checksum)

    def do_GET(self):
        fault = self.faults.pop(0) if self.faults else ""
        span = self.headers["Range"].removeprefix("bytes=")
        self.asked.append(span)
        start, end = map(int, span.split("-"))
        wanted = CONTENT[start : end + 1]
        place = {"Content-Range": f"bytes {span}/{len(CONTENT)}"}
        if fault == "changed" and self.headers["If-Match"] == '"v1"':  # it is v2 by now
            self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        elif fault == "short":  # fewer bytes than announced, then the end of the connection
            self.answer(206, wanted, send=wanted[: len(wanted) // 2], headers=place)
        elif fault == "elsewhere":  # as many bytes as asked for, but others
            self.answer(206, CONTENT[: len(wanted)], headers={"Content-Range": f"bytes 0-{len(wanted) - 1}/10"})
        elif fault in FAULTS:
            self.answer(200, FAULTS[fault])
        elif fault == "no ranges":
            self.answer(200, CONTENT)
        else:
            self.answer(206, wanted, headers=place)

    def answer(self, status, body, send=None, headers=None):
        self.send_response(status)
        for name, value in {"ETag": '"v1"', "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if send is None else send)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def store():
    """A failing store: its handler, on which faults are set, and a Storage that asks it."""

    class Failing(Store):
        faults: ClassVar[list[str]] = []
        asked: ClassVar[list[str]] = []
        checksum: ClassVar[dict[str, str]] = {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield Failing, Storage(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


def test_a_body_cut_short_goes_on_where_it_stopped(store, monkeypatch):
    monkeypatch.setattr("tasks.storage.s3.PIECE", 1)
    handler, storage = store
    handler.faults.extend(["short", "short"])
    assert storage.read("s3://bucket/key") == CONTENT
    starts = [int(span.split("-")[0]) for span in handler.asked]
    assert starts == sorted(starts) and len(set(starts)) == 3


@pytest.mark.parametrize("fault", ["shrunk", "grown", "no ranges"])
def test_an_answer_that_is_not_what_was_asked_for_is_asked_again(store, fault):
    handler, storage = store
    handler.faults.append(fault)
    assert storage.read("s3://bucket/key") == CONTENT


def test_bytes_from_another_place_are_never_taken_for_the_wanted_ones(store, monkeypatch):
    monkeypatch.setattr("tasks.storage.s3.RANGE", 5)
    handler, storage = store
    handler.faults.extend(["", "elsewhere", ""])
    assert storage.read("s3://bucket/key") == CONTENT
    assert handler.asked == ["0-4", "5-9", "5-9"]


def test_a_body_that_stays_short_is_never_taken_for_the_file(store):
    handler, storage = store
    handler.faults.extend(["shrunk"] * 20)
    with pytest.raises(ProviderUnavailableError, match=r"s3://bucket/key.*cut short"):
        storage.read("s3://bucket/key")


@pytest.mark.parametrize("before", [[], [""]], ids=["before the first byte", "after the first bytes"])
def test_an_object_that_changes_while_it_is_read_stops_the_read(store, monkeypatch, before):
    monkeypatch.setattr("tasks.storage.s3.RANGE", 5)
    handler, storage = store
    handler.faults.extend([*before, "changed"])
    with pytest.raises(ResumableError, match="changed while it was read"):
        storage.read("s3://bucket/key")


CHECKSUMS = {
    "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode(),
    "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(CONTENT).digest()).decode(),
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_what_was_read_is_held_against_the_stored_checksum(store, name):
    handler, storage = store
    handler.checksum[name] = CHECKSUMS[name]
    assert storage.read("s3://bucket/key") == CONTENT
    handler.checksum[name] = "A" + CHECKSUMS[name][1:]
    with pytest.raises(ProviderUnavailableError, match="checksum is not the stored one"):
        storage.read("s3://bucket/key")


def test_the_checksum_of_a_composite_is_not_that_of_its_bytes(store):
    handler, storage = store
    handler.checksum["x-amz-checksum-sha256"] = CHECKSUMS["x-amz-checksum-sha256"] + "-3"
    assert storage.read("s3://bucket/key") == CONTENT


def test_a_large_object_is_read_by_ranges_in_bounded_memory(store, monkeypatch):
    monkeypatch.setattr("tasks.storage.s3.RANGE", 4)
    handler, storage = store
    with storage.open("s3://bucket/key") as file:
        assert file.stream.read(1) == b"0"
        assert handler.asked == ["0-3"]


def test_a_refusal_names_bucket_and_key_and_survives_pickling(store):
    handler, storage = store
    handler.faults.append("forbidden")
    with pytest.raises(CredentialsError, match="bucket bucket, key key stopped: S3 refused access") as caught:
        storage.read("s3://bucket/key")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_that_cannot_be_written_stops_resumably_and_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "rows.jsonl"
    with pytest.raises(ResumableError, match=str(path)):
        replace_file(path, b"")
