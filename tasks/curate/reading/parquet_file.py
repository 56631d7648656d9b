"""Parquet to records, a few rows at a time, once it is known that the file does not unpack to a flood."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.curate.defects import Code, Defect
from tasks.curate.reading.csv_file import Columns, check_names
from tasks.curate.reading.lines import Fields, Record
from tasks.curate.reading.unpack import within_bounds
from tasks.errors import DataError

BATCH_ROWS = 256
BATCH_BYTES = 16 * 2**20
MIN_CELL = 4  # bytes that Arrow needs for the place of a text, be it empty
PAGE_BUFFER = 2**18
LISTS = pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray


def parquet_records(file: str, stream: BinaryIO, columns: Columns, limit: int) -> Iterator[Record]:
    """The rows of a seekable file, numbered from 1. Raises DataError where it is broken, or unpacks to a flood."""
    try:
        for number, (fields, defect) in enumerate(_rows(file, stream, columns), start=1):
            yield _record(number, fields, defect or _too_long(fields, limit))
    except (pa.ArrowException, OSError) as error:
        raise DataError(file, "is not a whole and valid Parquet file", "Write or upload it again.") from error


def _rows(file: str, stream: BinaryIO, columns: Columns) -> Iterator[tuple[Fields, Defect | None]]:
    packed = stream.seek(0, 2)
    metadata = pq.read_metadata(stream)
    names = metadata.schema.to_arrow_schema().names
    check_names(file, names, columns)
    wanted = [name for name in names if name in columns]
    within_bounds(file, packed, max(_declared(metadata, wanted), metadata.num_rows * len(wanted) * MIN_CELL))
    rows = _rows_at_once(stream, metadata, wanted)
    unpacked = 0
    for batch in _batches(stream, metadata, wanted, rows):
        unpacked += sum(map(_text_bytes, batch.columns))
        within_bounds(file, packed, unpacked)
    for batch in _batches(stream, metadata, wanted, rows):
        yield from _fields(batch)


def _batches(stream: BinaryIO, metadata: pq.FileMetaData, wanted: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    source = pq.ParquetFile(stream, metadata=metadata, pre_buffer=False, buffer_size=PAGE_BUFFER)
    return iter(source.iter_batches(rows, columns=wanted, use_threads=False))


def _fields(batch: pa.RecordBatch) -> Iterator[tuple[Fields, Defect | None]]:
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):  # a text that is not UTF-8, a moment that Python does not know
        for at in range(len(batch)):
            yield _cell_by_cell({name: batch[name][at] for name in batch.schema.names})
    else:
        for fields in rows:
            yield fields, None


def _cell_by_cell(cells: dict[str, pa.Scalar]) -> tuple[Fields, Defect | None]:
    """A row, and what is wrong with a value of it that Python cannot hold: it is kept for the eye only."""
    fields: Fields = {}
    defect = None
    for name, cell in cells.items():
        try:
            fields[name] = cell.as_py()
        except UnicodeDecodeError:
            fields[name] = _as_stored(cell)
            defect = Defect(Code.ENCODING, "Write its texts as UTF-8.", name)
        except (ValueError, OverflowError):
            fields[name] = _as_stored(cell)
            defect = Defect(Code.TIMESTAMP, "Write moments of the years 1 to 9999, at most to the microsecond.", name)
    return fields, defect


def _as_stored(cell: pa.Scalar) -> str:
    try:
        return str(cell.cast(pa.binary() if _is_bytes(cell.type) else pa.int64()).as_py())
    except pa.ArrowException:
        return "nested"


def _record(number: int, fields: Fields, defect: Defect | None) -> Record:
    if defect is None:
        return Record(number, -1, -1, None, fields)
    return Record(number, -1, -1, json.dumps(fields, default=str).encode(), defect)


def _too_long(fields: Fields, limit: int) -> Defect | None:
    if _size(fields) <= limit:
        return None
    return Defect(Code.TOO_LONG, f"Shorten it to {limit} characters, or raise source.max_record_bytes.")


def _size(value: Any) -> int:  # noqa: ANN401 - whatever Parquet holds
    """Characters and bytes of the texts in a value."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0


def _declared(metadata: pq.FileMetaData, wanted: list[str]) -> int:
    """Bytes of the wanted columns, by what the file says of itself: each text of a dictionary counts once."""
    chunks = (chunk for group in range(metadata.num_row_groups) for chunk in _chunks(metadata, group, wanted))
    return sum(int(chunk.total_uncompressed_size) for chunk in chunks)


def _chunks(metadata: pq.FileMetaData, group: int, wanted: list[str]) -> Iterator[pq.ColumnChunkMetaData]:
    rows = metadata.row_group(group)
    every = (rows.column(at) for at in range(rows.num_columns))
    return (chunk for chunk in every if chunk.path_in_schema.split(".")[0] in wanted)


def _rows_at_once(stream: BinaryIO, metadata: pq.FileMetaData, wanted: list[str]) -> int:
    """So many rows that even the longest text of the file's dictionaries in each of them would fit into memory."""
    texts = [column.path for column in map(metadata.schema.column, range(metadata.num_columns)) if _is_text(column)]
    source = pq.ParquetFile(stream, metadata=metadata, read_dictionary=texts, pre_buffer=False, buffer_size=PAGE_BUFFER)
    longest: int = _declared(metadata, wanted) // max(metadata.num_rows, 1)
    for group in range(metadata.num_row_groups):
        if any(chunk.total_uncompressed_size > BATCH_BYTES // BATCH_ROWS for chunk in _chunks(metadata, group, wanted)):
            for row in source.iter_batches(1, row_groups=[group], columns=wanted, use_threads=False):
                longest = max(longest, *map(_longest_text, row.columns))
                break
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(longest, 1)))


def _is_text(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL")


def _leaves(column: pa.Array) -> Iterator[pa.Array]:
    if isinstance(column, pa.MapArray):
        nested = [column.keys, column.items]
    elif isinstance(column, LISTS):
        nested = [column.flatten()]
    else:
        nested = column.flatten() if isinstance(column, pa.StructArray) else []
    yield from (leaf for part in nested for leaf in _leaves(part)) if nested else [column]


def _text_bytes(column: pa.Array) -> int:
    """Bytes that the texts of a column take, each counted as often as it stands there."""
    return sum(int(pc.sum(_lengths(leaf)).as_py() or 0) for leaf in _leaves(column))


def _longest_text(column: pa.Array) -> int:
    """Bytes of the longest text in the dictionaries of a column, whether a row has it or not."""
    dictionaries = [leaf.dictionary for leaf in _leaves(column) if isinstance(leaf, pa.DictionaryArray)]
    return max((int(pc.max(_lengths(texts)).as_py() or 0) for texts in dictionaries), default=0)


def _lengths(leaf: pa.Array) -> pa.Array:
    if isinstance(leaf, pa.DictionaryArray):
        return _lengths(leaf.dictionary).take(leaf.indices)
    return pc.binary_length(leaf) if _is_bytes(leaf.type) else pa.array([0] * len(leaf), pa.int32())


def _is_bytes(kind: pa.DataType) -> bool:
    return kind in {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}
