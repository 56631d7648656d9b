"""Whose rows they are: found in every run folder by id, and by their words under any other id."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.redaction import token
from data_contracts.text import words_hash
from data_contracts.use_case import TaskKind
from tasks.curate.reading.examples import compared
from tasks.run_folder import RunFolder
from tasks.steps.curation import DUPLICATES, EXCLUDED, QUARANTINE
from tasks.steps.forgotten.contents import Eraser
from tasks.steps.forgotten.stretches import WINDOW, Stretches
from tasks.workspace import CURATED

TABLES, REJECTIONS = (CURATED, DUPLICATES), (QUARANTINE, EXCLUDED)
COLUMNS = ["id", "words", "file", "line"]
TEXTS = ["input", "messages", "output", "rejected"]
Progress = Callable[[int, int], None]


@dataclass
class Held:
    """What a run folder holds of the rows."""

    ids: set[str] = field(default_factory=set)
    records: int = 0
    others: int = 0  # of the records: rows of another id with the same words
    emptied: bool = False  # an earlier request was here
    places: Counter[str] = field(default_factory=Counter)  # partition -> rows, emptied ones too
    lines: set[str] = field(default_factory=set)  # file and line in the source


@dataclass(frozen=True)
class Subject:
    """The rows to forget: ids as asked for, each with hashes of its words; all such hashes; texts; where they are."""

    asked: frozenset[str]
    named: frozenset[tuple[str, str]]
    words: frozenset[str]
    held: dict[str, Held]  # by run
    texts: tuple[str, ...] = field(repr=False)

    def eraser(self, run: str, stretches: Stretches) -> Eraser:
        """Takes them out of the files of a run."""
        ids = self.asked | (self.held[run].ids if run in self.held else set())
        return Eraser(ids, stretches, frozenset(self.texts))


def find(folders: Sequence[RunFolder], ids: Iterable[str], words: Iterable[str], progress: Progress) -> Subject:
    """The rows in all run folders; `words`: hashes known from an earlier request."""
    asked = frozenset(ids)
    named = frozenset(pair for folder in folders for pair in _named(folder, asked))
    known = frozenset(words).union(words for _, words in named) - {""}
    held, texts = {}, dict[str, None]()
    for done, folder in enumerate(folders, 1):
        found = _held(folder, asked, known)
        if found.records or found.emptied:
            held[folder.run] = found
            texts |= dict.fromkeys(_texts(folder, found, asked))
        progress(done, len(folders))
    return Subject(asked, named, known, held, tuple(texts))


def stretches(folders: Sequence[RunFolder], subject: Subject) -> Stretches:
    """What is in their texts and in no other row of the newest run that held them."""
    found = Stretches(subject.texts)
    holding = [folder for folder in folders if folder.run in subject.held and subject.held[folder.run].records]
    if holding and found:
        ids = subject.held[holding[-1].run].ids
        for batch in _batches(holding[-1], CURATED, ["id", *TEXTS]):
            others = batch.filter(pc.invert(_in(batch["id"], ids)))
            for name in TEXTS:
                found.leave_out(_plain(name, others[name]))
    return found


def _plain(name: str, column: pa.Array) -> pa.Array:
    if name != "messages":
        return column
    contents = ["\n".join(_contents(json.loads(messages))) for messages in column.to_pylist()]
    return pa.array(contents, pa.string())


def _named(folder: RunFolder, ids: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name in TABLES:
        for batch in _batches(folder, name, ["id", "words"]):
            yield from ((row["id"], row["words"]) for row in batch.filter(_in(batch["id"], ids)).to_pylist())
    yield from ((record["id"], record["words"]) for record in _records(folder) if record["id"] in ids)


def _held(folder: RunFolder, ids: frozenset[str], words: frozenset[str]) -> Held:
    held, gone = Held(), {*map(token, ids), *map(token, words)}
    for name in TABLES:
        for batch in _batches(folder, name, COLUMNS):
            for row in batch.filter(_chosen(batch, ids, words)).to_pylist():
                held.records += 1
                held.others += row["id"] not in ids
                held.ids.add(row["id"])
                held.lines.add(f"{row['file']}:{row['line']}")
            gone |= _emptied(batch, gone)
    for record in _records(folder):
        if record["id"] in ids or record["words"] in words:
            held.records += 1
            held.others += record["id"] not in ids
            held.ids |= {record["id"]} - {""}
            held.lines.add(f"{record['file']}:{record['line']}")
        held.emptied |= record["id"] in gone
    held.places = _places(folder, {*held.ids, *ids, *gone})
    held.emptied |= sum(held.places.values()) > 0 and not held.records
    return held


def _chosen(batch: pa.RecordBatch, ids: frozenset[str], words: frozenset[str]) -> pa.Array:
    return pc.or_(_in(batch["id"], ids), _in(batch["words"], words))


def _emptied(batch: pa.RecordBatch, gone: set[str]) -> set[str]:
    """The ids of rows that an earlier request emptied: those of other ids are known by their words alone."""
    return set(batch.filter(pc.or_(_in(batch["id"], gone), _in(batch["words"], gone)))["id"].to_pylist())


def _places(folder: RunFolder, ids: set[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in _batches(folder, "partitions.parquet", ["id", "partition"]):
        found.update(batch.filter(_in(batch["id"], ids))["partition"].to_pylist())
    return found


def _texts(folder: RunFolder, held: Held, ids: frozenset[str]) -> Iterator[str]:
    """Every text of the rows; a label is not theirs alone."""
    labelled = _is_labelled(folder)
    for name in TABLES:
        for batch in _batches(folder, name, ["id", *TEXTS]):
            for row in batch.filter(_in(batch["id"], held.ids)).to_pylist():
                yield row["input"]
                yield from _contents(json.loads(row["messages"]))
                yield from () if labelled else (row["output"], row["rejected"])
    for record in _records(folder):
        if record["id"] in held.ids | ids:
            yield from (text for text in _leaves(_parsed(record["raw"])) if len(text) >= WINDOW)


def _parsed(raw: str) -> Any:  # noqa: ANN401 - any JSON value
    """A record that was turned away; one that cannot be read is known by its id alone."""
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _contents(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield from (text for name, value in message.items() if name != "role" for text in _leaves(value))


def _leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (text for item in value for text in _leaves(item))
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in _leaves(item))


def _settings(folder: RunFolder) -> dict[str, Any]:
    """The use case as it was, unchecked: an older release wrote it."""
    path = folder.file("use_case.json")
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}


def _is_labelled(folder: RunFolder) -> bool:
    return bool(_settings(folder).get("use_case", {}).get("kind") == TaskKind.CLASSIFICATION)


def _records(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Records that were turned away, with the hash of their words where they got so far as to be read."""
    turns = _settings(folder).get("contract", {}).get("mapping", {}).get("compare", "")
    for path in map(folder.file, REJECTIONS):
        if path.is_file():
            with path.open("rb") as lines:
                for record in map(json.loads, lines):
                    yield record | {"words": _words(record["raw"], turns)}


def _words(raw: str, turns: str) -> str:
    plain = _parsed(raw)
    messages = plain.get("messages") if isinstance(plain, dict) else None
    try:
        return words_hash(compared(messages, turns)) if messages else ""
    except (LookupError, TypeError):  # the line as the source had it
        return ""


def _batches(folder: RunFolder, name: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Whatever bytes are there: what was changed by somebody has to be forgotten, too."""
    if folder.file(name).is_file():
        with pq.ParquetFile(folder.file(name)) as file:
            yield from file.iter_batches(columns=columns)


def _in(column: pa.Array, values: Collection[str]) -> pa.Array:
    return pc.is_in(column, value_set=pa.array(sorted(values), column.type))
