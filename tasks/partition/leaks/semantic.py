"""Copies in other words: an embedding model compares each evaluation row with its likeliest train rows only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

BLOCK = 1_500  # pairs whose vectors are held at once: 3,000 texts of 1,536 numbers are 18 MB

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
Progress = Callable[[str, int, int], None]


@dataclass
class Judge:
    """Cosine of the texts of two rows. Each pair is asked for once, however often it is looked at."""

    inputs: pa.ChunkedArray  # of all curated rows
    embed: Embed  # texts -> unit vectors
    progress: Progress
    known: pd.Series = field(default_factory=lambda: pd.Series(dtype=np.float64, index=pd.Index([], dtype=np.int64)))

    def scores(self, pairs: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Cosine of each pair of `evaluation` and `train` (row positions)."""
        keys = pairs["evaluation"].to_numpy() * len(self.inputs) + pairs["train"].to_numpy()
        new = pairs[~np.isin(keys, self.known.index)]
        for start in range(0, len(new), BLOCK):
            block = new.iloc[start : start + BLOCK]
            self.known = pd.concat([self.known, self._asked(block)])
            self.progress("pairs judged by meaning", start + len(block), len(new))
        found: npt.NDArray[np.float64] = self.known.reindex(keys).to_numpy()
        return found

    def _asked(self, pairs: pd.DataFrame) -> pd.Series:
        positions = np.unique(pairs[["evaluation", "train"]].to_numpy())
        vectors = self.embed(self.inputs.take(pa.array(positions)).to_pylist())
        left, right = (np.searchsorted(positions, pairs[side]) for side in ("evaluation", "train"))
        cosines = np.einsum("ij,ij->i", vectors[left], vectors[right]).astype(np.float64)
        return pd.Series(cosines, pairs["evaluation"].to_numpy() * len(self.inputs) + pairs["train"].to_numpy())
