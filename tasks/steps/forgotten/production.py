"""Rows in files that stand beside the runs: what the monitor collected, and what the served model logged."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_contracts.production import ProductionRecord
from data_contracts.records import json_object
from data_contracts.text import words_hash
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.defects import Defect
from tasks.curate.privacy import Screen
from tasks.curate.reading.examples import Examples
from tasks.curate.reading.tokens import training_limit
from tasks.home import home
from tasks.ledger import Ledger
from tasks.register import production_log
from tasks.steps.collecting import lock_key, text_of
from tasks.storage import Storage

Known = tuple[str, str]  # id, hash of the words; either may be empty


def logs() -> list[Path]:
    """Where the served model logs what it answers, as far as that is here."""
    return sorted((home() / "production").glob("*.jsonl"))


@dataclass(frozen=True)
class Production:
    """The files of one use case."""

    case: ResolvedUseCase
    ledger: Ledger

    def named(self, ids: Collection[str]) -> set[Known]:
        """The rows of these ids, each with its words."""
        return {known for known in self._all() if known[0] in ids}

    def erase(self, ids: Collection[str], words: Collection[str]) -> list[str]:
        """Take rows out by id and by words, the labels that came later with them; which files, and how many rows."""
        same = {id_ for id_, hash_ in self._all() if id_ and hash_ in words}
        gone = frozenset({*ids, *same}), frozenset(words) - {""}
        return [f"{path}: {rows} rows" for path, rows in self._erased(*gone) if rows]

    def _erased(self, ids: frozenset[str], words: frozenset[str]) -> Iterator[tuple[str, int]]:
        yield self.collected, self._drop(ids, words)
        for path in logs():
            yield str(path), production_log.strike(path, lambda line: _is_in(self._of_record(line), ids, words))

    def _all(self) -> Iterator[Known]:
        yield from map(self._of_row, self._rows())
        for path in logs():
            with path.open("rb") as lines:
                yield from map(self._of_record, lines)

    # ------------------------------------------------------------ what the monitor collected

    @property
    def collected(self) -> str:
        """The path of `monitor.collect`; empty where nothing is collected."""
        named = self.case.use_case.monitor.collect
        return self.case.resolve(named) if named else ""

    def _rows(self) -> list[bytes]:
        found = self._storage.find(self.collected) if self.collected else []
        return self._storage.read(found[0]).splitlines(keepends=True) if found else []

    def _drop(self, ids: frozenset[str], words: frozenset[str]) -> int:
        with self.ledger.lock(lock_key(self.case.use_case.name)):
            lines = self._rows()
            kept = [line for line in lines if not _is_in(self._of_row(line), ids, words)]
            if len(kept) < len(lines):
                self._storage.write(self.collected, b"".join(kept))
        return len(lines) - len(kept)

    def _of_row(self, line: bytes) -> Known:
        """As the next trial would know it; a row that it would turn away is known by its id alone."""
        row = json_object(line)
        try:
            made = self._examples.make(row, "")
        except Defect:
            return str(row.get(self.case.contract.mapping.id or "", "")), ""
        return made["id"], made["words"]

    @cached_property
    def _examples(self) -> Examples:
        case = self.case.use_case
        return Examples(self.case.contract, case.kind, Screen(case.curation.privacy), training_limit(case))

    @property
    def _storage(self) -> Storage:
        return Storage(self.case.use_case.source.endpoint_url)

    # ------------------------------------------------------------ what the served model logged

    def _of_record(self, line: bytes) -> Known:
        """A label that came later has no words."""
        try:
            record = ProductionRecord.model_validate_json(line)
        except ValueError:
            return str(json_object(line).get("id") or ""), ""
        text = text_of(record, self.case.contract.mapping.compare)
        return record.id or "", words_hash(text) if text else ""


def _is_in(known: Known, ids: frozenset[str], words: frozenset[str]) -> bool:
    return known[0] in ids or known[1] in words
