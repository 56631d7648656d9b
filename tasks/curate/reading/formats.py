"""A source file as a stream of records, each with its place; a bad record never hides or moves another."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO

from data_contracts.data_policy import SourceFile
from data_contracts.records import SourceFacts
from tasks.curate.defects import Code, Defect
from tasks.curate.reading import strict_json
from tasks.curate.reading.csv_file import Columns, CsvFile
from tasks.curate.reading.lines import Fields, Line, Record, lines, record
from tasks.curate.reading.parquet_file import parquet_records
from tasks.curate.reading.unpack import GZIP, as_utf8, unpacked
from tasks.errors import ConfigurationError, DataError
from tasks.home import writable
from tasks.storage import OpenFile

ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


@dataclass(frozen=True)
class Terms:
    """What holds for every file of a read: its columns, the longest record in bytes, a folder for what it unpacks."""

    columns: Columns
    limit: int
    folder: Path


class SourceReading:
    """One source file on its way in. Hash and facts are known once its records have gone by."""

    def __init__(self, file: str, opened: OpenFile, source: SourceFile, terms: Terms) -> None:
        self._file, self._opened, self._source, self._terms = file, opened, source, terms
        self._digest, self._bytes, self._head, self._records = hashlib.sha256(), 0, -1, 0
        self._form = ENDINGS.get(_ending(file), "") if source.format == "auto" else source.format

    def records(self) -> Iterator[Record]:
        """Every record, in order. Raises DataError if the file as a whole is broken."""
        for found in self._parquet() if self._form == "parquet" else self._text():
            self._records += 1
            if self._head < 0:
                self._head = max(found.offset, 0)
            yield found

    @property
    def sha256(self) -> str:
        """Hash of the bytes as they are stored."""
        return self._digest.hexdigest()

    @property
    def facts(self) -> SourceFacts:
        """What was read. Sizes count the text as UTF-8, unpacked; a file without records is all head."""
        size = -1 if self._form == "parquet" else self._bytes
        head = self._bytes if self._head < 0 else self._head
        return SourceFacts(bytes=size, head=head, records=self._records, version=self._opened.version)

    def _text(self) -> Iterator[Record]:
        form = self._form
        if form not in ("jsonl", "csv", *EXPORTS):
            raise ConfigurationError(
                self._file, "its ending names no known format", "Set `format` of this entry of source.files."
            )
        blocks = as_utf8(self._file, unpacked(self._file, self._stored()), self._source.encoding)
        physical = lines(self._counted(blocks), self._terms.limit)
        if form == "csv":
            return CsvFile(self._terms.columns, self._source.delimiter, self._terms.limit).records(self._file, physical)
        return _json_lines(self._file, physical, self._terms.limit, EXPORTS.get(form, _flat)())

    def _parquet(self) -> Iterator[Record]:
        columns, limit = self._terms.columns, self._terms.limit
        stream = self._opened.stream
        if stream.seekable() and not stream.peek(len(GZIP)).startswith(GZIP):
            for _ in self._stored():
                pass
            yield from parquet_records(self._file, stream, columns, limit)
            return
        with TemporaryFile(dir=self._terms.folder) as copy:
            self._copy(copy)
            yield from parquet_records(self._file, copy, columns, limit)

    def _copy(self, target: BinaryIO) -> None:
        """The file unpacked, since Parquet is read from its end."""
        for block in unpacked(self._file, self._stored()):
            with writable(self._terms.folder):
                target.write(block)

    def _stored(self) -> Iterator[bytes]:
        for block in self._opened.blocks():
            self._digest.update(block)
            yield block

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._bytes += len(block)
            yield block


Convert = Callable[[Fields], Fields]


def _flat() -> Convert:
    return lambda fields: fields


def _openai_logs() -> Convert:
    from tasks.curate.reading.exports import from_openai_log

    return from_openai_log


def _mlflow_traces() -> Convert:
    from tasks.curate.reading.exports import from_mlflow_trace

    return from_mlflow_trace


EXPORTS: dict[str, Callable[[], Convert]] = {"openai_logs": _openai_logs, "mlflow_traces": _mlflow_traces}


def _ending(file: str) -> str:
    return PurePosixPath(file.lower().removesuffix(".gz")).suffix


def _json_lines(file: str, physical: Iterator[Line], limit: int, convert: Convert) -> Iterator[Record]:
    for line in physical:
        found = record(line, limit, lambda text: convert(_json_object(text)))
        if isinstance(found.fields, Defect):
            _check_whole(file, line, found.fields)
        yield found


def _json_object(text: str) -> Fields:
    value = strict_json.parse(text)
    if not isinstance(value, dict):
        raise Defect(Code.NOT_AN_OBJECT, "Write each record as one JSON object on a line of its own.")
    return value


def _check_whole(file: str, line: Line, defect: Defect) -> None:
    """Raises DataError where a broken line shows that the file is none of JSON lines, or not all of it."""
    content = line.content.strip()
    if defect.code in (Code.JSON, Code.ENCODING) and line.length == len(line.content) and not content.endswith(b"}"):
        raise DataError(file, f"ends in the middle of line {line.number}", "Upload the whole file again.")
    if line.number == 1 and defect.code == Code.JSON and content.startswith(b"["):
        raise DataError(file, "is one JSON array, not lines of JSON", "Write each element on a line: jq -c '.[]'.")
