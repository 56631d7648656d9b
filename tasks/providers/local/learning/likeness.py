"""How alike two texts are, from 0 to 1: the metrics of the text_similarity grader, over lower-cased words.

BLEU as of Papineni et al. 2002 (up to 4 words, add-one smoothing from two words on), GLEU as of Wu et al. 2016, ROUGE
as of Lin 2004 (F1), METEOR as of Banerjee and Lavie 2005 by exact words; cosine of word counts, since there is no
embedding model here; fuzzy_match by matching blocks of characters. Their libraries may differ in the second decimal.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import Literal

Likeness = Literal[
    "cosine", "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"
]
_WORD = re.compile(r"\w+")
_LONGEST = 4  # words of an n-gram in BLEU and GLEU


def words(text: str) -> list[str]:
    """Lower-cased words."""
    return _WORD.findall(text.lower())


def cosine(found: str, wanted: str) -> float:
    """Of the word counts."""
    one, other = Counter(words(found)), Counter(words(wanted))
    norms = math.hypot(*one.values()) * math.hypot(*other.values())
    return sum(count * other[word] for word, count in one.items()) / norms if norms else float(found == wanted)


def fuzzy_match(found: str, wanted: str) -> float:
    """Share of characters in matching blocks."""
    return SequenceMatcher(None, found.lower(), wanted.lower(), autojunk=False).ratio()


def bleu(found: str, wanted: str) -> float:
    """Geometric mean of the n-gram precisions, with the penalty for brevity."""
    one, other = words(found), words(wanted)
    if not one or not other or not _shared(one, other, 1):
        return 0.0
    logs = [
        math.log((_shared(one, other, size) + (size > 1)) / (max(len(one) - size + 1, 0) + (size > 1)))
        for size in range(1, _LONGEST + 1)
    ]
    return math.exp(min(0.0, 1 - len(other) / len(one)) + sum(logs) / _LONGEST)


def gleu(found: str, wanted: str) -> float:
    """The smaller of precision and recall over all n-grams."""
    one, other = words(found), words(wanted)
    shared = sum(_shared(one, other, size) for size in range(1, _LONGEST + 1))
    return shared / (max(_grams(len(one)), _grams(len(other))) or 1)


def meteor(found: str, wanted: str) -> float:
    """Recall-weighted mean of precision and recall, less for a match in many pieces."""
    one, other = words(found), words(wanted)
    shared = _shared(one, other, 1)
    if not shared:
        return 0.0
    precision, recall = shared / len(one), shared / len(other)
    pieces = sum(block.size > 0 for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    return 10 * precision * recall / (recall + 9 * precision) * (1 - 0.5 * (max(pieces, 1) / shared) ** 3)


def rouge_n(size: int, found: str, wanted: str) -> float:
    """F1 of shared n-grams."""
    one, other = words(found), words(wanted)
    return _f1(_shared(one, other, size), len(one) - size + 1, len(other) - size + 1)


def rouge_l(found: str, wanted: str) -> float:
    """F1 of the longest common subsequence."""
    one, other = words(found), words(wanted)
    row = [0] * (len(other) + 1)
    for word in one:
        above = row.copy()
        for at, wanted_word in enumerate(other):
            row[at + 1] = above[at] + 1 if word == wanted_word else max(row[at], above[at + 1])
    return _f1(row[-1], len(one), len(other))


LIKENESS: dict[str, Callable[[str, str], float]] = {
    **{"cosine": cosine, "fuzzy_match": fuzzy_match, "bleu": bleu, "gleu": gleu, "meteor": meteor, "rouge_l": rouge_l},
    **{f"rouge_{size}": partial(rouge_n, size) for size in range(1, 6)},
}


def _shared(one: Sequence[str], other: Sequence[str], size: int) -> int:
    """Common n-grams, each as often as in the text that has it less often."""
    grams = [Counter(tuple(text[at : at + size]) for at in range(len(text) - size + 1)) for text in (one, other)]
    return (grams[0] & grams[1]).total()


def _grams(length: int) -> int:
    return sum(max(length - size + 1, 0) for size in range(1, _LONGEST + 1))


def _f1(shared: int, one: int, other: int) -> float:
    return 2 * shared / (one + other) if shared else 0.0
