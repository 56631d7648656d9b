"""Source files to examples: every record ends as a row or as a rejection that says where and why."""

import hashlib
import json
from collections import Counter

import pandas as pd

from data_contracts.data_policy import SourceFile
from data_contracts.records import EXAMPLE_COLUMNS, RawExamples, Rejection
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.defects import Defect
from tasks.curate.examples import Examples
from tasks.curate.formats import records
from tasks.curate.lines import Record
from tasks.errors import ConfigurationError
from tasks.storage import Storage


def read(case: ResolvedUseCase) -> RawExamples:
    """All records of the use case's files, typed by its contract.

    Raises ConfigurationError or DataError where a file as a whole cannot be read; single bad records are rejections.
    """
    storage = Storage(case.use_case.source.endpoint_url)
    reader = _Reader(case)
    for source, path in _files(case, storage):
        reader.read_file(source, path, storage.read(path))
    return RawExamples(_frame(reader.rows), reader.rejected, reader.records_in, reader.sources)


class _Reader:
    """Collects rows and rejections over all files."""

    def __init__(self, case: ResolvedUseCase) -> None:
        self.rows: list[dict[str, str | int]] = []
        self.rejected: list[Rejection] = []
        self.sources: dict[str, str] = {}
        self.records_in = 0
        self._contract, self._limit = case.contract, case.use_case.source.max_record_bytes
        self._examples = Examples(case.contract, case.use_case.kind)

    def read_file(self, source: SourceFile, path: str, content: bytes) -> None:
        """Add the records of one file."""
        file = _printable(path)
        self.sources[file] = hashlib.sha256(content).hexdigest()
        for record in records(file, content, source, self._contract.columns, self._limit):
            self.records_in += 1
            try:
                if isinstance(record.fields, Defect):
                    raise record.fields
                example = self._examples.make(record.fields, source.partition or "")
                self.rows.append({**example, "file": file, "line": record.line, "offset": record.offset})
            except Defect as defect:
                self.rejected.append(self._rejection(file, record, defect))

    def _rejection(self, file: str, record: Record, defect: Defect) -> Rejection:
        fields = record.fields if isinstance(record.fields, dict) else {}
        found_id = fields.get(self._contract.mapping.id or "")
        return Rejection(
            file=file,
            line=record.line,
            offset=record.offset,
            id="" if found_id is None else _printable(str(found_id))[:200],
            field=_printable(defect.field),
            code=defect.code.value,
            remedy=defect.remedy,
            raw=_printable(json.dumps(fields, default=str)) if record.raw is None else record.raw,
        )


def _files(case: ResolvedUseCase, storage: Storage) -> list[tuple[SourceFile, str]]:
    entries = case.use_case.source.files
    found = [(entry, path) for entry in entries for path in storage.expand(case.resolve(entry.path))]
    twice = [path for path, times in Counter(path for _, path in found).items() if times > 1]
    if twice:
        raise ConfigurationError("source.files", f"{twice[0]} is named twice", "Let each file match one entry only.")
    return found


def _frame(rows: list[dict[str, str | int]]) -> pd.DataFrame:
    types = {name: "int64" if name in ("line", "offset") else "str" for name in EXAMPLE_COLUMNS}
    return pd.DataFrame(rows, columns=list(EXAMPLE_COLUMNS)).astype(types)


def _printable(text: str) -> str:
    """Text that can be written as UTF-8: half surrogates are spelt out."""
    return text.encode(errors="backslashreplace").decode()
