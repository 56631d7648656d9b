"""What ties an evaluation row to a row that was or will be trained on: one frame of links for every kind of leak.

Links have the columns `evaluation` and `train` (positions among all curated rows; of another source, the number of the
text there), `severity` (place in KINDS), `score` (0..1), `evidence` (nats) and `source`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data_contracts.data_policy import Leakage
from data_contracts.records import LeakKind
from tasks.partition.leaks.text_column import texts_at
from tasks.partition.placing.kinship import shared_groups
from tasks.similarity.phrases import RowCounts
from tasks.similarity.sketch import sketch_matches, sketches
from tasks.similarity.texts import Texts

KINDS: tuple[LeakKind, ...] = get_args(LeakKind)  # most severe first
SAME_FORM, PASSAGES, SAME_MEANING = map(KINDS.index, ("same but for numbers", "shared passages", "same meaning"))
TYPES = {"evaluation": np.int64, "train": np.int64, "severity": np.int64, "score": np.float64, "evidence": np.float64}


@dataclass(frozen=True)
class Uploaded:
    """Texts that earlier trials sent for training, remembered without the texts."""

    words: Sequence[str]  # hashes, as the rows' own; they name a text in a report
    sketches: npt.NDArray[np.uint32]  # n x 32, as sketch.sketches


def by_keys(judged: pd.DataFrame, trained: pd.DataFrame, inputs: pa.ChunkedArray, policy: Leakage) -> pd.DataFrame:
    """Same text, same words, same group: each judged row with the first train row that has the same.

    The frames have KEY_COLUMNS and are indexed by position.
    """
    both, judges = pd.concat([judged[["id", "group", "words"]], trained[["id", "group", "words"]]]), len(judged)
    words = _numbered(both["words"])
    keys: dict[LeakKind, pd.Series] = {"same text": _texts(words, judges, inputs), "same words": words}
    if policy.group:
        keys["same group"] = _numbered(shared_groups(both))
    return joined([_sharing(key.iloc[:judges], key.iloc[judges:], kind) for kind, key in keys.items()])


def newer(judged: pd.DataFrame, trained: pd.DataFrame) -> pd.DataFrame:
    """Test rows that are older than the newest train row, with that one."""
    test, train = _moments(judged[judged["partition"] == "test"]), _moments(trained)
    if not train.notna().any():
        return no_links()
    older = test.index[test < train.max()]
    return links(older, np.full(len(older), train.idxmax()), "newer than test")


def older(judged: pd.DataFrame, trained: pd.DataFrame) -> pd.DataFrame:
    """The same turned round: train rows that are newer than the oldest of these test rows, with that one."""
    test, train = _moments(judged[judged["partition"] == "test"]), _moments(trained)
    if not test.notna().any():
        return no_links()
    newer = train.index[train > test.min()]
    return links(newer, np.full(len(newer), test.idxmin()), "newer than test")


def alike(pairs: pd.DataFrame, judged: pd.DataFrame, trained: pd.DataFrame) -> pd.DataFrame:
    """The similarity search's pairs, by position among all rows."""
    found = links(judged.index[pairs["judged"]], trained.index[pairs["trained"]], "near")
    severity = pairs["kind"].map(KINDS.index).to_numpy()
    return found.assign(severity=severity, score=pairs["score"].to_numpy(), evidence=pairs["evidence"].to_numpy())


def joined(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All links in one frame."""
    return pd.concat(found, ignore_index=True).astype(TYPES)


def to_uploaded(
    judged: pd.DataFrame, texts: Texts, counts: RowCounts, uploaded: Uploaded, policy: Leakage
) -> pd.DataFrame:
    """Texts that earlier trials trained on: the same words, or a near copy by the sketch that is kept of each."""
    near = sketch_matches(sketches(texts, counts, policy), uploaded.sketches, policy)
    words = _numbered(pd.concat([judged["words"], pd.Series(uploaded.words, dtype="str")]))
    found = [
        _sharing(words.iloc[: len(judged)], words.iloc[len(judged) :], "same words"),
        links(judged.index[near["today"]], near["uploaded"], "near", near["score"].to_numpy()),
    ]
    return joined(found).assign(source="uploaded")


def links(evaluation: npt.ArrayLike, train: npt.ArrayLike, kind: LeakKind, score: npt.ArrayLike = 1.0) -> pd.DataFrame:
    """A frame of links of one kind to train rows."""
    ends = pd.DataFrame({"evaluation": np.asarray(evaluation), "train": np.asarray(train)})
    return ends.assign(severity=KINDS.index(kind), score=score, evidence=0.0, source="train").astype(TYPES)


def no_links() -> pd.DataFrame:
    """None at all."""
    return links([], [], "near")


def _moments(rows: pd.DataFrame) -> pd.Series:
    """When each row was created, UTC; NaT where it does not say."""
    created = rows["created_at"]
    return pd.to_datetime(created.where(created != ""), format="ISO8601", utc=True)


def _numbered(keys: pd.Series) -> pd.Series:
    """A number for each key, the same for the same; -1 where there is none."""
    return pd.Series(pd.factorize(keys)[0], keys.index)


def _texts(words: pd.Series, judges: int, inputs: pa.ChunkedArray) -> pd.Series:
    """A number for each text, the same for the same bytes; -1 for rows whose words stand on one side only."""
    judged, trained = words.to_numpy()[:judges], words.to_numpy()[judges:]
    rows = np.flatnonzero(np.isin(words, np.intersect1d(judged, trained)))
    numbers = np.full(len(words), -1)
    numbers[rows] = texts_at(inputs, words.index[rows]).dictionary_encode().indices.to_numpy()
    return pd.Series(numbers, words.index)


def _sharing(judged: pd.Series, trained: pd.Series, kind: LeakKind) -> pd.DataFrame:
    """Each judged row with the first of train that has its key; -1 is none."""
    first = trained.drop_duplicates()
    found = judged[judged >= 0].map(pd.Series(first.index, first.to_numpy())).dropna()
    return links(found.index, found.to_numpy(), kind)
