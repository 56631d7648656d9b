"""Physical lines of a CSV file to records: a quoted field may span lines, a stray quote may not swallow any."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import count

from tasks.curate.defects import Code, Defect
from tasks.curate.reading.lines import Line
from tasks.errors import ConfigurationError


class Grammar:
    """CSV as RFC 4180 has it, with this delimiter between the fields."""

    def __init__(self, delimiter: str) -> None:
        if delimiter in '"\r\n':
            raise ConfigurationError("source.files.delimiter", f"cannot be {delimiter!r}", "Use a comma, ; | or tab.")
        self._delimiter, sign = delimiter, re.escape(delimiter)
        field = rf'(?:"(?:[^"]|"")*+"|[^"{sign}]*+)'
        self._well_quoted = re.compile(rf"{field}(?:{sign}{field})*+")
        self._open = re.compile(rf'(?:{field}{sign})*+"(?:[^"]|"")*+')

    def cells(self, text: str) -> list[str]:
        """The fields of a record; raises Defect where its quotes are not well placed."""
        if '"' in text and not self._well_quoted.fullmatch(text):
            raise Defect(Code.QUOTES, 'Put a field that holds a quote in quotes and double it: "say ""hi""".')
        csv.field_size_limit(max(len(text), csv.field_size_limit()))
        try:
            return next(csv.reader([text], strict=True, delimiter=self._delimiter))
        except csv.Error:  # a carriage return inside an unquoted field
            raise Defect(Code.QUOTES, "Put a field that holds a line break in quotes.") from None

    def width(self, content: bytes) -> int:
        """Number of fields, 0 where the quotes are not well placed."""
        try:
            return len(self.cells(_text(content)))
        except Defect:
            return 0

    def opens(self, content: bytes) -> bool:
        """Whether the line ends inside a quoted field."""
        return self._open.fullmatch(_text(content)) is not None

    def stands_alone(self, content: bytes, width: int) -> bool:
        """Whether it looks like a record and not like prose, in which a space or nothing follows a comma."""
        text = _text(content)
        try:
            cells = self.cells(text.replace('"', "") if text.count('"') % 2 else text)
        except Defect:
            return False
        whole = cells[-1:] != [""] or width > 2
        return 1 < width == len(cells) and whole and not any(cell.startswith(" ") for cell in cells[1:])


class Logical:
    """The lines of one record joined, with at most `limit` bytes and one line of them in memory."""

    def __init__(self, physical: Iterator[Line], grammar: Grammar, limit: int) -> None:
        self._physical, self._grammar, self._limit = physical, grammar, limit
        self._ahead: deque[Line] = deque()

    def records(self, width: int) -> Iterator[Line]:
        """Records of a file with `width` columns, from where the lines stand."""
        while first := self.next():
            yield self._whole(first, width) if self._opens(first) else first

    def next(self) -> Line | None:
        """The next physical line."""
        return self._ahead.popleft() if self._ahead else next(self._physical, None)

    def _opens(self, line: Line) -> bool:
        too_long = len(line.content) > self._limit
        return _is_odd(line) and (too_long or self._grammar.opens(line.content))

    def _whole(self, first: Line, width: int) -> Line:
        """The record that begins with a quote left open, or the line alone where that quote is a stray one."""
        lines, is_closed = self._to_the_quote(first)
        if self._is_stray(lines, width, is_closed):
            return first
        for _ in lines[1:]:
            self.next()
        whole = _joined(lines, self._limit)
        return whole if is_closed else self._to_the_end(whole)

    def _to_the_quote(self, first: Line) -> tuple[list[Line], bool]:
        """The lines up to the next odd quote, and whether it came within the limit."""
        lines, size = [first], first.length
        for at in count():
            line = self._peek(at)
            if line is None or size > self._limit:
                return lines, False
            lines.append(line)
            size += line.length
            if _is_odd(line):
                return lines, True
        raise AssertionError("a count has no end")

    def _peek(self, at: int) -> Line | None:
        while len(self._ahead) <= at:
            line = next(self._physical, None)
            if line is None:
                return None
            self._ahead.append(line)
        return self._ahead[at]

    def _is_stray(self, lines: list[Line], width: int, is_closed: bool) -> bool:
        """Whether the lines that an open quote would swallow are records of their own, as at least half look like."""
        inner = lines[1:-1] if is_closed else lines[1:]
        alone = sum(self._grammar.stands_alone(line.content, width) for line in inner)
        if 2 * alone < len(inner):
            return False
        fits = is_closed and self._grammar.width(_joined(lines, self._limit).content) == width
        return not fits or all(self._grammar.stands_alone(lines[at].content, width) for at in (0, -1))

    def _to_the_end(self, begun: Line) -> Line:
        """A record beyond the limit, to the quote that ends it; what follows its first bytes is not kept."""
        length = begun.length
        while line := self.next():
            length += line.length
            if _is_odd(line):
                break
        return begun._replace(length=length)


def _joined(lines: list[Line], limit: int) -> Line:
    content = b"\n".join(line.content for line in lines)[: limit + 1]
    return lines[0]._replace(length=sum(line.length for line in lines), content=content)


def _is_odd(line: Line) -> bool:
    return (line.content.count(b'"') % 2 == 1) != line.odd


def _text(content: bytes) -> str:
    return content.decode(errors="replace").removesuffix("\r")
