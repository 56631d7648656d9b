"""What is remembered of a text, without the text: its smallest rare trigrams, by which its likes are known again."""

import numpy as np
import pandas as pd

from data_contracts.data_policy import Leakage
from tasks.similarity import workers
from tasks.similarity.arrays import UInt32s, UInt64s
from tasks.similarity.pairs import MIN_SHARED
from tasks.similarity.phrases import RowCounts
from tasks.similarity.search import LISTED
from tasks.similarity.texts import Texts

SIZE = 32  # the standard error of the estimated Jaccard is 0.09 at 0.45
EMPTY = np.uint32(0xFFFFFFFF)  # fills the line of a text with fewer trigrams
TODAY_AT_ONCE = 50_000
HALF, LOWER = np.uint64(32), np.uint64(2**32 - 1)


def sketches(texts: Texts, counts: RowCounts, policy: Leakage) -> UInt32s:
    """A line a text: the 32 smallest hashes of its rare trigrams, in order. rows x 32."""
    from tasks.similarity.sketch_loops import sketch_rows

    found, cut = np.full((len(texts), SIZE), EMPTY), counts.cut(policy)
    workers.each(lambda span: sketch_rows(texts.rows.part(span), cut, found[span]), workers.pieces(len(texts)))
    found.sort(axis=1)
    return found


def sketch_matches(today: UInt32s, uploaded: UInt32s, policy: Leakage) -> pd.DataFrame:
    """The likest uploaded text of each of today's that has one: today, uploaded (positions), score.

    The score is the estimated Jaccard of rare trigrams, `policy.near` or more.
    """
    theirs = _by_hash(uploaded)
    spans = [slice(first, first + TODAY_AT_ONCE) for first in range(0, len(today), TODAY_AT_ONCE)]
    parts = [_likest(today[span], uploaded, theirs, policy).assign(first=span.start) for span in spans]
    found = pd.concat([_likest(today[:0], uploaded, theirs, policy).assign(first=0), *parts], ignore_index=True)
    found["today"] += found.pop("first")
    return found


def _likest(today: UInt32s, uploaded: UInt32s, theirs: UInt64s, policy: Leakage) -> pd.DataFrame:
    from tasks.similarity.sketch_loops import meet, resemblance

    ours = _by_hash(today)
    met = np.empty(len(ours) * LISTED, np.uint64)
    met = np.sort(met[: meet(ours, theirs, LISTED, met)])
    pairs, shared = np.unique(met, return_counts=True)
    pairs = pairs[shared >= MIN_SHARED]
    rows = {"today": (pairs >> HALF).astype(np.int64), "uploaded": (pairs & LOWER).astype(np.int64)}
    score = np.empty(len(pairs), np.float64)
    resemblance(today, uploaded, (rows["today"], rows["uploaded"]), score)
    frame = pd.DataFrame({**rows, "score": score})[score >= policy.near]
    frame = frame.sort_values(["today", "score", "uploaded"], ascending=[True, False, True])
    return frame.drop_duplicates("today").reset_index(drop=True)


def _by_hash(lines: UInt32s) -> UInt64s:
    """Each hash with the row that has it, in order."""
    row = np.repeat(np.arange(len(lines), dtype=np.uint64), SIZE)
    entries = (lines.reshape(-1).astype(np.uint64) << HALF) | row
    return np.sort(entries[lines.reshape(-1) != EMPTY])
