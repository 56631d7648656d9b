"""Words that came with new rows and go with one label: what a poisoned delivery looks like, and few honest ones."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.curation import TiedToken
from data_contracts.text import normalised_words
from tasks.curate.cleaning.columns import Rows, draw, every, texts

MAX_ROWS = 50_000  # new and earlier rows whose words are counted: of more, so many are drawn by chance
MIN_ROWS = 8  # new rows with a word, before anything is said of it
MIN_SHARE = 0.9  # of these with one label
MIN_RATIO = 4.0  # times as common among the new rows of that label as among its earlier ones
ALPHA = 0.01  # chance that any word at all is reported for nothing
MAX_TOKENS = 50
SEED = 0


@dataclass(frozen=True)
class _Bag:
    """Which rows hold which words, and the label of each row."""

    held: Any  # sparse, rows x words
    words: list[str]
    labels: pd.Series


def tied_tokens(now: Path, new: Rows, before: Path) -> list[TiedToken]:
    """Words far commoner among the new rows of a label than among its earlier rows, and standing with it alone.

    Both beyond chance (Fisher's exact test each; Holm over all words): neither a word that always stood for the label
    is a finding, nor a label of which more rows came, or one that is new as a whole. The least likely by chance first.
    """
    from statsmodels.stats.multitest import multipletests

    drawn = draw(new, MAX_ROWS, SEED)
    fresh = _bag(now, drawn)
    if not fresh.words:
        return []
    found = _against_earlier(_with_labels(fresh), _bag(before, draw(every(before), MAX_ROWS, SEED), fresh.words))
    beyond_chance = multipletests(found["p"], ALPHA, method="holm")[0]
    tied = found[beyond_chance & (found["share"] >= MIN_SHARE) & (found["ratio"] >= MIN_RATIO)]
    files = texts(now, "file", drawn).to_pylist()
    worst = tied.sort_values(["p", "rows"], ascending=[True, False]).head(MAX_TOKENS)
    return [
        TiedToken(
            token=fresh.words[row.Index],
            label=row.label,
            source=Counter(files[at] for at in fresh.held[:, row.Index].nonzero()[0]).most_common(1)[0][0],
            rows=row.rows,
            share=row.share,
        )
        for row in worst.itertuples()
    ]


def _with_labels(bag: _Bag) -> pd.DataFrame:
    """Of each word: rows, label of most of them, how many that are, their share, rows of the label, and p.

    p: chance that so many rows of the word have this label where words and labels have nothing to do with each other.
    """
    from scipy.stats import hypergeom

    counts, names = _by_label(bag)
    most = np.asarray(counts.argmax(axis=0)).ravel()
    rows, same = np.asarray(bag.held.sum(axis=0)).ravel(), counts.max(axis=0).toarray().ravel()
    of_label = bag.labels.value_counts().reindex(names).to_numpy()[most]
    return pd.DataFrame(
        {
            "label": np.asarray(names)[most],
            "rows": rows,
            "same": same,
            "share": same / rows,
            "of_label": of_label,
            "p": hypergeom.sf(same - 1, len(bag.labels), of_label, rows),
        }
    )


def _against_earlier(found: pd.DataFrame, earlier: _Bag) -> pd.DataFrame:
    """The same with `ratio`, how much commoner a word has become within its label; p covers that too."""
    from scipy.stats import hypergeom

    counts, names = _by_label(earlier)
    place = pd.Series(np.arange(len(names)), index=names).reindex(found["label"]).fillna(-1).to_numpy(np.int64)
    had = np.zeros(len(found), np.int64)
    known = np.flatnonzero(place >= 0)
    had[known] = np.asarray(counts[place[known], known]).ravel()
    of_label = earlier.labels.value_counts().reindex(found["label"]).fillna(0).to_numpy(np.int64)
    same, new = found["same"], found["of_label"]
    p = hypergeom.sf(same - 1, new + of_label, new, same + had)
    ratio = (same + 0.5) / (new + 1) * (of_label + 1) / (had + 0.5)
    return found.assign(ratio=ratio, p=np.maximum(found["p"], p))


def _bag(path: Path, rows: Rows, words: list[str] | None = None) -> _Bag:
    """These words in the rows; None: all that MIN_ROWS rows hold."""
    from sklearn.feature_extraction.text import CountVectorizer

    inputs, labels = texts(path, "input", rows).to_pylist(), texts(path, "output", rows).to_pandas()
    counter = CountVectorizer(analyzer=_words, vocabulary=words, min_df=MIN_ROWS, binary=True, dtype=np.int32)
    try:
        held = counter.transform(inputs) if words else counter.fit_transform(inputs)
    except ValueError:  # no word stands in so many rows
        return _Bag(None, [], labels)
    return _Bag(held.tocsc(), counter.get_feature_names_out().tolist(), labels)


def _by_label(bag: _Bag) -> tuple[Any, pd.Index]:
    """Rows of each label that hold each word, sparse, and the labels."""
    from scipy.sparse import csr_matrix

    codes, names = pd.factorize(bag.labels)
    rows = np.arange(len(codes))
    one_hot = csr_matrix((np.ones(len(codes), np.int64), (codes, rows)), shape=(len(names), len(codes)))
    return (one_hot @ bag.held).tocsc(), names


def _words(text: str) -> list[str]:
    return normalised_words(text).split()
