"""Which train rows stand in a prompt as examples."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.candidate import FewShot
from data_contracts.text import normalised_words, words_hash
from tasks.errors import DataError

BLOCK_CELLS = 10_000_000  # similarities held in memory at once
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """One example of a prompt: the messages of a train row and its expected answer."""

    id: str
    messages: list[dict[str, Any]]
    output: str


class FewShots:
    """Chooses examples from train and from nowhere else, never one that has the words of the input itself."""

    def __init__(self, train: pd.DataFrame) -> None:
        """`train` has the columns id, messages (JSON), output and input; other columns are not looked at."""
        rows = train.sort_values("id", kind="stable")  # ties in similarity fall to the smaller id
        self._inputs: list[str] = rows["input"].tolist()
        self._shots = [
            Shot(id_, json.loads(messages), output)
            for id_, messages, output in zip(rows["id"], rows["messages"], rows["output"], strict=True)
        ]

    def choose(self, inputs: Sequence[str], rule: FewShot) -> list[list[Shot]]:
        """At most `rule.count` examples for each input, in the order in which they stand in its prompt.

        fixed: the same for every input, taken in turn from each expected answer, the most typical row first.
        similar: the nearest rows by cosine of TF-IDF character trigrams, the nearest last, beside the question.
        """
        if rule.count == 0:
            return [[] for _ in inputs]
        if not self._inputs:
            raise DataError("few-shot examples", "train has no rows", "Give train rows, or set few_shot.count to 0.")
        found = self._fixed(inputs, rule.count) if rule.choose == "fixed" else self._similar(inputs, rule.count)
        return [[self._shots[position] for position in positions] for positions in found]

    def _fixed(self, inputs: Sequence[str], count: int) -> Iterator[list[int]]:
        for text in inputs:
            own = self._copies(text)
            yield list(islice((position for position in self._typical if position not in own), count))

    def _similar(self, inputs: Sequence[str], count: int) -> Iterator[list[int]]:
        rows = max(1, BLOCK_CELLS // len(self._inputs))
        for start in range(0, len(inputs), rows):
            block = inputs[start : start + rows]
            similarities: Scores = (self._vectoriser.transform(block) @ self._transposed).toarray()
            for text, row in zip(block, similarities, strict=True):
                row[list(self._copies(text))] = -1
                yield _nearest_last(row, count)

    def _copies(self, text: str) -> set[int]:
        return self._positions.get(words_hash(text), set())

    @cached_property
    def _positions(self) -> dict[str, set[int]]:
        """Rows by the hash of their words."""
        positions = defaultdict(set)
        for position, text in enumerate(self._inputs):
            positions[words_hash(text)].add(position)
        return dict(positions)

    @cached_property
    def _vectoriser(self) -> Any:  # noqa: ANN401 - scikit-learn is untyped
        """Character trigrams within words: they bridge inflection and typing errors and need no word boundaries."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectoriser = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 3), preprocessor=normalised_words, dtype=np.float32
        )
        return vectoriser.fit(self._inputs)

    @cached_property
    def _transposed(self) -> Any:  # noqa: ANN401 - scipy is untyped
        return self._vectoriser.transform(self._inputs).T.tocsr()

    @cached_property
    def _typical(self) -> list[int]:
        """Every row, in rounds: first the most central row of each expected answer, then the second of each.

        Within a round frequent answers come first, then rows near the centre of train, then the smaller id.
        """
        vectors = self._transposed.T.tocsr()
        answers, _ = pd.factorize(np.array([shot.output for shot in self._shots], dtype=object))
        rows = pd.DataFrame({"answer": answers})
        rows["central"] = _closeness_to_centre(vectors, answers)
        rows["typical"] = (vectors @ np.asarray(vectors.mean(axis=0)).ravel()).round(5)
        rows["frequent"] = rows.groupby("answer")["answer"].transform("size")
        rows["round"] = rows.sort_values("central", ascending=False, kind="stable").groupby("answer").cumcount()
        order = rows.sort_values(["round", "frequent", "typical"], ascending=[True, False, False], kind="stable")
        return [int(position) for position in order.index]


class OtherFolds(FewShots):
    """Chooses examples for a row from the rows of all other folds; what has the same words is in the same fold."""

    def __init__(self, rows: pd.DataFrame, folds: npt.NDArray[np.int64]) -> None:
        """`rows` as train elsewhere, `folds` the fold of each. A text that is not among them gets any of them."""
        super().__init__(rows)
        self._folds = dict(zip(rows["input"].map(words_hash), folds.tolist(), strict=True))
        self._others = {fold: FewShots(rows[folds != fold]) for fold in set(self._folds.values())}

    def choose(self, inputs: Sequence[str], rule: FewShot) -> list[list[Shot]]:
        """At most `rule.count` examples for each input, as FewShots chooses them."""
        chosen: list[list[Shot]] = [[] for _ in inputs]
        by_fold = defaultdict(list)
        for position, text in enumerate(inputs):
            by_fold[self._folds.get(words_hash(text))].append(position)
        for fold, positions in by_fold.items():
            texts = [inputs[position] for position in positions]
            found = super().choose(texts, rule) if fold is None else self._others[fold].choose(texts, rule)
            for position, shots in zip(positions, found, strict=True):
                chosen[position] = shots
        return chosen


def _closeness_to_centre(vectors: Any, groups: npt.NDArray[np.intp]) -> Scores:  # noqa: ANN401 - scipy is untyped
    """Dot product of each row with the mean of its group, in blocks: centres are far denser than rows."""
    from scipy.sparse import csr_array

    sizes = np.bincount(groups)
    members = csr_array(
        (1 / sizes[groups].astype(np.float32), (groups, np.arange(len(groups)))), shape=(len(sizes), len(groups))
    )
    centres = (members @ vectors).tocsr()
    blocks = np.array_split(np.arange(len(groups)), 1 + len(groups) // 1000)
    closeness: Scores = np.concatenate([vectors[rows].multiply(centres[groups[rows]]).sum(axis=1) for rows in blocks])
    return np.asarray(closeness).ravel().round(5)


def _nearest_last(similarities: Scores, count: int) -> list[int]:
    """Positions of the `count` largest, the largest last; ties to the smaller position; negative ones never."""
    kept = min(count, len(similarities))
    threshold = np.partition(similarities, -kept)[-kept]
    candidates = np.flatnonzero(similarities >= max(threshold, 0))
    best = candidates[np.argsort(-similarities[candidates], kind="stable")][:kept]
    return [int(position) for position in best[::-1]]
