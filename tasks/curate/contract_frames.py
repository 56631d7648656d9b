"""What expectations see of the curated rows: the columns that they name, a few at a time."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.contract import Expectation

LENGTHS = {"input_chars": "input", "output_chars": "output"}
Place = tuple[int, Expectation]  # an expectation and its position in the contract


class ContractFrames:
    """The columns of curated.parquet, each declared slice as a column, and the lengths of input and output."""

    def __init__(self, curated: Path, slices: Sequence[str]) -> None:
        self._path, self._slices = curated, list(slices)
        self._stored = pq.read_schema(curated).names
        self.columns = [*self._stored, *LENGTHS, *self._slices]

    def groups(self, expectations: Sequence[Expectation]) -> Iterator[tuple[pd.DataFrame, list[Place]]]:
        """Expectations that name the same columns, with the frame of these: texts are in memory one set at a time."""
        groups: dict[tuple[str, ...], list[Place]] = {}
        for at, expectation in enumerate(expectations):
            groups.setdefault(self._named(expectation), []).append((at, expectation))
        for names, places in groups.items():
            yield self._frame(names), places

    def _named(self, expectation: Expectation) -> tuple[str, ...]:
        """The columns that an expectation names, in `column...` or in a condition on rows."""
        said = [value for key, value in expectation.kwargs.items() if key.startswith(("column", "row_condition"))]
        words = set(re.findall(r"[\w-]+", json.dumps(said, default=str))) | set(_texts(said))
        return tuple(name for name in self.columns if name in words)

    def _frame(self, names: Sequence[str]) -> pd.DataFrame:
        """These columns; without names every column, as a name with nothing in it. The index is a row's position."""
        if names:
            return pd.DataFrame({name: self._column(name) for name in names})
        rows = pq.read_metadata(self._path).num_rows
        nothing = pd.Categorical.from_codes(np.zeros(rows, dtype=np.int8), categories=[""])
        return pd.DataFrame(dict.fromkeys(self.columns, nothing))

    def ids(self, positions: Sequence[int]) -> list[str]:
        """The ids of rows."""
        return [str(text) for text in self._arrow("id").take(pa.array(positions, pa.int64())).to_pylist()]

    def _column(self, name: str) -> pd.Series | npt.NDArray[Any]:
        if name in self._slices:
            return self._slice(name)
        if name in LENGTHS:
            return pc.utf8_length(self._arrow(LENGTHS[name])).to_numpy()
        return self._arrow(name).to_pandas()

    def _slice(self, name: str) -> npt.NDArray[Any]:
        """A slice's values; few texts hold them, and each is parsed once."""
        encoded = pa.concat_arrays(self._arrow("slices").chunks).dictionary_encode()
        values = [json.loads(text)[name] for text in encoded.dictionary.to_pylist()]
        column: npt.NDArray[Any] = np.array(values, dtype=object)[encoded.indices.to_numpy()]
        return column

    def _arrow(self, name: str) -> pa.ChunkedArray:
        return pq.read_table(self._path, columns=[name]).column(name)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - what YAML can say
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
