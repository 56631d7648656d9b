"""What is kept of texts that were uploaded for training: enough to know them and their near copies, and no text."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Sketches = npt.NDArray[np.uint32]  # n x SKETCH, as tasks/similarity/sketch.py makes them
SKETCH = 32


def pack(words: Sequence[str], sketches: Sketches) -> bytes:
    """A Parquet file of the words' hashes (hexadecimal) and the sketches, a row each; the same bytes for the same."""
    hashes = pa.array([bytes.fromhex(word) for word in words], pa.binary())
    plain = pa.array(np.ascontiguousarray(sketches, np.uint32).reshape(-1))
    table = pa.table({"words": hashes, "sketch": pa.FixedSizeListArray.from_arrays(plain, SKETCH)})
    target = io.BytesIO()
    pq.write_table(table, target, compression="zstd", use_dictionary=False)
    return target.getvalue()


def unpack(blobs: Iterable[bytes]) -> tuple[list[str], Sketches]:
    """Words' hashes and sketches of all blobs, each words' hash once, with the sketch that was kept first."""
    tables = [pq.read_table(io.BytesIO(blob)) for blob in blobs]
    words = [word.hex() for table in tables for word in table["words"].to_pylist()]
    parts = [table["sketch"].combine_chunks().flatten().to_numpy().reshape(-1, SKETCH) for table in tables]
    first = {word: number for number, word in reversed(list(enumerate(words)))}
    kept = sorted(first.values())
    sketches = np.concatenate([np.empty((0, SKETCH), np.uint32), *parts])
    return [words[number] for number in kept], sketches[kept]


def unseen(words: Sequence[str], blobs: Iterable[bytes]) -> npt.NDArray[np.bool_]:
    """Which of the words' hashes stand in no blob: what an upload adds to those before it."""
    columns = (pq.read_table(io.BytesIO(blob), columns=["words"])["words"] for blob in blobs)
    known = {word for column in columns for word in column.to_pylist()}
    return np.fromiter((bytes.fromhex(word) not in known for word in words), np.bool_, len(words))
