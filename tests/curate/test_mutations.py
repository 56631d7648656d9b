"""Nothing lost and nothing invented, whatever one record of a file looks like: its neighbours never pay for it."""

import gzip
import random

import pytest

from tests.curate.cases import contract, read_file
from tests.curate.mutations import (
    COLUMNS,
    CSV_LINES,
    JSON_LINES,
    LIMIT,
    PARQUET,
    Fate,
    csv_line,
    json_line,
    parquet,
    plain_row,
    rows,
)

RULES = contract(columns=COLUMNS)
HEADER = b"id,text,label\n"


def mutated(name):
    """A file with one mutated record at a random place, and what must survive: id -> text, and rejections."""
    good = rows(name)
    at = random.Random(name).randrange(1, len(good) - 1)
    if name in PARQUET:
        change, fate = PARQUET[name]
        content = parquet([*good[:at], {**plain_row(), **change}, *good[at:]])
    elif name in JSON_LINES:
        mutate, fate = JSON_LINES[name]
        lines = [json_line(row) + b"\n" for row in good]
        content = b"".join([*lines[:at], mutate(json_line(plain_row())) + b"\n", *lines[at:]])
    else:
        mutate, fate = CSV_LINES[name]
        lines = [csv_line(row) for row in good]
        content = HEADER + b"".join([*lines[:at], mutate(csv_line(plain_row())), *lines[at:]])
    return content, expected(good, fate), fate.rejected


def expected(good, fate: Fate):
    """What must be read, by what was written."""
    own = plain_row()
    survivors = {key or own["id"]: text or own["text"] for key, text in fate.texts}
    return {row["id"]: row["text"] for row in good} | survivors


def file_name(name):
    return "rows.parquet" if name in PARQUET else "rows.jsonl" if name in JSON_LINES else "rows.csv"


MUTATIONS = [*JSON_LINES, *CSV_LINES, *PARQUET]


def test_there_are_sixty_mutations_each_of_its_own_name():
    assert len(set(MUTATIONS)) == len(MUTATIONS) == 60


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_no_row_is_lost_or_invented(tmp_path, name, packed):
    content, texts, rejections = mutated(name)
    path = tmp_path / (file_name(name) + (".gz" if packed else ""))
    stored = gzip.compress(content, compresslevel=1) if packed else content
    found = read_file(path, stored, rules=RULES, source={"max_record_bytes": LIMIT})
    assert dict(zip(found.rows["id"], found.rows["input"], strict=True)) == texts
    assert len(found.rejected) == rejections == found.raw.rejected
    assert found.raw.records_in == found.raw.rows + found.raw.rejected == len(found.rows) + rejections
    assert all(rejection.remedy for rejection in found.rejected)


@pytest.mark.parametrize("name", [*JSON_LINES, *CSV_LINES])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["bare", "BOM"])
def test_head_and_records_tile_the_file_to_the_byte(tmp_path, name, mark):
    content, texts, _ = mutated(name)
    found = read_file(tmp_path / file_name(name), mark + content, rules=RULES, source={"max_record_bytes": LIMIT})
    (facts,) = found.raw.facts.values()
    assert facts.head == len(mark) + (len(HEADER) if name in CSV_LINES else 0)
    assert facts.bytes == len(mark + content)
    end = facts.head
    for _, offset, length in found.spans:
        assert offset == end and length > 0
        end += length
    assert end == facts.bytes
    for row in found.rows.itertuples():
        assert texts[row.id][:5].encode() in (mark + content)[row.offset : row.offset + row.length].replace(b'""', b'"')
