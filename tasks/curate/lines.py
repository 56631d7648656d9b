"""Records that are lines of text: where each begins, and what keeps it from being read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.curate.defects import Code, Defect

BOM = b"\xef\xbb\xbf"
Fields = dict[str, Any]
Line = tuple[int, int, bytes]  # 1-based number, byte offset, bytes without the newline


@dataclass(frozen=True)
class Record:
    """One record of a file: its fields, or the defect that kept them from being read. Parquet has no `raw` text."""

    line: int
    offset: int
    raw: str | None
    fields: Fields | Defect


def lines(content: bytes) -> Iterator[Line]:
    """Physical lines, split at newline bytes only: U+2028 and its kin are text."""
    start = len(BOM) if content.startswith(BOM) else 0
    number = 0
    while start < len(content):
        number += 1
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        yield number, start, content[start:end]
        start = end + 1


def record(line: Line, limit: int, parse: Callable[[str], Fields]) -> Record:
    """The record of a line of at most `limit` bytes; `parse` may raise Defect."""
    number, offset, content = line
    raw = content[:limit].decode(errors="backslashreplace")
    try:
        return Record(number, offset, raw, parse(_text(content, offset, limit)))
    except Defect as defect:
        return Record(number, offset, raw, defect)


def _text(content: bytes, offset: int, limit: int) -> str:
    if len(content) > limit:
        raise Defect(Code.TOO_LONG, f"Shorten it to {limit} bytes, or raise source.max_record_bytes.")
    if b"\x00" in content:
        raise Defect(Code.CONTROL_CHARACTER, f"Remove the NUL at byte {offset + content.index(0)} of the file.")
    try:
        text = content.decode().removesuffix("\r")
    except UnicodeDecodeError as error:
        raise Defect(Code.ENCODING, f"Save as UTF-8: byte {offset + error.start} of the file is not.") from None
    if not text.strip():
        raise Defect(Code.BLANK, "Remove the empty line.")
    return text
