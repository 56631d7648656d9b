"""Source files to examples: every record ends as a row or as a rejection that says where and why."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from data_contracts.data_policy import SourceFile
from data_contracts.records import RawExamples, Rejection, SourceFacts
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.defects import Defect
from tasks.curate.privacy import Screen
from tasks.curate.quarantine import Quarantine
from tasks.curate.reading.example_file import ExampleFile
from tasks.curate.reading.examples import Examples
from tasks.curate.reading.formats import SourceReading, Terms
from tasks.curate.reading.lines import Record
from tasks.curate.reading.tokens import training_limit
from tasks.errors import ConfigurationError, DataError
from tasks.storage import Storage

MAX_REJECTED = 1_000_000


def read(
    case: ResolvedUseCase,
    target: Path,
    quarantine: Quarantine,
    progress: Callable[[int], None] = lambda records: None,
) -> RawExamples:
    """All records of the use case's files, typed by its contract: rows to `target` (Parquet), the rest to quarantine.

    Memory is bounded by the longest record, not by the files. `progress` gets the number of records so far.
    Raises ConfigurationError or DataError where a file as a whole cannot be read; single bad records are rejections.
    """
    storage = Storage(case.use_case.source.endpoint_url)
    files = _files(case, storage)
    reader = _Reader(case, quarantine)
    with ExampleFile(target, lambda: progress(reader.records)) as rows:
        for source, path in files:
            with storage.open(path) as opened:
                file = _printable(path)
                terms = Terms(case.contract.columns, case.use_case.source.max_record_bytes, target.parent)
                reader.read_file(file, SourceReading(file, opened, source, terms), source.partition or "", rows)
    progress(reader.records)
    return RawExamples(target, rows.rows, reader.rejected, reader.sources, reader.facts, reader.screen.finds)


class _Reader:
    """Sends each record where it belongs, and counts over all files."""

    def __init__(self, case: ResolvedUseCase, quarantine: Quarantine) -> None:
        self.records = self.rejected = 0
        self.sources: dict[str, str] = {}
        self.facts: dict[str, SourceFacts] = {}
        self.screen = Screen(case.use_case.curation.privacy)
        self._quarantine, self._id = quarantine, case.contract.mapping.id or ""
        limit = training_limit(case.use_case)
        self._examples = Examples(case.contract, case.use_case.kind, self.screen, limit)

    def read_file(self, file: str, reading: SourceReading, partition: str, rows: ExampleFile) -> None:
        """Add the records of one file."""
        spans = 0
        for record in reading.records():
            self.records += 1
            spans += record.length
            try:
                if isinstance(record.fields, Defect):
                    raise record.fields
                example = self._examples.make(record.fields, partition)
                place = {"file": file, "line": record.line, "offset": record.offset, "length": record.length}
                rows.add({**example, **place})
            except Defect as defect:
                self._reject(file, record, defect)
        self.sources[file], self.facts[file] = reading.sha256, reading.facts
        if reading.facts.bytes not in (-1, reading.facts.head + spans):
            raise AssertionError(f"{file} has {reading.facts.bytes} bytes, its records cover {spans}")

    def _harmless(self, text: str) -> str:
        """An id or the name of a field as a page may show it: it may be what the row was turned away for."""
        try:
            return _printable(self.screen.clean(text, ""))
        except Defect:
            return "[withheld]"

    def _reject(self, file: str, record: Record, defect: Defect) -> None:
        fields = record.fields if isinstance(record.fields, dict) else {}
        content = json.dumps(fields, default=str).encode() if record.content is None else record.content
        found_id = fields.get(self._id)
        rejection = Rejection(
            file=file,
            line=record.line,
            offset=record.offset,
            length=record.length,
            id="" if found_id is None else self._harmless(str(found_id))[:200],
            field=self._harmless(defect.field),
            code=defect.code.value,
            remedy=defect.remedy,
            raw=content.decode(errors="backslashreplace"),
        )
        self._quarantine.add(rejection)
        self.rejected += 1
        if self.rejected > MAX_REJECTED:
            problem = f"has more than {MAX_REJECTED:,} records that cannot be used; the last one: {defect.code}"
            raise DataError(file, problem, defect.remedy)


def _files(case: ResolvedUseCase, storage: Storage) -> list[tuple[SourceFile, str]]:
    entries = case.use_case.source.files
    found = [(entry, path) for entry in entries for path in named(case, entry, storage)]
    twice = [path for path, times in Counter(_printable(path) for _, path in found).items() if times > 1]
    if twice:
        raise ConfigurationError("source.files", f"{twice[0]} is named twice", "Let each file match one entry only.")
    return found


def named(case: ResolvedUseCase, entry: SourceFile, storage: Storage) -> list[str]:
    """Files of an entry, at least one. Raises ConfigurationError where none is there.

    What the monitor collects from production is not there before it has collected a first row, and need not be.
    """
    path, collected = case.resolve(entry.path), case.use_case.monitor.collect
    is_collected = collected is not None and path == case.resolve(collected)
    return storage.find(path) if is_collected else storage.expand(path)


def _printable(text: str) -> str:
    """Text for one line of a report: line breaks, escape codes, half surrogates and turns of direction spelt out."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
