"""Texts of unrelated words, so that only planted copies are alike."""

import random

import pandas as pd

from data_contracts.data_policy import Leakage
from tasks.similarity.pairs import best_pairs
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts

POLICY = Leakage()
WORDS = [
    a + b + c for a in ("ba", "ko", "ri", "ta") for b in ("len", "mos", "nur", "vik", "pag") for c in ("a", "o", "eth")
]


def unrelated_texts(count: int, seed: int = 1, words: int = 12) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=words)) for _ in range(count)]


def found(judged: list[str], trained: list[str], policy: Leakage = POLICY) -> pd.DataFrame:
    one, other = Texts.of(judged), Texts.of(trained)
    return best_pairs(one, other, RowCounts.of(one, other), policy)


def pairs_of(judged: list[str], trained: list[str], policy: Leakage = POLICY) -> list[tuple[int, int]]:
    pairs = found(judged, trained, policy)
    return list(zip(pairs["judged"], pairs["trained"], strict=True))
