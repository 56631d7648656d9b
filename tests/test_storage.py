import os
import pickle
import socket
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


# ---------------------------------------------------------------- S3


def test_what_was_written_to_s3_is_read_back(storage, bucket):
    storage.write(f"s3://{bucket}/run/rows.jsonl", b'{"a": 1}\n')
    assert storage.read(f"s3://{bucket}/run/rows.jsonl") == b'{"a": 1}\n'


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


class Store(BaseHTTPRequestHandler):
    """One object of ten bytes in a store that fails as `faults` say, one fault an answer to GET."""

    faults: ClassVar[list[str]]

    def do_HEAD(self):
        self.answer(403 if self.faults[:1] == ["forbidden"] else 200, b"0123456789", send=b"")

    def do_GET(self):
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "changed" and self.headers["If-Match"] == '"v1"':  # it is v2 by now
            self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        elif fault == "short":  # fewer bytes than announced, then the end of the connection
            self.answer(200, b"0123456789", send=b"01234")
        elif fault == "shrunk":  # a whole answer, but not of the size that HEAD announced
            self.answer(200, b"01234")
        else:
            self.answer(200, b"0123456789")

    def answer(self, status, body, send=None):
        self.send_response(status)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if send is None else send)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def failing_store():
    class Failing(Store):
        faults: ClassVar[list[str]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield Failing.faults, Storage(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("fault", ["short", "shrunk"])
def test_a_body_cut_short_is_read_again_as_a_whole(failing_store, fault):
    faults, storage = failing_store
    faults.extend([fault, fault])
    assert storage.read("s3://bucket/key") == b"0123456789"


def test_a_body_that_stays_short_is_never_taken_for_the_file(failing_store):
    faults, storage = failing_store
    faults.extend(["shrunk"] * 20)
    with pytest.raises(ProviderUnavailableError, match=r"s3://bucket/key.*cut short"):
        storage.read("s3://bucket/key")


def test_an_object_that_changes_between_head_and_get_stops_the_read(failing_store):
    faults, storage = failing_store
    faults.append("changed")
    with pytest.raises(ResumableError, match="changed while it was read"):
        storage.read("s3://bucket/key")


def test_a_refusal_names_bucket_and_key_and_survives_pickling(failing_store):
    faults, storage = failing_store
    faults.append("forbidden")
    with pytest.raises(CredentialsError, match="bucket bucket, key key stopped: S3 refused access") as caught:
        storage.read("s3://bucket/key")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_that_cannot_be_written_stops_resumably_and_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "rows.jsonl"
    with pytest.raises(ResumableError, match=str(path)):
        replace_file(path, b"")
