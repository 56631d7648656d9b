"""For each judged row the row of train that it is likest."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.data_policy import Leakage
from tasks.similarity.arrays import Found, Int32s
from tasks.similarity.phrases import RowCounts
from tasks.similarity.search import COMPARED, first_with, search
from tasks.similarity.texts import Texts

KINDS = ("same words", "same but for numbers", "near", "shared passages")  # most severe first
SAME_WORDS, SAME_FORM, NEAR, PASSAGES, UNLIKE = range(5)
# Short texts hold few trigrams, so that one common turn of phrase ("why was I charged") already makes 0.45. On
# Banking77 (8 to 12 words) 2, 3 and 5 shared ones flag 606, 482 and 212 test rows, whose nearest train row has the
# same label in 85, 87 and 92 %. Comparing words, which asks for rare phrases in common, adds 88 in which 92 % have it.
# The price: texts of fewer than seven words are compared by their words and their form alone.
MIN_SHARED = 5
# Two rows share a passage only if it would hardly do so by chance: so many nats, and 2 ln(rows) more as the number
# of pairs that could grows with the square of the rows.
MIN_EVIDENCE, EVIDENCE_ROWS = 12.0, 10_000

Floats = npt.NDArray[np.float64]
Nats = npt.NDArray[np.float32]
Kinds = npt.NDArray[np.int8]
Positions = npt.NDArray[np.integer]


def best_pairs(judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage) -> pd.DataFrame:
    """The likest row of train of each judged row that has one, of the most severe kind: in the order of judged.

    Columns: judged, trained (positions), kind (of KINDS), score (1, Jaccard or weighted Jaccard of rare trigrams, by
    kind), evidence (nats shared).
    """
    same, form = first_with(trained.words, judged.words), of_one_form(judged, trained, counts, policy)
    found = search(judged, trained, counts.cut(policy), known=np.where(same >= 0, same, form))
    kind, score = judge(found, counts, policy)
    mark_known(kind, score, same, form)
    best = np.argmin(kind - score, axis=1)
    rows = np.flatnonzero(kind.min(axis=1) < UNLIKE)
    at = (rows, best[rows])
    return pair_frame({"judged": rows, "trained": found.trained[at]}, kind[at], score[at], found.evidence[at])


def candidates(judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage, top: int = 3) -> pd.DataFrame:
    """The likeliest sources of the judged rows that best_pairs does not flag, for a judge who knows what words mean.

    Columns: judged, trained (positions), evidence (nats shared), rank (from 0).
    """
    same, form = first_with(trained.words, judged.words), of_one_form(judged, trained, counts, policy)
    known = np.where(same >= 0, same, form)
    found = search(judged, trained, counts.cut(policy), known, compared=max(top, COMPARED))
    kind, _score = judge(found, counts, policy)
    unlike = np.flatnonzero((known < 0) & (kind.min(axis=1) == UNLIKE))
    likely = found.trained[unlike] >= 0
    columns = {"judged": np.repeat(unlike, likely.sum(axis=1)), "trained": found.trained[unlike][likely]}
    frame = pd.DataFrame(columns, dtype=np.int64).assign(evidence=found.evidence[unlike][likely].astype(np.float64))
    frame = frame.sort_values(["judged", "evidence", "trained"], ascending=[True, False, True], ignore_index=True)
    frame["rank"] = frame.groupby("judged").cumcount()
    return frame[frame["rank"] < top].reset_index(drop=True)


def judge(found: Found, counts: RowCounts, policy: Leakage) -> tuple[Kinds, Floats]:
    """Kind (NEAR, PASSAGES, UNLIKE) and score of each comparison."""
    enough = found.shared >= MIN_SHARED
    floor = MIN_EVIDENCE + 2 * max(0.0, float(np.log(max(counts.rows, 1) / EVIDENCE_ROWS)))
    phrases, words = enough & (found.phrases >= np.float32(policy.near)), found.words >= np.float32(policy.near)
    passages = enough & (found.weighted >= np.float32(policy.passages)) & (found.evidence >= floor)
    kind = np.select([phrases | words, passages], [NEAR, PASSAGES], UNLIKE).astype(np.int8)
    score = np.select([phrases, words, passages], [found.phrases, found.words, found.weighted], 0.0)
    return kind, score.astype(np.float64)


def of_one_form(judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage) -> Int32s:
    """First row of train that is the same but for numbers, -1 where there is none or the form is boilerplate."""
    telling = (judged.form != 0) & ~counts.widespread(judged.form, policy)
    return np.where(telling, first_with(trained.form, judged.form), np.int32(-1))


def mark_known(kind: Kinds, score: Floats, same: Int32s, form: Int32s) -> None:
    """What is known without a comparison stands in the first column."""
    for known, severity in ((form >= 0, SAME_FORM), (same >= 0, SAME_WORDS)):
        kind[known, 0], score[known, 0] = severity, 1.0


def pair_frame(sides: dict[str, Positions], kind: Kinds, score: Floats, evidence: Nats) -> pd.DataFrame:
    """One line a pair: the two sides, kind by name, score, evidence."""
    named = pd.Series(np.array(KINDS, dtype=object)[kind], dtype="str")
    columns = {name: positions.astype(np.int64) for name, positions in sides.items()}
    return pd.DataFrame({**columns, "kind": named, "score": score, "evidence": evidence.astype(np.float64)})
