"""Example rows for the tests of this folder: texts of unrelated words, so that only planted copies are alike."""

import random
from collections.abc import Sequence

import pandas as pd

from data_contracts.records import Partitions
from data_contracts.text import words_hash

WORDS = [
    a + b + c for a in ("ba", "ko", "ri", "ta") for b in ("len", "mos", "nur", "vik", "pag") for c in ("a", "o", "eth")
]


def unrelated_texts(count: int, seed: int = 1, words: int = 12) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=words)) for _ in range(count)]


def rows(
    texts: Sequence[str],
    groups: Sequence[str] | None = None,
    given: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    first_id: int = 0,
) -> pd.DataFrame:
    ids = [f"row-{first_id + number}" for number in range(len(texts))]
    return pd.DataFrame(
        {
            "id": ids,
            "input": list(texts),
            "messages": "[]",
            "output": list(outputs or ["yes"] * len(texts)),
            "group": list(groups or ids),
            "created_at": "",
            "given_partition": list(given or [""] * len(texts)),
            "slices": "{}",
            "words": [words_hash(text) for text in texts],
            "file": "rows.jsonl",
            "line": range(1, len(texts) + 1),
            "offset": 0,
        }
    )


def partitions(train: pd.DataFrame, test: pd.DataFrame, validation: pd.DataFrame | None = None) -> Partitions:
    nothing = train.iloc[:0]
    return Partitions(train, nothing if validation is None else validation, test, nothing.assign(reason=""))


def places(found: Partitions) -> dict[str, str]:
    """Row id to partition, or to the reason why it is withheld."""
    placed = {row: name for name in ("train", "validation", "test") for row in getattr(found, name)["id"]}
    return placed | dict(zip(found.withheld["id"], found.withheld["reason"], strict=True))


def history(found: Partitions) -> dict[str, str]:
    """What the next trial remembers of this one."""
    return {words: name for name in ("train", "validation", "test") for words in getattr(found, name)["words"]}
