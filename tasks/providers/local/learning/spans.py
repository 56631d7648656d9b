"""The stretches of a text that could be a value: its tokens, and what kind of thing each is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # an address
    r"|(?=[\w/-]*\d)\w+(?:(?:[-/]|(?<=\d)[.,:](?=\d))\w+)*"  # a number, date or code, with the signs inside it
    r"|\w+|[^\w\s]"
)
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
DATE = re.compile(
    r"(?P<y1>\d{4})[-/.](?P<m1>\d{1,2})[-/.](?P<d1>\d{1,2})"
    r"|(?P<d2>\d{1,2})[-/.](?P<m2>\d{1,2})[-/.](?P<y2>\d{4}|\d{2})"
    rf"|(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m3>{_MONTH}),?\s+(?P<y3>\d{{4}})"
    rf"|(?P<m4>{_MONTH})\s+(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y4>\d{{4}})",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d+(?:[.,]\d+)?")
_CAPITAL = r"[^\W\d_a-zß-öø-ÿ]"
_NAME = re.compile(rf"{_CAPITAL}\w*(?:[ '’-]{_CAPITAL}\w*)*")
_KINDS = {
    "address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "date": DATE,
    "number": NUMBER,
    "code": re.compile(r"(?=\S*\d)\S+"),
    "name": _NAME,
}
_SINGLE = ("address", "number", "code")  # kinds of which one token is a whole value


@dataclass(frozen=True)
class Token:
    """A word, number, code or sign, and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Span:
    """Tokens first to last, both included."""

    first: int
    last: int


@lru_cache(maxsize=8_000)
def tokens(text: str) -> tuple[Token, ...]:
    """Cut a text; a number, date, code or address is one token."""
    return tuple(Token(found[0], found.start(), found.end()) for found in _TOKEN.finditer(text))


@lru_cache(maxsize=50_000)
def kind(text: str) -> str:
    """address, date, number, code, name (capitalised) or word."""
    return next((name for name, pattern in _KINDS.items() if pattern.fullmatch(text)), "word")


def cut(text: str, span: Span) -> str:
    """The text of a span, with one space where it had any white space."""
    found = tokens(text)
    return " ".join(text[found[span.first].start : found[span.last].end].split())


def covering(text: str, start: int, end: int) -> Span | None:
    """The tokens from one character to another; None where that cuts a token."""
    starts, ends = _edges(text)
    return Span(starts[start], ends[end]) if start in starts and end in ends else None


def things(text: str) -> Iterator[Span]:
    """Spans that look like values: dates, numbers, codes, addresses, and runs of capitalised words."""
    whole = list(dates(text))
    inside = {at for span in whole for at in range(span.first, span.last + 1)}
    yield from whole
    yield from (Span(at, at) for at, one in enumerate(tokens(text)) if kind(one.text) in _SINGLE and at not in inside)
    yield from (span for span in names(text) if span.first not in inside)


def dates(text: str) -> Iterator[Span]:
    """Spans that read as a date."""
    return _found(DATE, text)


def numbers(text: str) -> Iterator[Span]:
    """Tokens that read as a number."""
    return (Span(at, at) for at, token in enumerate(tokens(text)) if kind(token.text) == "number")


def names(text: str) -> Iterator[Span]:
    """Longest runs of capitalised words; a single word that opens a sentence is none."""
    for span in _found(_NAME, text):
        first = tokens(text)[span.first]
        if span.last > span.first or (len(first.text) > 1 and not opens_sentence(text, first.start)):
            yield span


def matches(pattern: str, text: str) -> Iterator[Span]:
    """Spans that a JSON Schema `pattern` finds; an invalid pattern finds none."""
    try:
        return _found(re.compile(pattern.removeprefix("^").removesuffix("$")), text)
    except re.error:
        return iter(())


def opens_sentence(text: str, start: int) -> bool:
    """Whether a position is the first of a text, line or sentence."""
    before = text[:start].rstrip(" \t\"'(")
    return not before or before[-1] in ".!?:\n"


def _found(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    return filter(None, (covering(text, found.start(), found.end()) for found in pattern.finditer(text)))


@lru_cache(maxsize=8_000)
def _edges(text: str) -> tuple[dict[int, int], dict[int, int]]:
    found = tokens(text)
    return {token.start: at for at, token in enumerate(found)}, {token.end: at for at, token in enumerate(found)}
