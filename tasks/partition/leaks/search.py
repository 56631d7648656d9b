"""All texts of a run, prepared once, and what ties its evaluation rows to training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data_contracts.data_policy import Leakage
from data_contracts.records import Partitions
from tasks.partition.leaks.links import (
    PASSAGES,
    SAME_FORM,
    SAME_MEANING,
    Uploaded,
    alike,
    by_keys,
    joined,
    links,
    newer,
    no_links,
    older,
    to_uploaded,
)
from tasks.partition.leaks.semantic import Judge
from tasks.similarity.phrases import RowCounts
from tasks.similarity.spread import Machine
from tasks.similarity.texts import Texts

JUDGES = ("validation", "test")
COMPARED = ("id", "output", "group", "words", "created_at")
ORDER = ["evaluation", "review", "severity", "source", "score", "train"]


def silent(what: str, done: int, of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Context:
    """What the check has to know besides rows and policy."""

    compare: Literal["user", "last_user", "conversation"] = "user"  # the contract's mapping.compare
    by_time: bool = False  # split.method is time
    labelled: bool = False  # the answers are labels
    folder: Path = Path()  # that policy.corpora are relative to
    uploaded: Uploaded | None = None
    progress: Callable[[str, int, int], None] = silent  # hears what, how many are done, of how many


@dataclass(frozen=True)
class Search:
    """Texts, counts and judge of one run: made once, asked for every state of its partitions."""

    inputs: pa.ChunkedArray
    texts: Texts
    counts: RowCounts
    policy: Leakage
    context: Context
    judge: Judge | None

    @classmethod
    def of(cls, inputs: pa.ChunkedArray, policy: Leakage, context: Context, machine: Machine) -> Self:
        """Prepare: whatever partition a row is in, withheld or not, its phrases count as common or rare."""
        texts = Texts.of(inputs)
        judge = _judge(inputs, policy, context)
        return cls(inputs, texts, machine.counts(texts), policy, context, judge)

    def links(self, partitions: Partitions, machine: Machine) -> pd.DataFrame:
        """Every link of an evaluation row, its worst first; `review`: for a person to look at, no more."""
        judged, trained = evaluation_rows(partitions), by_position(partitions.train)
        found = [by_keys(judged, trained, self.inputs, self.policy), self._similar(judged, trained, machine)]
        if self.context.by_time and self.policy.time:
            found.append(newer(judged, trained))
        if self.context.uploaded:
            found.append(to_uploaded(judged, self._of(judged), self.counts, self.context.uploaded, self.policy))
        found.append(self._same_meaning(judged.drop(joined(found)["evaluation"].unique()), trained, machine))
        marked = self._marked(joined(found))
        return marked.sort_values(ORDER, ascending=[True, True, True, True, False, True], ignore_index=True)

    def sources(self, evaluation: npt.NDArray[np.int64], partitions: Partitions, machine: Machine) -> pd.Index:
        """Positions of all train rows that are copies or siblings of these evaluation rows: the search turned round."""
        judged, trained = evaluation_rows(partitions).loc[evaluation], by_position(partitions.train)
        long = judged[self.texts.length[judged.index] >= self.policy.short_words]
        found = [by_keys(trained, judged, self.inputs, self.policy), self._similar(trained, long, machine)]
        if self.context.by_time and self.policy.time:
            found.append(older(judged, trained))
        return pd.Index(joined(found)["evaluation"].unique())

    def _similar(self, judged: pd.DataFrame, trained: pd.DataFrame, machine: Machine) -> pd.DataFrame:
        pairs = machine.best_pairs(self._of(judged), self._of(trained), self.counts, self.policy)
        return alike(pairs, judged, trained)

    def _same_meaning(self, judged: pd.DataFrame, trained: pd.DataFrame, machine: Machine) -> pd.DataFrame:
        if self.judge is None or self.policy.semantic is None:
            return no_links()
        near = machine.candidates(self._of(judged), self._of(trained), self.counts, self.policy)
        found = links(judged.index[near["judged"]], trained.index[near["trained"]], "same meaning")
        found = found.assign(score=self.judge.scores(found), evidence=near["evidence"].to_numpy())
        return found[found["score"] >= self.policy.semantic.threshold]

    def _marked(self, found: pd.DataFrame) -> pd.DataFrame:
        """Short texts are alike by chance: but for the same words, and what is no text at all, they go to review."""
        short = self.texts.length[found["evaluation"]] < self.policy.short_words
        weak, meaning = found["severity"].between(SAME_FORM, PASSAGES), found["severity"] == SAME_MEANING
        judge_reviews = self.policy.semantic is not None and self.policy.semantic.on_leak == "review"
        return found.assign(review=(short & (weak | meaning)) | (meaning & judge_reviews))

    def _of(self, rows: pd.DataFrame) -> Texts:
        return self.texts.take(rows.index.to_numpy())


def evaluation_rows(partitions: Partitions) -> pd.DataFrame:
    """Validation and test rows by position, with the column `partition`."""
    return pd.concat([by_position(getattr(partitions, name)).assign(partition=name) for name in JUDGES])


def by_position(rows: pd.DataFrame) -> pd.DataFrame:
    """What is compared of the rows, beside their texts, by their number among all curated rows."""
    return rows[["position", *COMPARED]].set_index("position")


def _judge(inputs: pa.ChunkedArray, policy: Leakage, context: Context) -> Judge | None:
    if policy.semantic is None:
        return None
    from tasks.providers.embeddings import Embeddings

    return Judge(inputs, Embeddings(policy.semantic).of, context.progress)
