"""Columns of a Parquet file of examples, a batch at a time: never the text of two columns in memory at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Rows = npt.NDArray[np.bool_]  # which rows of the file
Positions = npt.NDArray[np.int64]  # numbers of rows in the file, from 0

BATCH = 16_384


def batches(path: Path, columns: Sequence[str], rows: Rows | None = None) -> Iterator[pa.RecordBatch]:
    """These columns of the chosen rows, in the file's order; None: of all."""
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=list(columns)):
            chosen = None if rows is None else rows[start : start + len(batch)]
            start += len(batch)
            if chosen is None:
                yield batch
            elif chosen.any():
                yield batch.filter(pa.array(chosen))


def every(path: Path) -> Rows:
    """All rows of the file."""
    return np.ones(pq.read_metadata(path).num_rows, np.bool_)


def draw(rows: Rows, most: int, seed: int) -> Rows:
    """The rows, or of more so many drawn by chance."""
    places = np.flatnonzero(rows)
    if len(places) <= most:
        return rows
    drawn = np.zeros(len(rows), np.bool_)
    drawn[np.random.default_rng(seed).choice(places, most, replace=False)] = True
    return drawn


def texts(path: Path, column: str, rows: Rows | None = None) -> pa.ChunkedArray:
    """One column of the chosen rows as Arrow."""
    return pa.chunked_array([batch[column] for batch in batches(path, [column], rows)], pa.string())


def hashes(path: Path, column: str) -> npt.NDArray[np.uint64]:
    """64 bits a row: the same for the same text. Of a million texts two differ and agree with chance 3e-8."""
    found = [
        pd.util.hash_array(batch[column].to_numpy(zero_copy_only=False).astype(object), categorize=False)
        for batch in batches(path, [column])
    ]
    return np.concatenate([np.empty(0, np.uint64), *found])


def tally(path: Path, column: str, rows: Rows | None = None) -> Counter[str]:
    """Distinct text -> the chosen rows that hold it."""
    found: Counter[str] = Counter()
    for batch in batches(path, [column], rows):
        counted = pc.value_counts(batch[column])
        found.update(dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)))
    return found


def is_in(path: Path, column: str, values: Sequence[str]) -> Rows:
    """Rows whose text is one of the values."""
    wanted = pa.array(values, pa.string())
    found = [
        pc.is_in(batch[column], value_set=wanted).to_numpy(zero_copy_only=False) for batch in batches(path, [column])
    ]
    return np.concatenate([np.empty(0, np.bool_), *found])
