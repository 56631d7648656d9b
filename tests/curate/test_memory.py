"""Memory is bounded by the longest record that is allowed, not by the file."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.curate import peak
from tests.curate.cases import row

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 2**20

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read as on Linux")


def read_apart(path):
    """What comes of reading the file in a process of its own."""
    command = [sys.executable, "-m", peak.__name__, str(path)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)


def write_rows(path, megabytes, size):
    """A JSONL file of so many megabytes, with records of about so many bytes each; the number of records."""
    text = "where is my parcel, please? " * (size // 28)
    count = megabytes * MEGABYTE // size
    with path.open("wb") as file:
        for number in range(count):
            file.write(json.dumps(row(number, text=f"{number} {text}")).encode() + b"\n")
    return count


def test_a_file_of_many_megabytes_is_read_in_a_few(tmp_path):
    count = write_rows(tmp_path / "rows.jsonl", megabytes=100, size=200_000)
    found = read_apart(tmp_path / "rows.jsonl")
    assert (found["rows"], found["rejected"]) == (count, 0)
    assert found["grown"] < 100


@pytest.mark.slow
def test_a_file_of_300_megabytes_is_read_in_less_than_200(tmp_path):
    count = write_rows(tmp_path / "rows.jsonl", megabytes=300, size=500)
    found = read_apart(tmp_path / "rows.jsonl")
    assert (found["rows"], found["rejected"]) == (count, 0)
    assert found["grown"] < 200


def test_a_line_without_an_end_is_never_held(tmp_path):
    with (tmp_path / "rows.jsonl").open("wb") as file:
        for _ in range(150):
            file.write(b"x" * MEGABYTE)
    found = read_apart(tmp_path / "rows.jsonl")
    assert found["rejected"] == 1 and found["grown"] < 50


def test_a_quoted_field_without_an_end_is_never_held(tmp_path):
    with (tmp_path / "rows.csv").open("wb") as file:
        file.write(b'id,text,label\nr1,"Dear team,\n')
        for _ in range(40):
            file.write(b"and so on, and so on, as letters do.\n" * (MEGABYTE // 37))
    found = read_apart(tmp_path / "rows.csv")
    assert found["rejected"] == 1 and found["grown"] < 60


def test_parquet_with_all_its_rows_in_one_group_is_read_page_by_page(tmp_path):
    count = 4000
    texts = [f"{number} " + "where is my parcel, please? " * 720 for number in range(count)]
    names = {"id": [f"r{number}" for number in range(count)], "text": texts, "label": ["a"] * count}
    pq.write_table(pa.table(names), tmp_path / "rows.parquet", compression="none", write_batch_size=64)
    found = read_apart(tmp_path / "rows.parquet")
    assert found["rows"] == count
    assert found["grown"] < 150


def test_a_gzip_bomb_is_refused_before_it_has_unpacked(tmp_path):
    with gzip.open(tmp_path / "rows.jsonl.gz", "wb") as file:
        for _ in range(500):
            file.write(b"x" * MEGABYTE)
    found = read_apart(tmp_path / "rows.jsonl.gz")
    assert "unpacks to more than 64 MiB" in found["error"] and found["grown"] < 50


@pytest.mark.parametrize(("size", "count"), [(1000, 1_000_000), (10 * MEGABYTE, 100)], ids=["rows", "texts"])
def test_a_parquet_bomb_is_refused_before_it_has_unpacked(tmp_path, size, count):
    column = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), ["x" * size])
    table = pa.table({"id": column, "text": column, "label": column})
    pq.write_table(table, tmp_path / "rows.parquet", dictionary_pagesize_limit=2**30, compression="zstd")
    found = read_apart(tmp_path / "rows.parquet")
    assert "unpacks to more than 64 MiB" in found["error"] and found["grown"] < 200
