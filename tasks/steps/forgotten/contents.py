"""Files of any kind without the rows: a row of its own is emptied where it stands, a quotation is struck."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.redaction import token
from data_contracts.text import normalised_words
from tasks.steps.forgotten.stretches import Stretches

OWN = ("id", "case", "evaluation_id", "train_id")  # whose row it is
IDS = (*OWN, "kept_id", "group", "words", "content")
ID_FIELDS = frozenset({*IDS, "cases", "won", "lost", "row"})  # of a document
KEPT = frozenset(  # of a row that is emptied: where it stood, who answered, how that was decided
    {"given_partition", "partition", "reason", "file", "source", "kind", "candidate", "reference", "outcome", "request"}
)
EMPTY = {"messages": "[]", "slices": "{}"}
LEFT_OUT = ("examples.parquet", "champion_examples.parquet")  # an emptied row would be shown as an example
TEXTS = (".html", ".txt", ".md", ".csv", ".log", ".yaml")
KINDS = (".parquet", ".jsonl", ".json", *TEXTS)


@dataclass(frozen=True)
class Eraser:
    """Takes the rows of some ids out of files, and every stretch of their texts."""

    ids: frozenset[str]
    stretches: Stretches
    texts: frozenset[str] = frozenset()

    def file(self, path: Path, target: Path) -> bool:
        """Write the file without the rows; False where it holds none of them and nothing was written."""
        if path.suffix == ".parquet":
            return self._parquet(path, target)
        content = path.read_bytes()
        failures = path.with_name("failures.json")
        told = path.suffix == ".html" and failures.is_file()
        made = self.content(path.name, self.without_terms(content, failures.read_bytes()) if told else content)
        if made != content:
            target.write_bytes(made)
        return made != content

    def content(self, name: str, content: bytes) -> bytes:
        """The content of a text file without the rows; the same bytes where it holds none of them."""
        text = content.decode("utf-8", "surrogateescape")
        if name.endswith(".jsonl"):
            text = "".join(self._document(line) for line in text.splitlines(keepends=True))
        elif name.endswith(".json"):
            text = self._document(text)
        else:
            text = self._page(text)
        return text.encode("utf-8", "surrogateescape")

    def emptied(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with columns id, input and output as they will be."""
        own = rows["id"].isin(self.ids)
        return rows.assign(
            id=rows["id"].where(~own, rows["id"].map(token)),
            input=rows["input"].where(~own, ""),
            output=rows["output"].where(~own, ""),
        )

    # ------------------------------------------------------------ documents

    def _document(self, text: str) -> str:
        try:
            plain = json.loads(text)
        except ValueError:
            return self.stretches.strike(text)
        made = self._failures(self._plain(plain)) if isinstance(plain, dict) else self._plain(plain)
        if made == plain:
            return text
        indent = 2 if "\n" in text.rstrip("\n") else None
        return json.dumps(made, indent=indent, ensure_ascii=False) + "\n" * text.endswith("\n")

    def _rejection(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record that was turned away: why and where from stays, its raw text goes."""
        own = record["id"] in self.ids
        if not own and not self._in_raw(record["raw"]):
            return record | {"remedy": self._named(record["remedy"])}
        return record | {"id": token(record["id"]), "raw": "", "remedy": self._named(record["remedy"])}

    def _in_raw(self, raw: str) -> bool:
        """In a line as the source has it, an id or a text stands in one of these forms."""
        ids = any(json.dumps(id_, ensure_ascii=ascii_) in raw for id_ in self.ids for ascii_ in (True, False))
        return ids or any(form.are_in(raw) for form in self._raw_forms)

    @cached_property
    def _raw_forms(self) -> list[Stretches]:
        forms: list[Callable[[str], str]] = [str, lambda text: json.dumps(text, ensure_ascii=False)[1:-1]]
        forms += [lambda text: json.dumps(text)[1:-1], lambda text: text.replace('"', '""')]
        return [self.stretches.written(form) for form in forms]

    def _named(self, remedy: str) -> str:
        """A remedy that names a rival."""
        for id_ in self.ids:
            remedy = remedy.replace(f"Record {id_} has", f"Record {token(id_)} has")
        return remedy

    def _plain(self, value: Any, field: str = "") -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return token(value) if field in ID_FIELDS and value in self.ids else self.stretches.strike(value)
        if isinstance(value, list):
            return [self._plain(item, field) for item in value]
        if isinstance(value, dict) and {"raw", "remedy", "id"} <= value.keys():
            return self._rejection(value)
        if isinstance(value, dict) and isinstance(value.get("columns"), list) and "data" in value:
            return {**value, "data": [self._record(value["columns"], row) for row in value["data"]]}
        if isinstance(value, dict):
            return {self.stretches.strike(name): self._plain(item, name) for name, item in value.items()}
        return value

    def _record(self, columns: list[str], row: list[Any]) -> list[Any]:
        return [self._plain(item, name) for name, item in zip(columns, row, strict=True)]

    def _failures(self, document: dict[str, Any]) -> dict[str, Any]:
        """Groups of failing inputs are told by their words: not by those of an emptied row."""
        for cluster in _clusters(document):
            if any(case in self._tokens for case in cluster["cases"]):
                cluster["terms"] = [term for term in cluster["terms"] if term not in self.words]
        return document

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the texts: reports tell groups of inputs by some."""
        return frozenset(word for text in self.texts for word in normalised_words(text).split())

    @cached_property
    def _tokens(self) -> frozenset[str]:
        return frozenset(map(token, self.ids))

    # ------------------------------------------------------------ pages

    def _page(self, page: str) -> str:
        made = self._escaped.strike_nodes(page)
        for id_ in self.ids:
            made = made.replace(f">{_escape(id_)}<", f">{token(id_)}<")
            made = made.replace(f"Record {_escape(id_)} has", f"Record {token(id_)} has")
        return made

    def without_terms(self, page: bytes, failures: bytes) -> bytes:
        """A report whose groups of failing inputs are told by other words than those of the rows."""
        for cluster in _clusters(json.loads(failures)):
            if not self._tokens.isdisjoint(map(token, cluster["cases"])):
                kept = [term for term in cluster["terms"] if term not in self.words]
                page = page.replace(_heading(cluster["terms"]), _heading(kept or ["..."]))
        return page

    @cached_property
    def _escaped(self) -> Stretches:
        return self.stretches.written(_escape)

    # ------------------------------------------------------------ frames

    def _parquet(self, path: Path, target: Path) -> bool:
        with pq.ParquetFile(path) as source:
            batches = ((batch, self._batch(batch, path.name)) for batch in source.iter_batches())
            changed, schema = False, source.schema_arrow
            with pq.ParquetWriter(target, schema, compression=_compression(source)) as writer:
                for batch, made in batches:
                    changed = changed or not made.equals(batch)
                    writer.write_batch(made)
        if not changed:
            target.unlink()
        return changed

    def _batch(self, batch: pa.RecordBatch, name: str) -> pa.RecordBatch:
        own = self._rows(batch)
        if name in LEFT_OUT:
            said = pc.is_in(batch["input"], value_set=pa.array(sorted(self.texts), batch["input"].type))
            return batch.filter(pa.array(~(own | said.to_numpy(zero_copy_only=False))))
        columns = [self._column(field.name, batch, own) for field in batch.schema]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def _rows(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(batch), np.bool_)
        for name in OWN:
            if name in batch.schema.names:
                found |= self._theirs(batch[name])
        return found

    def _theirs(self, column: pa.Array) -> npt.NDArray[np.bool_]:
        wanted = pa.array(sorted(self.ids), pa.string()).cast(column.type)
        return np.asarray(pc.is_in(column, value_set=wanted).to_numpy(zero_copy_only=False), np.bool_)

    def _column(self, name: str, batch: pa.RecordBatch, own: npt.NDArray[np.bool_]) -> pa.Array:
        column = batch[name]
        if name in KEPT or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            return column
        if name in IDS:
            by_id = name in (*OWN, "kept_id", "group")
            chosen = self._theirs(column) | (own & (name not in OWN)) if by_id else own
            return _put(column, chosen, [token(value) for value in column.filter(pa.array(chosen)).to_pylist()])
        column = _put(column, own, [EMPTY.get(name, "")] * int(own.sum()))
        return column if "messages" in batch.schema.names else self._struck(column)

    def _struck(self, column: pa.Array) -> pa.Array:
        """Texts that models wrote; those of other rows are theirs."""
        held = self.stretches.held(column)
        texts = column.filter(pa.array(held)).to_pylist()
        return _put(column, held, [self.stretches.strike(text) for text in texts])


def _clusters(failures: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for candidate in failures.get("candidates") or ():
        if isinstance(candidate, dict):
            yield from (item for item in candidate.get("clusters") or () if {"cases", "terms"} <= item.keys())


def _heading(terms: list[str]) -> bytes:
    return f": {_escape(', '.join(terms))}</h4>".encode()


def _escape(text: str) -> str:
    """As the pages' templates write it."""
    return escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _put(column: pa.Array, chosen: npt.NDArray[np.bool_], values: list[str]) -> pa.Array:
    return pc.replace_with_mask(column, pa.array(chosen), pa.array(values, column.type)) if len(values) else column


def _compression(source: pq.ParquetFile) -> str:
    whole = source.metadata
    return str(whole.row_group(0).column(0).compression).lower() if whole.num_row_groups else "zstd"
