"""Labelled rows of production for the next trial: in the shape of the contract, each once, in one JSONL file.

The next trial reads it like any source, so a collected row is partitioned once and stays where it is. A text that a
trial has placed already is not collected: its label is the business of the source that it came from, and another label
for it would put both rows into quarantine, out of the sealed test set too.
"""

import hashlib
import json
from collections import Counter
from typing import Any

from data_contracts.production import ProductionRecord
from data_contracts.text import canonical_json
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.defects import Defect
from tasks.curate.privacy import Screen
from tasks.curate.reading.examples import Examples, compared
from tasks.curate.reading.tokens import training_limit
from tasks.ledger import Ledger
from tasks.prompting.tool_calls import as_message
from tasks.storage import Storage

MOST_NEW = 50_000  # of one pass
LEFT_OUT = "not collected: {}"
PLACED = "a trial has placed its text already"
FORGOTTEN = "somebody asked to forget it"


def lock_key(use_case: str) -> str:
    """What `Ledger.lock` takes: whoever writes the file of collected rows holds it."""
    return f"collect {use_case}"


def text_of(record: ProductionRecord, turns: str) -> str:
    """What was asked, as rows are compared by it; `turns`: the contract's `mapping.compare`."""
    if record.input is not None or not record.messages:
        return record.input or ""
    return compared(
        [{**turn, "role": str(turn.get("role")), "content": _content(turn)} for turn in record.messages], turns
    )


class Collector:
    """Takes labelled records one by one, `write` then adds them to `monitor.collect` under a lock."""

    def __init__(self, case: ResolvedUseCase, ledger: Ledger, skipped: Counter[str]) -> None:
        self._case, self._ledger, self._skipped = case, ledger, skipped
        self._path = case.resolve(case.use_case.monitor.collect or "")
        self._storage = Storage(case.use_case.source.endpoint_url)
        screen = Screen(case.use_case.curation.privacy)
        self._examples = Examples(case.contract, case.use_case.kind, screen, training_limit(case.use_case))
        self._placed = ledger.history(case.use_case.name).keys()
        gone = ledger.forgotten(case.use_case.name)
        self._forgotten = {row.row for row in gone} | {row.words for row in gone if row.words}
        self._rows: dict[str, tuple[bytes, str]] = {}  # key -> line, hash of its words

    def offer(self, record: ProductionRecord) -> None:
        """Keep the row for `write`, or count why not: what the next trial would turn away is not collected."""
        row = self._row(record)
        try:
            example = self._examples.make(row, "")
        except Defect as defect:
            where = f" ({defect.field})" if defect.field in self._case.contract.columns else ""
            self._skipped[LEFT_OUT.format(f"{defect.code.value.replace('_', ' ')}{where}")] += 1
            return
        if self._forgotten & {hashlib.sha256(example["id"].encode()).hexdigest(), example["words"]}:
            self._skipped[LEFT_OUT.format(FORGOTTEN)] += 1
        elif len(self._rows) < MOST_NEW:
            self._rows[self._key(row)] = canonical_json(row).encode(), example["words"]

    def write(self) -> int:
        """Add what is new and put a corrected label in the place of the former one; how many rows that were."""
        if not self._rows:
            return 0
        with self._ledger.lock(lock_key(self._case.use_case.name)):
            found = self._storage.find(self._path)
            lines = self._storage.read(found[0]).splitlines() if found else []
            kept = {self._key(json.loads(line)): line for line in lines if line.strip()}
            changed = {key: line for key, (line, words) in self._rows.items() if self._is_new(key, line, words, kept)}
            if changed:
                self._storage.write(self._path, b"".join(line + b"\n" for line in {**kept, **changed}.values()))
        return len(changed)

    def _is_new(self, key: str, line: bytes, words: str, kept: dict[str, bytes]) -> bool:
        if key in kept:
            return _without_time(kept[key], self._created) != _without_time(line, self._created)
        if words in self._placed:
            self._skipped[LEFT_OUT.format(PLACED)] += 1
            return False
        return True

    @property
    def _created(self) -> str:
        return self._case.contract.mapping.created_at or ""

    def _key(self, row: dict[str, Any]) -> str:
        """What a row is known by in the file: its id, or what was asked."""
        mapping = self._case.contract.mapping
        asked = mapping.messages or mapping.input or ""
        own = row.get(mapping.id) if mapping.id else None
        return str(own) if own is not None else canonical_json(_before_answer(row.get(asked), mapping.output))

    def _row(self, record: ProductionRecord) -> dict[str, Any]:
        """The record by the names of the contract's columns: the mapping, read backwards."""
        mapping, columns = self._case.contract.mapping, self._case.contract.columns
        row = {name: value for name, value in record.fields.items() if name in columns}
        row |= self._asked(record)
        known = {mapping.group: record.group, mapping.created_at: record.at and record.at.isoformat()}
        row |= {name: value for name, value in known.items() if name and value}
        if mapping.output:
            row[mapping.output] = self._answer(mapping.output, record.expected or "")
        if mapping.rejected and record.output and record.output != record.expected:
            row[mapping.rejected] = self._answer(mapping.rejected, record.output)
        if mapping.id:
            row[mapping.id] = record.id or f"production-{_hash(self._asked(record))}"
        return row

    def _asked(self, record: ProductionRecord) -> dict[str, Any]:
        mapping = self._case.contract.mapping
        asked = record.messages or [{"role": "user", "content": record.input or ""}]
        if not mapping.messages:
            texts = [turn.get("content") for turn in asked if turn.get("role") == "user"]
            return {mapping.input or "": record.input or "\n".join(text for text in texts if isinstance(text, str))}
        whole = asked if mapping.output else [*asked, as_message(record.expected or "")]
        shown: dict[str, Any] = {"string": canonical_json(whole), "object": {"messages": whole}}
        return {mapping.messages: shown.get(self._case.contract.columns[mapping.messages].type, whole)}

    def _answer(self, column: str, text: str) -> Any:  # noqa: ANN401 - whatever the column holds
        form = self._case.contract.columns[column].type
        if form == "messages":
            return [as_message(text)]
        return _parsed(text) if form != "string" else text


def _content(turn: dict[str, Any]) -> str:
    content = turn.get("content")
    return content if isinstance(content, str) else ""


def _before_answer(asked: Any, output: str | None) -> Any:  # noqa: ANN401 - any JSON value
    """What was asked, without the answer that stands in the same messages."""
    found = _parsed(asked) if isinstance(asked, str) and output is None else asked
    messages = found.get("messages") if isinstance(found, dict) else found
    return messages[:-1] if isinstance(messages, list) and output is None else messages


def _without_time(line: bytes, created: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return {name: value for name, value in row.items() if name != created}


def _parsed(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except ValueError:
        return text


def _hash(asked: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(asked).encode()).hexdigest()[:16]
