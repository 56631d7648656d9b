"""What a source may look like beside plain UTF-8 files on this machine, and where what is read goes."""

import gzip
import json
import stat

import boto3
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from data_contracts.records import EXAMPLE_COLUMNS, Rejection
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read
from tasks.errors import ConfigurationError, DataError, ResumableError
from tests.curate.cases import contract, jsonl, outcome, read_file, row, use_case

UMLAUTS = {"id": "r1", "text": "größe, schön", "label": "maß"}


def source(path, content, **entry):
    """A use case whose only source entry says more than its path."""
    path.write_bytes(content)
    return use_case({"path": str(path), **entry})


# ---------------------------------------------------------------- encodings and delimiters


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "mac-roman", "UTF8"])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_text_in_a_declared_encoding_is_read_as_it_was_meant(tmp_path, encoding, form):
    lines = json.dumps(UMLAUTS, ensure_ascii=False) if form == "jsonl" else 'id,text,label\nr1,"größe, schön",maß'
    case = source(tmp_path / f"rows.{form}", f"{lines}\n".encode(encoding), encoding=encoding)
    example = outcome(case, tmp_path).rows.iloc[0]
    assert (example["input"], example["output"]) == (UMLAUTS["text"], UMLAUTS["label"])


def test_spans_of_another_encoding_count_its_bytes_as_utf8(tmp_path):
    lines = "".join(json.dumps(row(number, text="größe"), ensure_ascii=False) + "\n" for number in range(3))
    found = outcome(source(tmp_path / "rows.jsonl", lines.encode("utf-16"), encoding="utf-16"), tmp_path)
    (facts,) = found.raw.facts.values()
    assert facts.bytes == len(lines.encode()) == sum(length for _, _, length in found.spans)


def test_a_byte_that_an_encoding_does_not_know_costs_its_row_only(tmp_path):
    content = jsonl(row(1)) + b'{"id": "r2", "text": "\x81", "label": "a"}\n' + jsonl(row(3))
    found = outcome(source(tmp_path / "rows.jsonl", content, encoding="cp1252"), tmp_path)
    assert found.rows["id"].tolist() == ["r1", "r3"]
    assert [(rejection.code, rejection.line) for rejection in found.rejected] == [("encoding", 2)]


@pytest.mark.parametrize("encoding", ["no-such", "base64"])
def test_what_is_no_text_encoding_is_a_wrong_configuration(tmp_path, encoding):
    with pytest.raises(ConfigurationError, match=encoding):
        outcome(source(tmp_path / "rows.jsonl", jsonl(row()), encoding=encoding), tmp_path)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_fields_may_be_divided_by_another_sign(tmp_path, delimiter):
    content = delimiter.join(["id", "text", "label"]) + "\n" + delimiter.join(["r1", '"a, b; c\td|e"', "x"]) + "\n"
    found = outcome(source(tmp_path / "rows.csv", content.encode(), delimiter=delimiter), tmp_path)
    assert found.rows["input"].tolist() == ["a, b; c\td|e"]


def test_a_quote_divides_no_fields(tmp_path):
    with pytest.raises(ConfigurationError, match="delimiter"):
        outcome(source(tmp_path / "rows.csv", b'id"text\n', delimiter='"'), tmp_path)


# ---------------------------------------------------------------- compressed files


def test_the_members_of_a_gzip_file_are_read_one_after_another(tmp_path):
    content = b"".join(gzip.compress(jsonl(row(number))) for number in range(5)) + bytes(512)
    assert len(read_file(tmp_path / "rows.jsonl.gz", content).rows) == 5


@pytest.mark.parametrize("cut", [1, 8, 20, 200])
def test_a_gzip_file_cut_anywhere_stops_the_run(tmp_path, cut):
    packed = gzip.compress(jsonl(*map(row, range(100))))
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz: its gzip data is damaged or cut short"):
        read_file(tmp_path / "rows.jsonl.gz", packed[:-cut])


@pytest.mark.parametrize("tail", [b"garbage", gzip.compress(b"x", mtime=0)[:9]], ids=["garbage", "half a member"])
def test_what_follows_a_member_must_be_a_member(tmp_path, tail):
    with pytest.raises(DataError, match="damaged or cut short"):
        read_file(tmp_path / "rows.jsonl.gz", gzip.compress(jsonl(row())) + tail)


def test_a_changed_byte_in_a_gzip_file_is_noticed(tmp_path):
    packed = bytearray(gzip.compress(jsonl(*map(row, range(100)))))
    packed[-6] ^= 1  # of the checksum
    with pytest.raises(DataError, match="damaged or cut short"):
        read_file(tmp_path / "rows.jsonl.gz", bytes(packed))


def test_text_that_compresses_well_is_no_bomb(tmp_path):
    content = jsonl(*(row(number, text="word " * 2000) for number in range(500)))
    packed = gzip.compress(content)
    assert len(content) > 100 * len(packed)
    assert len(read_file(tmp_path / "rows.jsonl.gz", packed).rows) == 500


# ---------------------------------------------------------------- Parquet


def test_chats_in_parquet_are_lists_of_structs(tmp_path):
    chat = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "cards"}]
    rules = contract(columns={"chat": {"type": "messages"}}, mapping={"messages": "chat"})
    pq.write_table(pa.table({"chat": [chat], "rest": [1]}), tmp_path / "rows.parquet")
    example = outcome(use_case(tmp_path / "rows.parquet", rules=rules), tmp_path).rows.iloc[0]
    assert (example["input"], example["output"]) == ("Hello", "cards")


def test_a_parquet_column_twice_stops_the_run(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"])] * 4, ["id", "text", "label", "text"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="several columns named text"):
        outcome(use_case(tmp_path / "rows.parquet"), tmp_path)


def test_parquet_written_from_categories_is_read_like_any_other(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b"], "text": ["x", "y"], "label": pd.Categorical(["l", "l"])})
    frame.to_parquet(tmp_path / "rows.parquet")
    assert outcome(use_case(tmp_path / "rows.parquet"), tmp_path).rows["output"].tolist() == ["l", "l"]


def test_a_parquet_flood_of_nothing_is_refused(tmp_path):
    nothing = pa.nulls(40_000_000, pa.string())
    pq.write_table(pa.table({"id": nothing, "text": nothing, "label": nothing}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="unpacks to more than"):
        outcome(use_case(tmp_path / "rows.parquet"), tmp_path)


# ---------------------------------------------------------------- exports, and files that are none


@pytest.mark.parametrize("form", ["openai_logs", "mlflow_traces"])
def test_a_record_that_is_no_export_is_turned_away(tmp_path, form):
    rules = contract(columns={"messages": {"type": "messages"}}, mapping={"messages": "messages"})
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl({"nothing": 1}))
    found = outcome(use_case({"path": str(path), "format": form}, rules=rules), tmp_path)
    assert len(found.rejected) == 1 and found.rows.empty


@pytest.mark.parametrize("content", [b'[{"id": "r1"},\n{"id": "r2"}]\n', b"[\n{}\n]\n"])
def test_a_json_array_is_named_as_what_it_is(tmp_path, content):
    with pytest.raises(DataError, match="one JSON array, not lines of JSON"):
        read_file(tmp_path / "rows.jsonl", content)


# ---------------------------------------------------------------- S3


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("rows")
    bucket.create()
    bucket.Versioning().enable()
    return bucket


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "jsonl.gz", "csv.gz", "parquet.gz"])
def test_every_form_is_read_from_s3_too_and_says_of_which_version(tmp_path, bucket, form):
    frame = pd.DataFrame([row(number) for number in range(3)])
    name = form.removesuffix(".gz")
    path = tmp_path / name
    if name == "parquet":
        frame.to_parquet(path)
    else:
        path.write_text(frame.to_csv(index=False) if name == "csv" else frame.to_json(orient="records", lines=True))
    stored = gzip.compress(path.read_bytes()) if form.endswith(".gz") else path.read_bytes()
    version = bucket.put_object(Key=f"rows.{form}", Body=stored).version_id
    found = outcome(use_case(f"s3://rows/rows.{form}"), tmp_path)
    assert found.rows["id"].tolist() == ["r0", "r1", "r2"]
    assert found.raw.facts[f"s3://rows/rows.{form}"].version == version


# ---------------------------------------------------------------- where it goes


def test_rows_are_written_in_the_order_of_files_and_lines_with_every_column(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_bytes(jsonl(*(row(number, id=f"{name}{number}") for number in range(3))))
    found = outcome(use_case(tmp_path / "*.jsonl"), tmp_path)
    assert found.rows["id"].tolist() == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert tuple(found.rows.columns) == EXAMPLE_COLUMNS
    assert found.raw.records_in == sum(facts.records for facts in found.raw.facts.values()) == 6


def test_progress_tells_the_records_so_far_after_each_batch(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(*(row(number) for number in range(9000))))
    told = []
    with Quarantine(tmp_path / "quarantine") as quarantine:
        read(use_case(path), tmp_path / "target", quarantine, told.append)
    assert told[0] == 4096 and told[-1] == 9000 and told == sorted(told)


def test_nothing_but_bad_rows_still_makes_a_file(tmp_path):
    found = read_file(tmp_path / "rows.jsonl", b"{}\n")
    assert found.rows.empty and tuple(found.rows.columns) == EXAMPLE_COLUMNS


def test_a_name_that_would_write_over_a_terminal_is_spelt_out(tmp_path):
    path = tmp_path / "a\n\x1b[31m\u202e.jsonl"
    found = read_file(path, jsonl(row(1)) + b"{}\n")
    (name,) = found.raw.sources
    assert name == str(tmp_path / "a\\n\\x1b[31m\\u202e.jsonl")
    assert found.rows["file"].item() == found.rejected[0].file == name


def test_too_many_bad_records_stop_the_run_early(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.curate.read.MAX_REJECTED", 5)
    with pytest.raises(DataError, match="more than 5 records that cannot be used"):
        read_file(tmp_path / "rows.jsonl", b"{}\n" * 10)


REJECTION = Rejection("f", 1, 0, "id", "field", "json", "mend it", 3, "raw\u2028\n")


def test_quarantine_is_private_counts_by_code_and_keeps_the_raw_text(tmp_path):
    path = tmp_path / "new" / "quarantine.jsonl"
    with Quarantine(path) as quarantine:
        quarantine.add(REJECTION)
        quarantine.add(REJECTION)
    assert (len(quarantine), quarantine.codes) == (2, {"json": 2})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = [Rejection(**json.loads(line)) for line in path.read_bytes().split(b"\n")[:-1]]
    assert kept == [REJECTION, REJECTION]


def test_a_second_quarantine_begins_anew_and_stays_private(tmp_path):
    path = tmp_path / "quarantine.jsonl"
    path.write_text("of an earlier attempt\n")
    path.chmod(0o644)
    with Quarantine(path):
        pass
    assert path.read_bytes() == b"" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_quarantine_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ResumableError, match="quarantine"):
        Quarantine(tmp_path / "file" / "quarantine.jsonl")
