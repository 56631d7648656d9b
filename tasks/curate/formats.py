"""Bytes of a JSONL, CSV or Parquet file to records, each with its place; a bad record never hides or moves another."""

import gzip
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.data_policy import SourceFile
from tasks.curate import strict_json
from tasks.curate.csv_file import Columns, check_names, csv_records
from tasks.curate.defects import Code, Defect
from tasks.curate.lines import Fields, Record, lines, record
from tasks.errors import ConfigurationError, DataError

MIN_INFLATED = 64 * 2**20  # a compressed file may always grow to this size,
MAX_RATIO = 100  # or to so many times its own: text compresses 3 to 20 times, a bomb 1,000 times
ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


def records(file: str, content: bytes, source: SourceFile, columns: Columns, limit: int) -> Iterator[Record]:
    """Every record of a file, in order; `limit` is the longest one in bytes. Raises DataError if the file is broken."""
    form = ENDINGS.get(_ending(file)) if source.format == "auto" else source.format
    if form == "parquet":
        return _parquet(file, content, columns, limit)
    text = _inflate(file, content)
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(file, "is UTF-16", "Save it as UTF-8.")
    if form == "jsonl":
        return _jsonl(file, text, limit)
    if form == "csv":
        return csv_records(file, text, columns, limit)
    raise ConfigurationError(file, "its ending names no known format", "Set `format` of this entry of source.files.")


def _ending(file: str) -> str:
    return PurePosixPath(file.lower().removesuffix(".gz")).suffix


def _inflate(file: str, content: bytes) -> bytes:
    """The text of a gzip'd file; any other content as it is."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    limit = _inflated_limit(content)
    try:
        with gzip.GzipFile(fileobj=BytesIO(content)) as stream:
            text = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(file, "its gzip data is damaged or cut short", "Upload the whole file again.") from error
    if len(text) > limit:
        raise _bomb(file, limit)
    return text


def _inflated_limit(content: bytes) -> int:
    return max(MIN_INFLATED, MAX_RATIO * len(content))


def _bomb(file: str, limit: int) -> DataError:
    remedy = "Check where it comes from; if it is sound, unpack it first."
    return DataError(file, f"unpacks to more than {limit // 2**20} MiB", remedy)


def _jsonl(file: str, content: bytes, limit: int) -> Iterator[Record]:
    for line in lines(content):
        found = record(line, limit, _json_object)
        if _is_cut_off(content, found):
            raise DataError(file, f"ends in the middle of line {found.line}", "Upload the whole file again.")
        yield found


def _json_object(text: str) -> Fields:
    value = strict_json.parse(text)
    if not isinstance(value, dict):
        raise Defect(Code.NOT_AN_OBJECT, "Write each record as one JSON object on a line of its own.")
    return value


def _is_cut_off(content: bytes, found: Record) -> bool:
    broken = isinstance(found.fields, Defect) and found.fields.code in (Code.JSON, Code.ENCODING)
    return broken and content.find(b"\n", found.offset) < 0 and not content.rstrip().endswith(b"}")


def _parquet(file: str, content: bytes, columns: Columns, limit: int) -> Iterator[Record]:
    row, size, most = 0, 0, _inflated_limit(content)
    try:
        table = pq.ParquetFile(pa.BufferReader(content))
        names = table.schema_arrow.names
        check_names(file, names, columns)
        for batch in table.iter_batches(batch_size=1024, columns=[name for name in names if name in columns]):
            size += batch.nbytes
            if size > most:
                raise _bomb(file, most)
            for fields in batch.to_pylist():
                row += 1
                yield Record(row, -1, None, _short_enough(fields, limit))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(file, "is not a whole and valid Parquet file", "Write or upload it again.") from error


def _short_enough(fields: Fields, limit: int) -> Fields | Defect:
    if sum(len(value) for value in fields.values() if isinstance(value, str)) > limit:
        return Defect(Code.TOO_LONG, f"Shorten it to {limit} characters, or raise source.max_record_bytes.")
    return fields
