"""Sixty ways in which one record of a good file goes wrong, or only looks odd, and what must come of each."""

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

LIMIT = 8000  # source.max_record_bytes
COLUMNS: dict[str, Any] = {
    "id": {},
    "text": {},
    "label": {},
    "score": {"type": "number", "required": False},
    "at": {"type": "datetime", "required": False},
}
ROWS = 40
Row = dict[str, Any]


@dataclass(frozen=True)
class Fate:
    """What comes of the mutated record: so many rejections, and these texts by id ("" is the record's own)."""

    rejected: int = 1
    texts: tuple[tuple[str, str], ...] = ()


GONE = Fate()
KEPT = Fate(0, (("", ""),))


def as_text(text: str) -> Fate:
    """The record survives with this text."""
    return Fate(0, (("", text),))


def rows(seed: str) -> list[Row]:
    """Good rows with all that a careless reader trips over: line ends, quotes, delimiters, other scripts, "007"."""
    rng = random.Random(seed)
    odd = [
        "007",
        "NA",
        "1e5",
        "a, b; c",
        'say "hi"',
        "zwei\u2028drei",
        "größe",
        "東京 の 天気",
        "\u0085",
        "=1+1",
        "👍🏽",
    ]
    texts = [" ".join(rng.choices([*odd, "where", "is", "my", "parcel"], k=rng.randint(2, 9))) for _ in range(ROWS)]
    return [
        {"id": f"r{number:03}", "text": f"q {text}", "label": rng.choice("abc")} for number, text in enumerate(texts)
    ]


def plain_row() -> Row:
    """The row to be mutated."""
    return {"id": "victim", "text": "hello there my friend", "label": "a"}


# ---------------------------------------------------------------- lines of JSON


def json_line(row: Row) -> bytes:
    """The row as it is written to a JSONL file, without the newline."""
    return json.dumps(row, ensure_ascii=False).encode()


def _with(key: str, value: str) -> Callable[[bytes], bytes]:
    return lambda line: line[:-1] + f', "{key}": {value}}}'.encode()


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def swapped(line: bytes) -> bytes:
        assert old in line
        return line.replace(old, new, 1)

    return swapped


JSON_LINES: dict[str, tuple[Callable[[bytes], bytes], Fate]] = {
    "an empty line": (lambda line: b"", GONE),
    "a line of spaces": (lambda line: b" \t ", GONE),
    "cut in the middle": (lambda line: line[: len(line) // 2], GONE),
    "broken in two": (_swap(b" my ", b" my\n"), Fate(2)),
    "two objects on a line": (lambda line: line + b" " + line, GONE),
    "a comma at the end": (lambda line: line + b",", GONE),
    "a closing brace too many": (lambda line: line + b"}", GONE),
    "single quotes": (lambda line: line.replace(b'"', b"'"), GONE),
    "a comment": (lambda line: b"// " + line, GONE),
    "an array": (lambda line: b"[" + line + b"]", GONE),
    "a number": (lambda line: b"42", GONE),
    "null": (lambda line: b"null", GONE),
    "a key twice": (_with("text", '"other"'), GONE),
    "a key twice, once escaped": (_with("t\\u0065xt", '"other"'), GONE),
    "a key twice in a nested object": (_with("meta", '{"a": 1, "a": 2}'), GONE),
    "NaN": (_with("score", "NaN"), GONE),
    "infinity": (_with("score", "-Infinity"), GONE),
    "a number beyond 1e308": (_with("score", "1e400"), GONE),
    "a number of 5000 digits": (_with("n", "1" * 5000), GONE),
    "nesting without end": (_with("deep", "[" * 500 + "]" * 500), GONE),
    "half a surrogate pair": (_swap(b"hello", b"hello\\ud83d"), GONE),
    "a whole surrogate pair": (_swap(b"hello", b"hello\\ud83d\\ude00"), as_text("hello😀 there my friend")),
    "a raw NUL": (_swap(b"hello", b"hel\x00lo"), GONE),
    "an escaped NUL": (_swap(b"hello", b"hel\\u0000lo"), GONE),
    "a raw tab": (_swap(b"hello", b"hel\tlo"), GONE),
    "a byte of latin-1": (_swap(b"hello", b"h\xe9llo"), GONE),
    "a cut UTF-8 sequence": (_swap(b"hello", b"hell\xe2\x82"), GONE),
    "a carriage return before the newline": (lambda line: line + b"\r", KEPT),
    "a lone carriage return": (_swap(b'", "label', b'",\r"label'), KEPT),
    "U+2028 and U+0085": (_swap(b"hello", "hel\u2028l\u0085o".encode()), as_text("hel\u2028l\u0085o there my friend")),
    "a byte order mark inside": (lambda line: b"\xef\xbb\xbf" + line, GONE),
    "longer than the limit": (_swap(b"hello", b"hello" * 2000), GONE),
    "many megabytes": (_swap(b"hello", b"hello" * 1_000_000), GONE),
    "an id that is a number": (_swap(b'"victim"', b"7"), GONE),
    "a missing text": (_swap(b'"text"', b'"txt"'), GONE),
    "a null label": (_swap(b'"label": "a"', b'"label": null'), GONE),
}

# ---------------------------------------------------------------- CSV


def csv_line(row: Row) -> bytes:
    """The row as it is written to a CSV file, with its line end."""
    stream = io.StringIO()
    csv.DictWriter(stream, ["id", "text", "label"], lineterminator="\n").writerow(row)
    return stream.getvalue().encode()


PROSE = b"Dear team,\n\nmy parcel is late, again.\nRegards"
CSV_LINES: dict[str, tuple[Callable[[bytes], bytes], Fate]] = {
    "a blank line": (lambda line: b"\n", GONE),
    "a field too many": (lambda line: b"x," + line, GONE),
    "a field too few": (lambda line: line.split(b",", 1)[1], GONE),
    "a field that spans lines": (
        _swap(b"hello there my friend", b'"' + PROSE + b'"'),
        as_text(PROSE.decode()),
    ),
    "a field that spans lines in the last column": (
        _swap(b",a\n", b',"a\nb"\n'),
        KEPT,
    ),
    "a stray quote inside": (_swap(b"my", b'm"y'), GONE),
    "a quote that never closes": (_swap(b"hello", b'"hello'), GONE),
    "two stray quotes in a row": (_swap(b"hello there", b'"hello" there'), GONE),
    "a stray quote before a field that spans lines": (
        lambda line: line.replace(b"hello", b'"hello') + b'next,"two\nlines",b\n',
        Fate(1, (("next", "two\nlines"),)),
    ),
    "a stray quote, closed two rows later by another": (
        lambda line: line.replace(b"hello", b'"hello') + b"between,some text,b\n" + b'later,other words",c\n',
        Fate(2, (("between", "some text"),)),
    ),
    "a quoted field beyond the limit over many lines": (
        _swap(b"hello", b'"hello\n' + b"and on it goes, as letters do\n" * 500 + b'"'),
        GONE,
    ),
    "doubled quotes": (_swap(b"hello there my friend", b'"say ""hi"""'), as_text('say "hi"')),
    "a semicolon for a comma": (lambda line: line.replace(b",", b";"), GONE),
    "CSV: a raw NUL": (_swap(b"hello", b"hel\x00lo"), GONE),
    "CSV: a byte of latin-1": (_swap(b"hello", b"h\xe9llo"), GONE),
    "CSV: longer than the limit": (_swap(b"hello", b"hello" * 2000), GONE),
    "CSV: a carriage return before the newline": (lambda line: line[:-1] + b"\r\n", KEPT),
}

# ---------------------------------------------------------------- Parquet


def parquet(records: list[Row]) -> bytes:
    """The rows as a Parquet file; a text given as bytes is stored as it is, UTF-8 or not."""
    columns = {}
    for name in COLUMNS:
        values = [record.get(name) for record in records]
        if name in ("id", "text", "label"):
            stored = [value.encode() if isinstance(value, str) else value for value in values]
            binary = pa.array(stored, pa.binary())
            columns[name] = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers(), binary.null_count)
        else:
            columns[name] = pa.array(values, pa.float64() if name == "score" else pa.timestamp("us", "UTC"))
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, row_group_size=16)
    return stream.getvalue()


PARQUET: dict[str, tuple[Row, Fate]] = {
    "Parquet: a null text": ({"text": None}, GONE),
    "Parquet: an empty label": ({"label": ""}, GONE),
    "Parquet: bytes that are not UTF-8": ({"text": b"h\xe9llo"}, GONE),
    "Parquet: a NUL": ({"text": "hel\x00lo"}, GONE),
    "Parquet: longer than the limit": ({"text": "hello" * 2000}, GONE),
    "Parquet: NaN": ({"score": float("nan")}, GONE),
    "Parquet: a moment after the year 9999": ({"at": 2**60}, GONE),
}
