"""Which inputs are alike: neighbours, groups, and the words that set a group apart."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.text import normalised_words

NEAR = 0.5  # cosine of character trigrams from which two inputs are alike: on Banking77 2 in 3 such pairs share a label
GROUP = 0.35  # mean cosine within a group; below, groups of short messages hang together by their function words
SMALLEST = 3  # of two strays any two words are shared
NEIGHBOURS = 5
GROUPED = 2_000  # inputs that are put into groups at most: the distances of all their pairs stand in memory
TERMS = 5
WORD = r"(?u)\b[^\W\d_]{2,}\b"
NEIGHBOUR_MEMORY = 64  # MiB

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Likeness:
    """Texts by case, compared by cosine of TF-IDF as the choice of few-shot examples compares them.

    The order of cases is the order of `texts`: give it sorted, and the same texts give the same groups.
    """

    texts: Mapping[str, str]

    @cached_property
    def cases(self) -> list[str]:
        """In the order of positions."""
        return list(self.texts)

    @cached_property
    def neighbours(self) -> dict[str, list[str]]:
        """To each case at most NEIGHBOURS others that are alike, the nearest first; none to a text without letters."""
        if self._grams is None or len(self.cases) < 2:
            return {}
        found: dict[str, list[str]] = {}
        for case, distances, others in zip(self.cases, *_nearest(self._grams), strict=True):
            near = [self.cases[other] for other in others[distances <= 1 - NEAR]]
            found[case] = [other for other in near if other != case][:NEIGHBOURS]
        return found

    def groups(self, cases: Sequence[str]) -> list[list[str]]:
        """Cases whose inputs are alike on the average, SMALLEST or more, the largest group first.

        Average linkage, cut where groups would be less alike than GROUP: it needs no number of groups and no seed. Of
        more than GROUPED cases every second, third, ... is taken.
        """
        if self._grams is None or len(cases) < SMALLEST:
            return []
        taken = cases[:: -(-len(cases) // GROUPED)]
        groups = defaultdict(list)
        for case, label in zip(taken, _linked(self._grams[self._positions(taken)]), strict=True):
            groups[label].append(case)
        return sorted(
            (group for group in groups.values() if len(group) >= SMALLEST), key=lambda group: (-len(group), group)
        )

    def terms(self, cases: Sequence[str]) -> list[str]:
        """At most TERMS words that stand out in these inputs, by mean TF-IDF against all other inputs. Row text."""
        weights, words = self._words
        if weights is None:
            return []
        inside = np.zeros(len(self.cases), dtype=bool)
        inside[self._positions(cases)] = True
        lift = _mean(weights, inside) - _mean(weights, ~inside)
        order = np.argsort(-lift, kind="stable")[:TERMS]
        return [words[position] for position in order if lift[position] > 0]

    def _positions(self, cases: Sequence[str]) -> Positions:
        return np.array([self._index[case] for case in cases], dtype=np.intp)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {case: position for position, case in enumerate(self.cases)}

    @cached_property
    def _grams(self) -> Any:  # noqa: ANN401 - scipy is untyped
        """Weights of character trigrams, cases x trigrams; None where no text has any."""
        weights, _ = self._weights(analyzer="char_wb", ngram_range=(3, 3))
        return weights

    @cached_property
    def _words(self) -> tuple[Any, list[str]]:
        """Weights of words, cases x words, and the words."""
        return self._weights(token_pattern=WORD, sublinear_tf=True)

    def _weights(self, **settings: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - scikit-learn is untyped
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectoriser = TfidfVectorizer(preprocessor=normalised_words, dtype=np.float32, **settings)
        try:
            weights = vectoriser.fit_transform(self.texts.values())
        except ValueError:  # its word for texts without anything to count
            return None, []
        return weights.tocsr(), vectoriser.get_feature_names_out().tolist()


def _nearest(grams: Any) -> tuple[Any, Any]:  # noqa: ANN401 - scipy is untyped
    """Distances and positions of the nearest rows to each row, itself among them."""
    from sklearn import config_context
    from sklearn.neighbors import NearestNeighbors

    with config_context(working_memory=NEIGHBOUR_MEMORY):
        search = NearestNeighbors(n_neighbors=min(NEIGHBOURS + 1, grams.shape[0]), metric="cosine").fit(grams)
        distances, positions = search.kneighbors(grams)
    return distances, positions


def _linked(grams: Any) -> list[int]:  # noqa: ANN401 - scipy is untyped
    """The group of each row, by average linkage of cosine distances."""
    from sklearn.cluster import AgglomerativeClustering

    distances = 1 - (grams @ grams.T).toarray()
    linkage = AgglomerativeClustering(
        n_clusters=None, distance_threshold=1 - GROUP, metric="precomputed", linkage="average"
    )
    return [int(label) for label in linkage.fit_predict(distances)]


def _mean(weights: Any, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:  # noqa: ANN401 - scipy is untyped
    if not rows.any():
        return np.zeros(weights.shape[1])
    return np.asarray(weights[rows].mean(axis=0), dtype=np.float64).ravel()
