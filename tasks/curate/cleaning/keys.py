"""What makes rows the same, in numbers: one narrow frame for a million rows."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from tasks.curate.cleaning.columns import Positions, batches, hashes, is_in, texts
from tasks.curate.cleaning.slices import filled


def keys(path: Path) -> pd.DataFrame:
    """One row a row of the file, in its order, integers only.

    id, content: the same number for the same text. question, output: rows with the same of both are copies.
    partition: as given. special: the question is more than words. created: order in time, 0 where undated.
    rank: 0 for the row that is to stay before all others.
    """
    context = _context(path)
    created = _created(path)
    partition = _numbered(hashes(path, "given_partition"))
    asked = pd.DataFrame({"words": hashes(path, "words"), "context": context, "partition": partition})
    return pd.DataFrame(
        {
            "id": _numbered(hashes(path, "id")),
            "content": _numbered(hashes(path, "content")),
            "question": asked.groupby(list(asked), sort=False).ngroup(),
            "output": _numbered(hashes(path, "output")),
            "partition": partition,
            "special": context != 0,
            "created": created,
            "rank": _rank(filled(path), created),
        }
    )


def _rank(filled_slices: Positions, created: Positions) -> Positions:
    """The better row has more slices filled in; then a date; then the earlier one, so that it cannot move from
    before a time split to after it; then it stands first by file and line."""
    rank = np.empty(len(created), np.int64)
    rank[np.lexsort((created, created == 0, -filled_slices))] = np.arange(len(created))
    return rank


def _created(path: Path) -> Positions:
    """Moments in UTC, written alike, sort as texts do; "" comes first."""
    moments = texts(path, "created_at")
    undated = pc.any(pc.equal(moments, "")).as_py()
    rank: Positions = pc.rank(moments, tiebreaker="dense").to_numpy().astype(np.int64) - bool(undated)
    return rank


def _context(path: Path) -> npt.NDArray[np.uint64]:
    """What else belongs to a question whose words do not say it all; 0 for the others.

    The call of a tool depends on every turn and tool; of two answers, one preferred, both belong to the question, so
    that a pair turned round is a conflict and another pair is none.
    """
    plain = is_in(path, "tools", [""]) & is_in(path, "rejected", [""])
    context = np.zeros(len(plain), np.uint64)
    special = np.flatnonzero(~plain)
    read = batches(path, ["messages", "output", "rejected", "tools"], ~plain) if len(special) else ()
    rows = (row for batch in read for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    for at, row in zip(special, rows, strict=True):
        context[at] = _more_than_words(*row)
    return context


def _more_than_words(messages: str, output: str, rejected: str, tools: str) -> int:
    parts = [*([messages, tools] if tools else []), *(sorted([output, rejected]) if rejected else [])]
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") | 1


def _numbered(values: npt.NDArray[np.uint64]) -> Positions:
    numbers: Positions = pd.factorize(values)[0].astype(np.int64)
    return numbers
