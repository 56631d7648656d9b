"""A copier from the handful of examples in a prompt: naive Bayes on what stands where their values stand."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tasks.providers.local.learning.copier import NOWHERE, Copier, CopyHead, Places, copy_head
from tasks.providers.local.learning.features import Capacity, Floats, Vectoriser
from tasks.providers.local.learning.fields import ABSENT, Field
from tasks.providers.local.learning.positions import position_bags
from tasks.providers.local.learning.reader import Example
from tasks.providers.local.learning.syllabus import LEAST_COPIED, copied_examples, name_of

Rows = NDArray[np.intp]
_SURE = 6.0  # how far below the values of the examples "no value" lies where every example has one
_MIDWAY = 0.35  # else it lies so far up from the best token of the examples that have none


@lru_cache(maxsize=128)
def shown_copier(examples: tuple[Example, ...], fields: tuple[Field, ...], capacity: Capacity) -> Copier | None:
    """A copier for the fields whose values the examples' answers copy; None where there are none."""
    cases = {name_of(field): copied_examples(field, examples) for field in fields}
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
    places = [[head.places(values.get(head.name, ABSENT), text) for head in heads] for text, values in examples]
    hits = _hits(places, ends)
    copier.weights = _log_odds(inputs, hits, ends)
    copier.bias = _thresholds(np.asarray(inputs @ copier.weights), hits, places, ends)
    return copier


def _hits(places: Sequence[Sequence[Places]], ends: Rows) -> Floats:
    """(rows, 2 * fields): 1 where a field's value has its first, or its last, token."""
    width = len(places[0])
    hits = np.zeros((ends[-1], 2 * width), np.float32)
    for start, fields in zip(ends.tolist(), places, strict=False):
        for at, spans in enumerate(fields):
            hits[[start + 1 + span.first for span in spans or ()], at] = 1
            hits[[start + 1 + span.last for span in spans or ()], width + at] = 1
    return hits


def _log_odds(inputs: sp.csr_matrix, hits: Floats, ends: Rows) -> Floats:
    """ln of the share of hits that have a feature, less ln of the share of all tokens; smoothed."""
    tokens = np.ones((len(hits), 1), np.float32)
    tokens[ends[:-1]] = 0
    marked = np.hstack([tokens, hits])
    present = sp.csr_matrix((np.ones_like(inputs.data), inputs.indices, inputs.indptr), shape=inputs.shape)
    counts = np.asarray(present.T @ marked)
    shares = np.log((counts + 0.5) / (marked.sum(axis=0) + 1.0))
    odds = shares[:, 1:] - shares[:, :1]
    weights: Floats = np.where(counts[:, 1:] == 0, np.minimum(odds, 0), odds).astype(np.float32)
    return weights


def _thresholds(scores: Floats, hits: Floats, places: Sequence[Sequence[Places]], ends: Rows) -> Floats:
    """Logits of "no value": between what values score and what else scores best where there is none."""
    typical = (scores * hits).sum(axis=0) / np.maximum(hits.sum(axis=0), 1)
    best = np.array([scores[start + 1 : end].max(axis=0, initial=0.0) for start, end in pairwise(ends.tolist())])
    without = np.array([[spans == NOWHERE for spans in fields] * 2 for fields in places])
    missed = np.where(without, best, 0).sum(axis=0) / np.maximum(without.sum(axis=0), 1)
    between = _MIDWAY * typical + (1 - _MIDWAY) * missed
    bias: Floats = np.where(without.any(axis=0), between, typical - _SURE).astype(np.float32)
    return bias
