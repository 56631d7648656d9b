"""Partitions with planted leaks: texts of unrelated words, so that only planted copies are alike."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import pandas as pd
import pyarrow as pa

from data_contracts.data_policy import Leakage
from data_contracts.records import KEY_COLUMNS, Partitions
from data_contracts.text import words_hash
from tasks.partition import leakage

SYLLABLES = (("ba", "ko", "ri", "ta"), ("len", "mos", "nur", "vik", "pag"), ("a", "o", "eth", "im"), ("", "dor", "sul"))
WORDS = ["".join(parts) for parts in product(*SYLLABLES)]
NAMES = ("train", "validation", "test", "withheld")


def unrelated_texts(count: int, seed: int = 1, words: int = 12) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=words)) for _ in range(count)]


TEXTS = unrelated_texts(200)
TRAIN, TEST = TEXTS[:60], TEXTS[60:80]  # what is there beside the planted rows
SPARE = TEXTS[100:]


@dataclass(frozen=True)
class Leaky:
    """Partitions and the texts that their positions point at. Ids say where a row is: train-0, test-3."""

    partitions: Partitions
    inputs: pa.ChunkedArray

    def find(self, policy: Leakage, **context: object) -> leakage.Found:
        return leakage.find(self.partitions, self.inputs, policy, leakage.Context(**context))  # type: ignore[arg-type]

    def pairs(self, policy: Leakage, **context: object) -> list[tuple[str, str, str]]:
        """(evaluation id, train id, kind) of each pair that is no mere review."""
        pairs = self.find(policy, **context).pairs
        leaks = pairs[~pairs["review"]]
        return list(zip(leaks["evaluation_id"], leaks["train_id"], leaks["kind"], strict=True))

    def check(self, policy: Leakage, **context: object) -> leakage.LeakFreePartitions:
        return leakage.check(self.partitions, self.find(policy, **context), "runs/1/leakage_pairs.parquet")


def leaky(texts: Mapping[str, Sequence[str]], **columns: Mapping[str, Sequence[str] | Mapping[int, str]]) -> Leaky:
    """`texts` by partition. A column gives all values of a partition, or those of single rows:
    `group={"train": {3: "ann"}, "test": {0: "ann"}}`.
    """
    rows = pd.concat([_rows(name, texts.get(name, ()), columns) for name in NAMES], ignore_index=True)
    rows = rows.sample(frac=1, random_state=7).reset_index(drop=True)  # positions follow no partition
    rows["position"] = rows.index
    third, column = len(rows) // 3, rows["input"].tolist()
    inputs = pa.chunked_array([column[:third], column[third:]], pa.string())
    frames = {name: rows.loc[rows["name"] == name, [*KEY_COLUMNS, "position"]].reset_index(drop=True) for name in NAMES}
    return Leaky(Partitions(**frames | {"withheld": frames["withheld"].assign(reason="leak")}), inputs)


def _rows(
    name: str, texts: Sequence[str], columns: Mapping[str, Mapping[str, Sequence[str] | Mapping[int, str]]]
) -> pd.DataFrame:
    rows = pd.DataFrame({"id": [f"{name}-{number}" for number in range(len(texts))], "input": list(texts)}, dtype="str")
    defaults = {"output": "yes", "created_at": "", "given_partition": "", "file": "rows.jsonl", "group": rows["id"]}
    rows = rows.assign(name=name, line=rows.index + 1, words=rows["input"].map(words_hash).astype("str"), **defaults)
    for column, by_name in columns.items():
        values = by_name.get(name, {})
        given = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
        rows[column] = [given.get(number, value) for number, value in enumerate(rows[column])]
    return rows


def planted(train: Sequence[str], test: Sequence[str], **columns: Mapping[str, Mapping[int, str]]) -> Leaky:
    """Sixty unrelated train rows and these (train-60 ...), twenty unrelated test rows and these (test-20 ...)."""
    return leaky({"train": [*TRAIN, *train], "test": [*TEST, *test]}, **columns)
