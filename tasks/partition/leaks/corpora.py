"""Retrieval corpora: what answers are looked up in must not hold the questions of the test set."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

import pandas as pd

from data_contracts.data_policy import Leakage
from tasks.errors import ConfigurationError
from tasks.similarity.pairs import best_pairs
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts

ENDINGS = (".jsonl", ".txt", ".md")
WINDOW, STEP = 600, 300  # characters; a text of the usual length stands in one window as a good part of it
LINE = 1_000_000  # characters read at once: a longer line is several
BLOCK = 100_000  # passages compared at once, 60 MB at most

Passage = tuple[str, str]  # file#line, text


def found_in_corpora(
    judged: Texts, counts: RowCounts, policy: Leakage, folder: Path
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each corpus with the best passage for each judged text that stands in it, or nearly so.

    Columns: judged (position), place (file#line), kind, score, evidence. Paths are relative to `folder`.
    """
    for corpus in policy.corpora:
        yield corpus, _best([_compared(judged, block, counts, policy) for block in _blocks(folder / corpus)])


def _blocks(corpus: Path) -> Iterator[list[Passage]]:
    passages = _passages(corpus)
    while block := list(islice(passages, BLOCK)):
        yield block


def _compared(judged: Texts, passages: Sequence[Passage], counts: RowCounts, policy: Leakage) -> pd.DataFrame:
    places, texts = zip(*passages, strict=True)
    pairs = best_pairs(judged, Texts.of(texts), counts, policy)
    return pairs.assign(place=[places[passage] for passage in pairs["trained"]]).drop(columns="trained")


def _best(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = ["judged", "place", "kind", "score", "evidence"]
    pairs = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    same_first = pairs.assign(severity=pairs["kind"] != "same words")
    best = same_first.sort_values(["severity", "evidence", "score", "place"], ascending=[True, False, False, True])
    return best.drop_duplicates("judged")[columns].sort_values("judged", ignore_index=True)


def _passages(corpus: Path) -> Iterator[Passage]:
    """Records of .jsonl files and paragraphs of .txt and .md files, long ones in overlapping windows."""
    for path in _files(corpus):
        read = _records if path.suffix == ".jsonl" else _paragraphs
        with path.open(encoding="utf-8", errors="replace") as file:
            for line, text in read(file):
                yield from ((f"{path.relative_to(corpus.parent)}#{line}", window) for window in windows(text))


def windows(text: str) -> Iterator[str]:
    """The text in overlapping parts, so that a quotation in a long text is a good part of one of them."""
    yield from (text[start : start + WINDOW] for start in range(0, max(len(text) - STEP, 1), STEP))


def _files(corpus: Path) -> list[Path]:
    found = [corpus] if corpus.is_file() else sorted(path for path in corpus.rglob("*") if path.is_file())
    readable = [path for path in found if path.suffix in ENDINGS]
    if not readable:
        problem = f"{corpus} is no {', '.join(ENDINGS)} file, nor a folder with one"
        raise ConfigurationError("leakage.corpora", problem, "Paths are relative to the use-case file.")
    return readable


def _records(file: TextIO) -> Iterator[tuple[int, str]]:
    """All strings of each record; a line that is no JSON stands for itself."""
    for number, line in _lines(file):
        try:
            yield number, "\n".join(_strings(json.loads(line)))
        except (ValueError, RecursionError):
            yield number, line


def _paragraphs(file: TextIO) -> Iterator[tuple[int, str]]:
    """What stands between empty lines, by the number of its first line."""
    first, held = 1, ""
    for number, line in _lines(file):
        first = first if held else number
        held += line
        if not line.strip() or len(held) > LINE:
            yield first, held
            held = held[-STEP:] if line.strip() else ""
    yield first, held


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    number = 1
    while line := file.readline(LINE):
        yield number, line
        number += line.endswith("\n")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
