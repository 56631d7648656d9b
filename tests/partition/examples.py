"""Example rows for the tests of this folder, without texts: what counts is which rows belong together."""

import random
from collections.abc import Sequence
from typing import Any

import pandas as pd

from data_contracts.records import PARTITIONS, Partitions
from data_contracts.text import words_hash
from tasks.partition.placing.memory import group_keys, row_keys

WORDS = [
    a + b + c for a in ("ba", "ko", "ri", "ta") for b in ("len", "mos", "nur", "vik", "pag") for c in ("a", "o", "eth")
]
DATE = "2026-{month:02}-{day:02}T00:00:00+00:00"


def unrelated_texts(count: int, seed: int = 1, words: int = 12) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=words)) for _ in range(count)]


def rows(count: int, first: int = 0, **columns: Any) -> pd.DataFrame:
    """KEY_COLUMNS of rows that have nothing to do with each other, but for what `columns` say."""
    ids = [f"row-{first + number}" for number in range(count)]
    plain = {
        "id": ids,
        "output": ["yes"] * count,
        "group": columns.get("id", ids),
        "created_at": [""] * count,
        "given_partition": [""] * count,
        "words": [words_hash(id_) for id_ in ids],
        "file": ["rows.jsonl"] * count,
        "line": range(1, count + 1),
    }
    return pd.DataFrame(plain | {name: list(values) for name, values in columns.items()})


def near(*pairs: tuple[int, int]) -> pd.DataFrame:
    """Pairs of rows that are as like as can be: no unit of them is too large to stay together."""
    return pd.DataFrame(pairs, columns=["left", "right"], dtype="int64").assign(kind="near", score=1.0)


def dates(days: Sequence[int]) -> list[str]:
    """Moments from days of a year of 28-day months."""
    return [DATE.format(month=1 + day // 28, day=1 + day % 28) for day in days]


def places(found: Partitions) -> dict[str, str]:
    """Row id to partition, or to the reason why it is withheld."""
    placed = {row: name for name in PARTITIONS for row in getattr(found, name)["id"]}
    return placed | dict(zip(found.withheld["id"], found.withheld["reason"], strict=True))


def history(found: Partitions, test_set: int = 1) -> dict[str, str]:
    """What the next trial remembers of this one."""
    return row_keys(found, test_set) | group_keys(found, test_set)


def words(number: int) -> str:
    """Hash of the words of a row of `rows`."""
    return words_hash(f"row-{number}")
