"""What is asked, as categories that short texts have: how long it is, what it is about, how many words are new."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from data_contracts.evidence import Interval
from data_contracts.text import normalised_words, words_hash
from tasks.similarity.characters import unspaced
from tasks.watch.stability import stability_index

ROWS_A_TOPIC = 40
MOST_TOPICS = 10
MOST_FITTED = 5_000
BINS = 10
NEW_WORDS = (0.0, 0.1, 0.25, 0.5)  # upper edges of the share of words that no fitted text holds
SEED = 7


def words(text: str) -> list[str]:
    """Normalised words; where a language puts no spaces between them, its characters."""
    plain = normalised_words(text)
    if plain.isascii():
        return plain.split()
    return "".join(f" {sign} " if unspaced(sign) else sign for sign in plain).split()


def distinct(texts: Sequence[str]) -> list[str]:
    """Each text once, as among curated rows: a question that many ask is one kind of question."""
    return list({words_hash(text): text for text in texts}.values())


@dataclass(frozen=True)
class Aspects:
    """Made of texts on neither side of a comparison (the train rows), so that both sides are new to it."""

    known: frozenset[str]
    vectors: Any  # scikit-learn's TfidfVectorizer and KMeans
    topics: Any

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Topics are clusters of TF-IDF vectors of words (k-means), one for each forty texts, ten at most."""
        from sklearn.cluster import KMeans
        from sklearn.feature_extraction.text import TfidfVectorizer

        fitted = [words(text) for text in texts[:MOST_FITTED]]
        vectors = TfidfVectorizer(analyzer=list, min_df=2 if len(fitted) > ROWS_A_TOPIC else 1, max_features=20_000)
        matrix = vectors.fit_transform(fitted)
        count = int(np.clip(len(fitted) // ROWS_A_TOPIC, 2, MOST_TOPICS))
        topics = KMeans(n_clusters=count, n_init=1, random_state=SEED).fit(matrix)
        return cls(frozenset(word for text in fitted for word in text), vectors, topics)

    def drift(self, reference: Sequence[str], now: Sequence[str]) -> dict[str, Interval]:
        """The stability index by aspect: of the length in words, of the topic, of the share of new words."""
        sides = [[words(text) for text in distinct(texts)] for texts in (reference, now)]
        lengths = [np.array([len(text) for text in side]) for side in sides]
        edges = np.unique(np.quantile(lengths[0], np.linspace(0, 1, BINS + 1)[1:-1]))
        binned = {
            "length": [_counts(np.searchsorted(edges, side), len(edges) + 1) for side in lengths],
            "topic": [_counts(self._topics(side), self.topics.n_clusters) for side in sides],
            "new words": [_counts(np.fromiter(self._new(side), np.int64), len(NEW_WORDS) + 1) for side in sides],
        }
        return {name: stability_index(before, after, len(binned)) for name, (before, after) in binned.items()}

    def _topics(self, side: Sequence[list[str]]) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = self.topics.predict(self.vectors.transform(side))
        return found

    def _new(self, side: Sequence[list[str]]) -> Iterator[int]:
        for text in side:
            new = sum(word not in self.known for word in text) / max(1, len(text))
            yield int(np.searchsorted(NEW_WORDS, new))


def _counts(bins: npt.NDArray[np.int64], of: int) -> npt.NDArray[np.int64]:
    return np.bincount(bins, minlength=of)
