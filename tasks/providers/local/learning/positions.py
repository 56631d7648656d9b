"""What is seen of each token of a text: itself, its shape, its neighbours, its place."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from tasks.providers.local.learning.features import Bag, Capacity
from tasks.providers.local.learning.spans import kind, tokens

_RUNS = re.compile(r"([A-Za-z9])\1{3,}")
_EDGE = "<>"
_NEAR = 5


@lru_cache(maxsize=400)
def position_bags(text: str, capacity: Capacity) -> tuple[Bag, ...]:
    """One bag for the text as a whole (what speaks for no value at all), then one for each token."""
    found = tokens(text)
    low = [_EDGE, _EDGE, *(_word(token.text) for token in found), _EDGE, _EDGE]
    shapes = [_EDGE, *(shape(token.text) for token in found), _EDGE]
    whole = dict.fromkeys(("text", *(f"has {word}" for word in low), *(f"holds {one}" for one in shapes)), 1.0)
    return whole, *(_token_bag(at, low, shapes, capacity) for at in range(len(found)))


def position_rows(texts: Iterable[str], capacity: Capacity) -> Iterator[Bag]:
    """The bags of all texts, one text after the other, made as they are asked for: of many texts they fill memory."""
    return (row for text in texts for row in position_bags(text, capacity))


@lru_cache(maxsize=20_000)
def shape(token: str) -> str:
    """FH-13262 as AA-9999, Anna as Aaaa: letters and digits by class, long runs cut to four."""
    classes = "".join(
        "9" if one.isdigit() else "A" if one.isupper() else "a" if one.isalpha() else one for one in token
    )
    return _RUNS.sub(lambda run: run[1] * 4, classes)


@lru_cache(maxsize=20_000)
def _word(token: str) -> str:
    return token.lower() if kind(token) in ("word", "name") else f"<{kind(token)}>"


def _token_bag(at: int, low: list[str], shapes: list[str], capacity: Capacity) -> Bag:
    """`low` has two, `shapes` one sign for the edge on either side."""
    before2, before, word, after, after2 = low[at : at + 5]
    shape_before, own, shape_after = shapes[at : at + 3]
    seen = [f"is {word}", f"shape {own}", f"-1 {before}", f"-2 {before2}", f"+1 {after}", f"+2 {after2}"]
    seen += [f"-2-1 {before2} {before}", f"-1 {before} {own}", f"+1 {own} {after}", f"+1+2 {after} {after2}"]
    seen += [f"shape-1 {shape_before}", f"shape+1 {shape_after}", f"shape-1 {shape_before} {own}"]
    seen += [f"near {one}" for one in {*low[max(2, at + 2 - _NEAR) : at + 2]}]
    if capacity.pieces:
        seen += [f"starts {word[:3]}", f"ends {word[-3:]}", f"-1 starts {before[:4]}", f"+1 starts {after[:4]}"]
    return dict.fromkeys(seen, 1.0)
