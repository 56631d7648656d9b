"""How the curated rows differ from those of an earlier run."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_contracts.curation import DataDiff
from tasks.curate.cleaning.columns import hashes
from tasks.curate.cleaning.tied_tokens import tied_tokens

SPREAD = np.uint64(0x9E3779B97F4A7C15)  # so that words and output cannot trade places


def diff(now: Path, before: Path, run: str) -> DataDiff:
    """Two files of curated rows compared by their words; `run` names the earlier one.

    A row is new if its words did not occur before, relabelled if they did and never with its answer.
    """
    words, old_words = hashes(now, "words"), hashes(before, "words")
    known = np.isin(words, old_words)
    unchanged = np.isin(_answered(now, words), _answered(before, old_words))
    return DataDiff(
        run=run,
        new=int((~known).sum()),
        gone=int((~np.isin(old_words, words)).sum()),
        relabelled=int((known & ~unchanged).sum()),
        unchanged=int(unchanged.sum()),
        tied_tokens=tied_tokens(now, ~known, before),
    )


def _answered(path: Path, words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return words * SPREAD ^ hashes(path, "output")
