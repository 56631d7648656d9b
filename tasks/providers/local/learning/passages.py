"""Texts as answers: an example's answer, in which what was copied from its input makes room for the new input's."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.providers.local.learning.reply import Ranked
from tasks.providers.local.learning.spans import Span, covering, cut, kind, opens_sentence, things, tokens

_LONGEST = 6
_VALUES = ("number", "code", "address")
_UNFILLED = 0.02


@dataclass(frozen=True)
class Piece:
    """Literal text, then a slot: its name, and the value that it had. The last piece has no slot."""

    literal: str
    slot: str = ""
    value: str = ""


@dataclass(frozen=True)
class Passage:
    """An example: the input, and its answer in pieces."""

    text: str
    pieces: tuple[Piece, ...]

    @property
    def outline(self) -> str:
        """The answer with the slots' names in place of what was copied."""
        return "".join(piece.literal + (f"<{piece.slot}>" if piece.slot else "") for piece in self.pieces)

    @property
    def slots(self) -> dict[str, str]:
        """Slot to the value that it had."""
        return {piece.slot: piece.value for piece in self.pieces if piece.slot}

    def filled(self, question: str, values: Mapping[str, Ranked[object]]) -> tuple[str, float]:
        """The answer for another input, and how well its slots could be filled (0 to 1)."""
        text, fit = "", 1.0
        for piece in self.pieces:
            value, chance = _filling(piece.slot, question, values) if piece.slot else ("", 1.0)
            text, fit = text + piece.literal + value, fit * chance
        return text, fit


def passages(examples: Sequence[tuple[str, str]], least: int) -> list[Passage]:
    """(input, answer) pairs in pieces. Slots of a name seen fewer than `least` times go by their kind only."""
    found = [Passage(text, tuple(_pieces(text, answer))) for text, answer in examples]
    counts = Counter(piece.slot for passage in found for piece in passage.pieces)
    return [replace(one, pieces=tuple(_common(piece, counts, least) for piece in one.pieces)) for one in found]


def _common(piece: Piece, counts: Mapping[str, int], least: int) -> Piece:
    rare = piece.slot and counts[piece.slot] < least
    return replace(piece, slot=piece.slot.partition("|")[0] + "|") if rare else piece


def _filling(slot: str, question: str, values: Mapping[str, Ranked[object]]) -> tuple[str, float]:
    wanted = slot.partition("|")[0]
    for value, chance in values.get(slot, ()):
        if isinstance(value, str) and _kind(value) == wanted:
            return value, max(chance, _UNFILLED)
    others = (cut(question, span) for span in things(question))
    return next((other for other in others if _kind(other) == wanted), ""), _UNFILLED


def _pieces(text: str, answer: str) -> Iterator[Piece]:
    done, found = 0, tokens(answer)
    for span in _copied(text, answer):
        start, end = found[span.first].start, found[span.last].end
        before = found[span.first - 1].text.lower() if span.first else ""
        value = answer[start:end]
        yield Piece(answer[done:start], f"{_kind(value)}|{before}", value)
        done = end
    yield Piece(answer[done:])


def _copied(text: str, answer: str) -> Iterator[Span]:
    at, found = 0, tokens(answer)
    while at < len(found):
        span = _longest_copy(text, answer, at) if _is_value(text, answer, at) else None
        if span:
            yield span
        at = span.last + 1 if span else at + 1


def _longest_copy(text: str, answer: str, first: int) -> Span | None:
    """From a token on, as far as the input says the same; only what begins with a name runs on into words."""
    found, longest = tokens(answer), None
    for last in range(first, min(first + _LONGEST, len(found))):
        if not _stands(answer[found[first].start : found[last].end], text):
            break
        if kind(found[first].text) == "name" or kind(found[last].text) != "word":
            longest = Span(first, last)
    while longest and not re.search(r"\w", found[longest.last].text):
        longest = Span(first, longest.last - 1)
    return longest


def _is_value(text: str, answer: str, at: int) -> bool:
    """Numbers, codes, addresses, and capitalised words unless they may be capitalised for opening a sentence."""
    token = tokens(answer)[at]
    if kind(token.text) != "name":
        return kind(token.text) in _VALUES
    inside = (found for found in tokens(text) if found.text == token.text and not opens_sentence(text, found.start))
    return len(token.text) > 1 and (not opens_sentence(answer, token.start) or next(inside, None) is not None)


def _stands(value: str, text: str) -> bool:
    start = text.find(value)
    while start >= 0:
        if covering(text, start, start + len(value)):
            return True
        start = text.find(value, start + 1)
    return False


def _kind(value: str) -> str:
    found = kind(value)
    return "name" if found == "word" and value[:1].isupper() else found
