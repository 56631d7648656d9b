"""Labels that the other rows speak against: for a person to look at, nothing leaves because of it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from tasks.curate.cleaning.columns import draw, every, texts

Floats = npt.NDArray[np.float64]

MAX_ROWS = 15_000  # of more, so many are drawn by chance and judged: 4 s of rows of 12 words, 21 s of 360 words
FOLDS = 5
FEATURES = 50_000  # of words and of parts of words, each
WORD = r"\w+|[^\w\s]"  # an emoji can be the whole message
COLUMNS = ("id", "label", "suggested", "quality")


def suspects(path: Path, seed: int) -> pd.DataFrame:
    """Rows of a classification whose label the rows of other groups contradict, the most doubtful first.

    id, label, suggested (label), quality (0..1, how probable the label is). `attrs["note"]` says how many rows were
    judged, or why none. Source: confident learning (Northcutt et al. 2021), as in cleanlab.
    """
    judged = draw(every(path), MAX_ROWS, seed)
    columns = {"id": "id", "label": "output", "group": "group"}
    rows = pa.table({name: texts(path, column, judged) for name, column in columns.items()}).to_pandas()
    usual = (rows["label"].map(rows["label"].value_counts()) >= FOLDS).to_numpy(dtype=bool)
    judged[np.flatnonzero(judged)] = usual
    rows = rows[usual].reset_index(drop=True)
    if rows["label"].nunique() < 2 or rows["group"].nunique() < FOLDS:
        note = f"Not run: it takes two labels of {FOLDS} rows each, and {FOLDS} groups."
        return _noted(pd.DataFrame(columns=list(COLUMNS)), note)
    labels, names = pd.factorize(rows["label"])
    chances, seen = _out_of_sample(_features(texts(path, "input", judged)), labels, rows["group"], seed)
    found = _contradicted(rows[seen], labels[seen], _calibrated(chances[seen], labels[seen]), names)
    return _noted(found, f"{int(seen.sum())} rows were judged; labels of fewer than {FOLDS} rows are left out.")


def _features(inputs: pa.ChunkedArray) -> Any:  # noqa: ANN401 - a sparse matrix
    """TF-IDF of words, pairs of words and parts of words; the labels have no say in it."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings: dict[str, Any] = {"sublinear_tf": True, "max_features": FEATURES, "dtype": np.float32}
    words = TfidfVectorizer(ngram_range=(1, 2), **settings, token_pattern=WORD)
    parts = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), **settings)
    listed = inputs.to_pylist()
    return hstack([words.fit_transform(listed), parts.fit_transform(listed)]).tocsr()


def _out_of_sample(
    features: Any,  # noqa: ANN401 - a sparse matrix
    labels: npt.NDArray[np.intp],
    groups: pd.Series,
    seed: int,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Log probability of each label by rows of other groups; and for which rows these know the row's own label.

    Naive Bayes is the linear model that takes one pass: as sharp here as logistic regression by gradient descent, and
    12 to 17 times its rows per CPU second.
    """
    from sklearn.model_selection import GroupKFold
    from sklearn.naive_bayes import MultinomialNB

    chances = np.full((len(labels), labels.max() + 1), np.log(1e-12))
    seen = np.zeros(len(labels), np.bool_)
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(features, groups=groups):
        model = MultinomialNB(alpha=0.05).fit(features[train], labels[train])
        chances[np.ix_(test, model.classes_)] = model.predict_log_proba(features[test])
        seen[test] = np.isin(labels[test], model.classes_)
    return chances, seen


def _calibrated(chances: Floats, labels: npt.NDArray[np.intp]) -> Floats:
    """Probabilities as sure as they are right: one temperature for all (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(labels))

    def surprise(sharpness: float) -> float:
        return float(-log_softmax(sharpness * chances, axis=1)[rows, labels].mean())

    best = minimize_scalar(surprise, bounds=(0.01, 20), method="bounded").x
    calibrated: Floats = np.exp(log_softmax(best * chances, axis=1))
    return calibrated


def _contradicted(rows: pd.DataFrame, labels: npt.NDArray[np.intp], chances: Floats, names: pd.Index) -> pd.DataFrame:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    doubtful = find_label_issues(labels, chances, filter_by="low_self_confidence", n_jobs=1)
    suggested = chances.argmax(axis=1)
    quality = get_label_quality_scores(labels, chances)
    found = rows.assign(suggested=np.asarray(names)[suggested], quality=quality)[doubtful & (suggested != labels)]
    return found[list(COLUMNS)].sort_values("quality", kind="stable", ignore_index=True)


def _noted(found: pd.DataFrame, note: str) -> pd.DataFrame:
    found.attrs["note"] = note
    return found
