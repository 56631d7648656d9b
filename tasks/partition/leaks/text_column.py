"""Texts of some rows, out of a column that may be larger than one Arrow string array can be."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def texts_at(column: pa.ChunkedArray, positions: npt.ArrayLike) -> pa.Array:
    """The texts of the rows in that order. Chunk by chunk: Arrow's own `take` would copy the whole column first."""
    if not column.num_chunks:
        return pa.array([], pa.large_string())
    wanted = np.asarray(positions, dtype=np.int64)
    order = np.argsort(wanted, kind="stable")
    ends = np.cumsum([len(chunk) for chunk in column.chunks])
    parts = np.split(wanted[order], np.searchsorted(wanted[order], ends)[:-1])
    pieces = [
        chunk.take(pa.array(part - end + len(chunk))).cast(pa.large_string())
        for chunk, part, end in zip(column.chunks, parts, ends, strict=True)
    ]
    return pa.concat_arrays(pieces).take(pa.array(np.argsort(order, kind="stable")))
