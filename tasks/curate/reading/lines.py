"""Records that are lines of text: where each begins and ends, and what keeps it from being read."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tasks.curate.defects import Code, Defect

BOM = b"\xef\xbb\xbf"
Fields = dict[str, Any]


class Line(NamedTuple):
    """A physical line, or those of one CSV record."""

    number: int  # of its first line, from 1
    offset: int  # of its first byte
    length: int  # bytes with its newline
    content: bytes  # without the newline; of one beyond the limit only the first bytes, yet more than the limit
    odd: bool = False  # whether an odd number of quotes stands in what `content` leaves out


class Record(NamedTuple):
    """One record of a file: its fields, or the defect that kept them from being read. Parquet has no `content`."""

    line: int
    offset: int
    length: int
    content: bytes | None
    fields: Fields | Defect


def lines(blocks: Iterable[bytes], limit: int) -> Iterator[Line]:
    """Physical lines, split at newline bytes only: U+2028 and its kin are text. A byte order mark is skipped."""
    physical = _physical(blocks, limit + 1 + len(BOM))
    first = next(physical, None)
    if first and first.content.startswith(BOM):
        rest = first.content.removeprefix(BOM)
        first = first._replace(offset=len(BOM), length=first.length - len(BOM), content=rest)
    if first and first.length:
        yield first
    yield from physical


def record(line: Line, limit: int, parse: Callable[[str], Fields]) -> Record:
    """The record of a line of at most `limit` bytes; `parse` may raise Defect."""
    try:
        fields: Fields | Defect = parse(_text(line, limit))
    except Defect as defect:
        fields = defect
    return Record(line.number, line.offset, line.length, line.content[:limit], fields)


class _Pieces:
    """A line of which the end has not come yet."""

    def __init__(self, keep: int) -> None:
        self._keep, self._content, self._length, self._quotes = keep, b"", 0, 0

    def add(self, piece: bytes) -> None:
        room = self._keep - len(self._content)
        self._content += piece[:room]
        self._length += len(piece)
        if len(piece) > room:
            self._quotes += piece.count(b'"', room)

    def line(self, number: int, offset: int, newline: int) -> Line:
        return Line(number, offset, self._length + newline, self._content, self._quotes % 2 == 1)


def _physical(blocks: Iterable[bytes], keep: int) -> Iterator[Line]:
    number, offset, pending = 1, 0, _Pieces(keep)
    for block in blocks:
        *ends, tail = block.split(b"\n")
        for end in ends:
            pending.add(end)
            line = pending.line(number, offset, newline=1)
            yield line
            number, offset, pending = number + 1, offset + line.length, _Pieces(keep)
        pending.add(tail)
    last = pending.line(number, offset, newline=0)
    if last.length:
        yield last


def _text(line: Line, limit: int) -> str:
    content, offset = line.content, line.offset
    if len(content) > limit:
        raise Defect(Code.TOO_LONG, f"Shorten it to {limit} bytes, or raise source.max_record_bytes.")
    if b"\x00" in content:
        raise Defect(Code.CONTROL_CHARACTER, f"Remove the NUL at byte {offset + content.index(0)} of the file.")
    try:
        text = content.decode().removesuffix("\r")
    except UnicodeDecodeError as error:
        where = f"byte {offset + error.start} of the file"
        raise Defect(Code.ENCODING, f"Save it as UTF-8, or set `encoding`: {where} cannot be read.") from None
    if not text.strip():
        raise Defect(Code.BLANK, "Remove the empty line.")
    return text
