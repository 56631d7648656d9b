"""A copier from the handful of examples in a prompt: naive Bayes on what stands where their values stand."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tasks.providers.local.learning.copier import NOWHERE, Copier, CopyHead, copy_head
from tasks.providers.local.learning.features import Capacity, Floats, Vectoriser
from tasks.providers.local.learning.fields import Field
from tasks.providers.local.learning.positions import position_bags
from tasks.providers.local.learning.reader import Example
from tasks.providers.local.learning.syllabus import LEAST_COPIED, field_examples, name_of

Rows = NDArray[np.intp]
_SURE = 6.0  # how far below the values of the examples "no value" lies where every example has one
_MIDWAY = 0.35  # else it lies so far up from the best token of the examples that have none


@lru_cache(maxsize=128)
def shown_copier(examples: tuple[Example, ...], fields: tuple[Field, ...], capacity: Capacity) -> Copier | None:
    """A copier for the fields whose values the examples' answers copy; None where there are none."""
    cases = {name_of(field): field_examples(field, examples) for field in fields}
    heads = [head for name, pairs in cases.items() if (head := copy_head(name, pairs, LEAST_COPIED))]
    if not heads:
        return None
    texts = [text for text, _ in cases[heads[0].name]]
    values = [{head.name: cases[head.name][at][1] for head in heads} for at in range(len(texts))]
    return taught(list(zip(texts, values, strict=True)), heads, capacity)


def taught(
    examples: Sequence[tuple[str, Mapping[str, object]]], heads: Sequence[CopyHead], capacity: Capacity
) -> Copier:
    """Weights are the log-odds of each feature at the first and last tokens of values, against all tokens."""
    bags = [position_bags(text, capacity) for text, _ in examples]
    rows = [row for one in bags for row in one]
    copier = Copier(Vectoriser.fit(rows, minimum=1, by_rarity=False), heads, capacity)
    inputs, ends = copier.vectoriser.matrix(rows), np.cumsum([0, *map(len, bags)])
    present = sp.csr_matrix((np.ones_like(inputs.data), inputs.indices, inputs.indptr), shape=inputs.shape)
    everywhere = _log_shares(present, np.delete(np.arange(len(rows)), ends[:-1]))
    for at, head in enumerate(heads):
        places = [head.places(values[head.name], text) if head.name in values else None for text, values in examples]
        openings = [int(start) for start, spans in zip(ends, places, strict=False) if spans == NOWHERE]
        firsts = [start + 1 + span.first for start, spans in zip(ends, places, strict=False) for span in spans or ()]
        lasts = [start + 1 + span.last for start, spans in zip(ends, places, strict=False) for span in spans or ()]
        for column, hits in ((at, firsts), (len(heads) + at, lasts)):
            copier.weights[:, column] = _log_odds(present, np.array(hits, np.intp), everywhere)
            scores = np.asarray(inputs @ copier.weights[:, column])
            missed = [float(scores[start + 1 : _end(ends, start)].max(initial=0.0)) for start in openings]
            copier.bias[column] = _threshold(scores[hits], missed)
    return copier


def _log_odds(present: sp.csr_matrix, hits: Rows, everywhere: Floats) -> Floats:
    odds = _log_shares(present, hits) - everywhere
    never = np.asarray(present[hits].sum(axis=0))[0] == 0
    return np.where(never, np.minimum(odds, 0), odds).astype(np.float32)


def _log_shares(present: sp.csr_matrix, rows: Rows) -> Floats:
    """ln of the share of rows that have each feature, smoothed."""
    counts = np.asarray(present[rows].sum(axis=0))[0]
    shares: Floats = np.log((counts + 0.5) / (len(rows) + 1.0)).astype(np.float32)
    return shares


def _threshold(right: Floats, missed: Sequence[float]) -> float:
    """The logit of "no value": between what values score and what else scores best where there is none."""
    if not len(right):
        return 0.0
    typical = float(right.mean())
    return _MIDWAY * typical + (1 - _MIDWAY) * float(np.mean(missed)) if missed else typical - _SURE


def _end(ends: Rows, start: int) -> int:
    return int(ends[np.searchsorted(ends, start) + 1])
