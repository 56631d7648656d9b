"""Where a value stands in a text: for each field, a softmax over the first and one over the last token, or none at all.

A row of logits is one token; the first row of a text stands for "no value here". Columns are the first tokens of all
fields, then their last tokens.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tasks.providers.local.learning.features import Capacity, Floats, Vectoriser
from tasks.providers.local.learning.positions import position_bags
from tasks.providers.local.learning.renderings import copies, render
from tasks.providers.local.learning.softmax import softmax
from tasks.providers.local.learning.spans import Span, cut

NOWHERE: tuple[Span, ...] = ()
_NO_SPANS = np.zeros(0, np.intp)
Indices = NDArray[np.intp]
Places = tuple[Span, ...] | None  # where a value stands; NOWHERE: there is none; None: nothing is known
_MOST = 5
_LIST_SHARE = 0.4  # of the best first token's probability, from which another one opens a further item of a list


@dataclass(frozen=True)
class CopyHead:
    """A copied field: what becomes of the text, how many tokens it may have, whether it is a list of values."""

    name: str
    rendering: str = "verbatim"
    longest: int = 1
    many: bool = False

    def places(self, value: object, text: str) -> Places:
        """Where this value stands, under this head's rendering."""
        if value is None or value == []:
            return NOWHERE
        items = value if self.many and isinstance(value, list) else [value]
        found = [[span for rendering, span in copies(item, text) if rendering == self.rendering] for item in items]
        return tuple(span for spans in found for span in spans) if all(found) else None


def copy_head(name: str, examples: Sequence[tuple[str, object]], least: float) -> CopyHead | None:
    """The head for a field's (text, value) pairs; None where less than a share `least` of the values is copied."""
    said = [(text, value) for text, value in examples if value is not None and value != []]
    many = bool(said) and all(isinstance(value, list) for _, value in said)
    items = [(text, item) for text, value in said for item in (value if many and isinstance(value, list) else [value])]
    found = [dict(reversed(list(copies(item, text)))) for text, item in items]
    if not said or sum(map(bool, found)) < least * len(items):
        return None
    rendering = Counter(name for spans in found for name in spans).most_common(1)[0][0]
    lengths = [spans[rendering].last - spans[rendering].first + 1 for spans in found if rendering in spans]
    return CopyHead(name, rendering, max(lengths) + (max(lengths) > 1), many)


class Copier:
    """Weights (features, 2 * fields); `bias` is added to the row that stands for no value."""

    def __init__(self, vectoriser: Vectoriser, heads: Sequence[CopyHead], capacity: Capacity) -> None:
        self.vectoriser, self.heads, self.capacity = vectoriser, list(heads), capacity
        self.weights: Floats = np.zeros((len(vectoriser.features), 2 * len(heads)), np.float32)
        self.bias: Floats = np.zeros(2 * len(heads), np.float32)

    def inputs(self, text: str) -> sp.csr_matrix:
        """(1 + tokens, features)."""
        return self.vectoriser.matrix(position_bags(text, self.capacity))

    def logits(self, inputs: sp.csr_matrix, openings: Sequence[int] = (0,)) -> Floats:
        """(rows, 2 * fields); `openings` are the rows at which a text begins."""
        logits = np.asarray(inputs @ self.weights, np.float32)
        logits[list(openings)] += self.bias
        return logits

    def values(self, text: str) -> dict[str, list[tuple[Any, float]]]:
        """For each field the most probable values, None among them, best first; probabilities of all add up to 1."""
        logits = self.logits(self.inputs(text))
        width = len(self.heads)
        return {
            head.name: _ranked(head, text, logits[:, at], logits[:, width + at]) for at, head in enumerate(self.heads)
        }


def _ranked(head: CopyHead, text: str, first: Floats, last: Floats) -> list[tuple[Any, float]]:
    if head.many:
        return _several(head, text, first, last)
    starts, ends, chances = _spans(head, first, last)
    found: dict[Any, float] = {None: float(chances[0])}
    for at in np.argsort(-chances[1:])[: _MOST * 2].tolist():
        value = render(head.rendering, cut(text, Span(int(starts[at]), int(ends[at]))))
        if value is not None:
            found[value] = found.get(value, 0.0) + float(chances[1 + at])
    total = sum(found.values())
    best = sorted(found.items(), key=lambda one: -one[1])[:_MOST]
    return [(value, chance / total) for value, chance in best]


def _several(head: CopyHead, text: str, first: Floats, last: Floats) -> list[tuple[Any, float]]:
    chances = softmax(first)
    opening = np.flatnonzero(chances[1:] >= max(_LIST_SHARE * chances[1:].max(initial=0.0), chances[0]))
    closing = [at + int(last[1 + at : 1 + at + head.longest].argmax()) for at in opening.tolist()]
    items = [render(head.rendering, cut(text, Span(*ends))) for ends in zip(opening.tolist(), closing, strict=True)]
    none, found = float(chances[0]), list(dict.fromkeys(item for item in items if item is not None))
    return sorted([(found, 1 - none), ([], none)], key=lambda one: -one[1]) if found else [([], 1.0)]


def _spans(head: CopyHead, first: Floats, last: Floats) -> tuple[Indices, Indices, Floats]:
    """First and last token of every span up to the longest; the probability of none, then of each."""
    count = len(first) - 1
    starts = np.concatenate([np.arange(count - extra) for extra in range(min(head.longest, count))] or [_NO_SPANS])
    ends = np.concatenate([np.arange(extra, count) for extra in range(min(head.longest, count))] or [_NO_SPANS])
    scores = np.concatenate([first[:1] + last[:1], first[1 + starts] + last[1 + ends]])
    return starts, ends, softmax(scores)
