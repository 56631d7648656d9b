"""CSV (RFC 4180) to records: every cell a text until its column's type says otherwise."""

import csv
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from data_contracts.contract import Column
from tasks.curate import strict_json
from tasks.curate.defects import Code, Defect
from tasks.curate.lines import Fields, Line, Record, lines, record
from tasks.errors import DataError

Columns = Mapping[str, Column]
_FIELD = r'(?:"(?:[^"]|"")*+"|[^",]*+)'
_WELL_QUOTED = re.compile(rf"{_FIELD}(?:,{_FIELD})*+")
_OPEN = re.compile(rf'(?:{_FIELD},)*+"(?:[^"]|"")*+'.encode())  # ends inside a quoted field
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})")  # "007" is a text, not the number 7
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


def csv_records(file: str, content: bytes, columns: Columns, limit: int) -> Iterator[Record]:
    """The records below the header. Raises DataError if the header cannot be used."""
    physical = list(lines(content))
    if not physical:
        return
    header = record(physical[0], limit, lambda text: {"names": _cells(text)})
    if isinstance(header.fields, Defect):
        raise DataError(file, f"its first line is no header ({header.fields.code})", header.fields.remedy)
    names = header.fields["names"]
    check_names(file, names, columns)
    for line in _logical(physical[1:], len(names), limit):
        yield record(line, limit, partial(_fields, names, columns))


def check_names(file: str, names: list[str], columns: Columns) -> None:
    """Raises DataError where a required column is missing or a name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(file, f"has several columns named {', '.join(twice)}", "Rename all but one.")
    missing = [name for name, column in columns.items() if column.required and name not in names]
    if missing:
        raise DataError(
            file,
            f"has no column {', '.join(missing)}; it has {', '.join(names)[:500]}",
            "Name the contract's `columns` and `mapping` as in the file; CSV fields are separated by commas.",
        )


def _logical(physical: list[Line], width: int, limit: int) -> Iterator[Line]:
    """Lines of one record joined where a quoted field spans them."""
    at = 0
    while at < len(physical):
        number, offset, first = physical[at]
        end = _closing_line(physical, at, limit)
        inner = [content for _, _, content in physical[at + 1 : end]]
        if end > at and _is_stray(first, inner, width):
            end = at
        yield number, offset, b"\n".join(content for _, _, content in physical[at : end + 1])
        at = end + 1


def _is_stray(first: bytes, inner: list[bytes], width: int) -> bool:
    """Whether a quote opened by mistake: then the lines up to the next quote are records of their own."""
    return all(_stands_alone(line, width) for line in (first.replace(b'"', b""), *inner))


def _closing_line(physical: list[Line], start: int, limit: int) -> int:
    """Where the field that is open at the end of a line closes: the next line with an odd number of quotes."""
    if not _is_odd(physical[start]) or not _OPEN.fullmatch(physical[start][2]):
        return start
    for at in range(start + 1, len(physical)):
        if physical[at][1] - physical[start][1] > limit:
            break
        if _is_odd(physical[at]):
            return at
    return start


def _is_odd(line: Line) -> bool:
    return line[2].count(b'"') % 2 == 1


def _stands_alone(content: bytes, width: int) -> bool:
    """Whether it looks like a record of its own and not like prose, which has a space or nothing after a comma."""
    try:
        cells = _cells(content.decode(errors="replace").removesuffix("\r"))
    except Defect:
        return False
    return 1 < width == len(cells) and cells[-1] != "" and not any(cell.startswith(" ") for cell in cells[1:])


def _cells(text: str) -> list[str]:
    if '"' in text and not _WELL_QUOTED.fullmatch(text):
        raise Defect(Code.QUOTES, 'Put a field that holds a quote in quotes and double it: "say ""hi""".')
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:  # a carriage return inside an unquoted field
        raise Defect(Code.QUOTES, "Put a field that holds a line break in quotes.") from None


def _fields(names: list[str], columns: Columns, text: str) -> Fields:
    cells = _cells(text)
    if len(cells) != len(names):
        raise Defect(Code.FIELDS, f"{len(cells)} fields, but the header has {len(names)}: quote a field with a comma.")
    return {
        name: _typed(name, cell, columns[name].type) for name, cell in zip(names, cells, strict=True) if name in columns
    }


def _typed(name: str, cell: str, kind: str) -> Any:  # noqa: ANN401 - one of the column types
    """A cell as its column's type where it can be read as such; else the text, which the type check then refuses."""
    if cell == "":
        return None
    if kind == "integer" and _INTEGER.fullmatch(cell):
        return int(cell)
    if kind == "number" and _NUMBER.fullmatch(cell):
        return float(cell)
    if kind == "boolean":
        return {"true": True, "false": False}.get(cell.lower(), cell)
    if kind in ("messages", "object"):
        try:
            return strict_json.parse(cell)
        except Defect as defect:
            raise Defect(defect.code, defect.remedy, name) from None
    return cell
