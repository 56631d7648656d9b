"""CSV (RFC 4180) to records: every cell a text until its column's type says otherwise."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data_contracts.contract import Column
from tasks.curate.defects import Code, Defect
from tasks.curate.reading import strict_json
from tasks.curate.reading.csv_lines import Grammar, Logical
from tasks.curate.reading.lines import Fields, Line, Record, record
from tasks.errors import DataError

Columns = Mapping[str, Column]
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})")  # "007" is a text, not the number 7
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class CsvFile:
    """How the fields of a CSV file are told apart, and what they should be."""

    columns: Columns
    delimiter: str
    limit: int

    def records(self, file: str, physical: Iterator[Line]) -> Iterator[Record]:
        """The records below the header. Raises DataError if the header cannot be used."""
        grammar = Grammar(self.delimiter)
        logical = Logical(physical, grammar, self.limit)
        first = logical.next()
        if first is None:
            return
        header = record(first, self.limit, lambda text: {"names": grammar.cells(text)})
        if isinstance(header.fields, Defect):
            raise DataError(file, f"its first line is no header ({header.fields.code})", header.fields.remedy)
        names = header.fields["names"]
        check_names(file, names, self.columns)
        for line in logical.records(len(names)):
            yield record(line, self.limit, lambda text: _fields(names, self.columns, grammar.cells(text)))


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
            "Name the contract's `columns` and `mapping` as in the file; set `delimiter` if it has no commas.",
        )


def _fields(names: list[str], columns: Columns, cells: list[str]) -> Fields:
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
