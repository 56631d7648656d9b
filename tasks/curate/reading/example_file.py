"""Examples as a Parquet file, written as they come: at most one batch of them is in memory."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.records import EXAMPLE_COLUMNS
from tasks.home import writable

BATCH_ROWS = 4096
BATCH_CHARACTERS = 16 * 2**20
SCHEMA = pa.schema(
    [(name, pa.int64() if name in ("line", "offset", "length") else pa.string()) for name in EXAMPLE_COLUMNS]
)


class ExampleFile:
    """A Parquet file with EXAMPLE_COLUMNS; `flushed` is called after each batch of rows. Used as a context."""

    def __init__(self, path: Path, flushed: Callable[[], None]) -> None:
        self.rows = 0
        self._path, self._flushed = path, flushed
        self._batch: list[dict[str, Any]] = []
        self._characters = 0
        with writable(path):
            self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")

    def add(self, example: dict[str, Any]) -> None:
        """Keep one example."""
        self.rows += 1
        self._batch.append(example)
        self._characters += len(example["messages"]) + len(example["input"]) + len(example["output"])
        if len(self._batch) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        columns = [pa.array([row[field.name] for row in self._batch], field.type) for field in SCHEMA]
        with writable(self._path):
            self._writer.write_batch(pa.record_batch(columns, SCHEMA))
        self._batch, self._characters = [], 0
        self._flushed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writable(self._path):
            if self._batch and error is None:
                self._flush()
            self._writer.close()
