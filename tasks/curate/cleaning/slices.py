"""The slice columns of examples: one JSON object a row, few distinct ones in a file."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from data_contracts.text import canonical_json
from tasks.curate.cleaning.columns import Rows, batches, tally

NONE = "(none)"


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A slice value as reports and rules write it."""
    if value is None:
        return NONE
    return value if isinstance(value, str) else canonical_json(value)


def coverage(path: Path, names: Sequence[str], rows: Rows) -> dict[str, Counter[str]]:
    """Slice -> value -> the chosen rows that have it."""
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for text, times in tally(path, "slices", rows).items() if names else ():
        values = json.loads(text)
        for name in names:
            found[name][as_text(values.get(name))] += times
    return found


def filled(path: Path) -> npt.NDArray[np.int64]:
    """How many slice columns of each row hold a value."""
    return _per_row(path, lambda values: sum(value is not None for value in values.values()))


def holds(path: Path, name: str, wanted: Sequence[str]) -> Rows:
    """Rows whose slice of this name has one of the values."""
    return _per_row(path, lambda values: as_text(values.get(name)) in wanted).astype(bool)


def _per_row(path: Path, measure: Callable[[dict[str, Any]], int]) -> npt.NDArray[np.int64]:
    """The measure of each row's slices, taken once for each distinct text."""
    known: dict[str, int] = {}
    found = [np.empty(0, np.int64)]
    for batch in batches(path, ["slices"]):
        encoded = pc.dictionary_encode(batch["slices"])
        distinct = encoded.dictionary.to_pylist()
        known.update((text, measure(json.loads(text))) for text in distinct if text not in known)
        found.append(np.array([known[text] for text in distinct], np.int64)[encoded.indices.to_numpy()])
    return np.concatenate(found)
