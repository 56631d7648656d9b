"""Answers given in production, as JSON lines: one record in memory at a time, a bad one counted and passed over."""

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from data_contracts.production import ProductionRecord
from tasks.storage import BLOCK, Storage

GZIP = b"\x1f\x8b"
LONGEST = 1_000_000  # bytes of a record
MOST_LABELS = 500_000  # that came later and are held until their request goes by
MOST_REASONS = 40
CLOCK_SLACK_S = 300.0  # clocks differ
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}|\d{4}")
Skipped = Counter[str]


class Source(Protocol):
    """Where records come from; it may be read again and again."""

    def records(self, skipped: Skipped) -> Iterator[ProductionRecord]:
        """Every readable record; the others are counted by reason."""

    def labels(self) -> Iterator[ProductionRecord]:
        """Those that only label an earlier request."""


@dataclass(frozen=True)
class JsonLines:
    """A file, glob, folder or s3:// prefix of ProductionRecord, one a line; gzip is known by its first bytes."""

    path: str
    storage: Storage
    longest: int = LONGEST

    def records(self, skipped: Skipped) -> Iterator[ProductionRecord]:
        """Every readable record; the others are counted by reason. Files that are not there yet are no error."""
        for line in self._lines(skipped):
            record = _record(line, skipped)
            if record is not None:
                yield record

    def labels(self) -> Iterator[ProductionRecord]:
        """Those that only label an earlier request."""
        for line in self._lines(Counter()):
            record = _record(line, Counter()) if b'"expected"' in line else None
            if record is not None and record.is_label:
                yield record

    def _lines(self, skipped: Skipped) -> Iterator[bytes]:
        files = self.storage.find(self.path)
        if not files:
            skipped[f"no file is at {self.path} yet"] += 1
        for file in files:
            with self.storage.open(file, growing=True) as opened:
                packed = opened.stream.peek(len(GZIP)).startswith(GZIP)
                try:
                    yield from self._split(gzip.GzipFile(fileobj=opened.stream) if packed else opened.stream, skipped)
                except (EOFError, gzip.BadGzipFile, zlib.error):
                    skipped["a gzip file breaks off"] += 1

    def _split(self, stream: "io.BufferedReader[Any] | gzip.GzipFile", skipped: Skipped) -> Iterator[bytes]:
        while line := stream.readline(self.longest + 1):
            if len(line) <= self.longest or line.endswith(b"\n"):
                if line.strip():
                    yield line
                continue
            skipped[f"longer than {self.longest:,} bytes"] += 1
            while line and not line.endswith(b"\n"):
                line = stream.readline(BLOCK)


@dataclass(frozen=True)
class Window:
    """Whose answers count, and of when: from `since` until `until`, seconds since 1970."""

    version: int
    models: frozenset[str]
    since: float
    until: float

    def passes_over(self, record: ProductionRecord) -> str:
        """Why a record does not count; empty: it does."""
        if not self._is_ours(record):
            return "answered by another version or model"
        if record.moment < self.since:
            return "asked before the promotion"
        return "asked after the window" if record.moment > self.until + CLOCK_SLACK_S else ""

    def _is_ours(self, record: ProductionRecord) -> bool:
        if record.version is not None:
            return record.version == self.version
        return record.model is None or any(_is_called(record.model, name) for name in self.models)


def read(sources: Sequence[Source], skipped: Skipped) -> Iterator[ProductionRecord]:
    """Every request of all sources, with the label that came for it later, if any; the newest label of one counts."""
    later: dict[str, str] = {}
    for source in sources:
        for label in source.labels():
            if len(later) < MOST_LABELS or label.id in later:
                later[label.id or ""] = label.expected or ""
            else:
                skipped["too many labels at once"] += 1
    for source in sources:
        for record in source.records(skipped):
            if not record.is_label:
                said = later.get(record.id or "")
                yield record if said is None else record.model_copy(update={"expected": said})


def counted(skipped: Skipped) -> dict[str, int]:
    """Reasons and how often, the most frequent first; what is left of many stands together."""
    told = skipped.most_common(MOST_REASONS)
    rest = skipped.total() - sum(times for _, times in told)
    return {**dict(told), **({"other reasons": rest} if rest else {})}


def _is_called(model: str, name: str) -> bool:
    """Whether it is that model; a log may hold the dated name that an undated one leads to."""
    return model == name or (model.startswith(f"{name}-") and bool(_DAY.fullmatch(model[len(name) + 1 :])))


def _record(line: bytes, skipped: Skipped) -> ProductionRecord | None:
    try:
        return ProductionRecord.model_validate_json(line)
    except ValidationError as problems:
        skipped[_reason(problems)] += 1
        return None


def _reason(problems: ValidationError) -> str:
    """What is wrong, by the names of the shape: nothing of what the record holds."""
    first = problems.errors(include_input=False, include_url=False, include_context=False)[0]
    kind, field = str(first["type"]), str(first["loc"][0]) if first["loc"] else ""
    if kind == "json_invalid" or (not field and kind == "model_type"):
        return "not one JSON object a line"
    if kind == "extra_forbidden":
        return f"unknown field {field}" if _NAME.fullmatch(field) else "unknown field"
    if kind == "value_error":
        return str(first["msg"]).removeprefix("Value error, ")
    return f"{field}: {kind.replace('_', ' ')}"
