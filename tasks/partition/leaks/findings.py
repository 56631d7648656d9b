"""leakage.json and its pairs: what the search found, in ids and counts."""

import numpy as np
import pandas as pd

from data_contracts.records import PAIR_COLUMNS, LeakageReport, Partitions, Phrase
from tasks.partition.leaks.corpora import found_in_corpora
from tasks.partition.leaks.labels_in_input import labels_in_input
from tasks.partition.leaks.links import KINDS
from tasks.partition.leaks.search import JUDGES, Context, Search, by_position, evaluation_rows

TURNS = {
    "user": "all user turns of each row",
    "last_user": "the last user turn of each row",
    "conversation": "every turn of each row before the answer, tool calls and their results included",
}
NOT_TEXT = ("same group", "newer than test")  # whose answers say nothing about the leak


def report(partitions: Partitions, links: pd.DataFrame, search: Search) -> tuple[LeakageReport, pd.DataFrame]:
    """The report, and PAIR_COLUMNS of the worst link of each evaluation row, then of what corpora hold."""
    judged, trained = evaluation_rows(partitions), by_position(partitions.train)
    worst = links.drop_duplicates("evaluation")
    pairs = _pairs(worst, judged, trained, search.context)
    corpora = _in_corpora(judged, search)
    context, counts, policy = search.context, search.counts, search.policy
    common = counts.boilerplate(search.texts, policy)
    made = LeakageReport(
        train_rows=len(trained),
        validation_rows=len(partitions.validation),
        test_rows=len(partitions.test),
        compared=compared(search),
        found=_by_kind(pairs[~pairs["review"]]),
        review=_by_kind(pairs[pairs["review"]]),
        withheld=0,
        label_agreement=_agreement(worst, judged, trained),
        label_in_input=labels_in_input(judged.reset_index(), search.inputs) if context.labelled else {},
        uploaded=len(context.uploaded.words) if context.uploaded else 0,
        corpora={corpus: len(rows) for corpus, rows in corpora.items()},
        boilerplate=int((counts.counts > counts.most(policy)).sum()),
        phrases=[Phrase(words=words, rows=rows) for words, rows in common],
    )
    every = pd.concat([pairs, *corpora.values()], ignore_index=True)
    return made, every.astype({"review": bool})


def compared(search: Search) -> str:
    """Which text of a row was compared, and how."""
    policy = search.policy
    return (
        f"Compared: {TURNS[search.context.compare]}, by words without case, punctuation and Unicode form, every number "
        "the same but for the kinds same text and same words; a character is a word in languages without spaces "
        "(Chinese, Japanese, Thai, Lao, Khmer, Burmese). Runs of three words count where at most "
        f"{search.counts.most(policy)} of {search.counts.rows} rows have them; the commoner ones are boilerplate. "
        "Texts that share some of these runs are compared by their single words outside boilerplate too. "
        f"Texts of fewer than {policy.short_words} words leak by the same words only, the rest is for review."
    )


def _pairs(worst: pd.DataFrame, judged: pd.DataFrame, trained: pd.DataFrame, context: Context) -> pd.DataFrame:
    ids = trained["id"].reindex(worst["train"]).to_numpy(dtype=object)
    uploaded = (worst["source"] == "uploaded").to_numpy()
    if context.uploaded and uploaded.any():
        ids[uploaded] = np.asarray(context.uploaded.words, dtype=object)[worst["train"][uploaded]]
    pairs = pd.DataFrame(
        {
            "partition": judged["partition"].loc[worst["evaluation"]].to_numpy(),
            "evaluation_id": judged["id"].loc[worst["evaluation"]].to_numpy(),
            "train_id": ids,
            "kind": np.array(KINDS, dtype=object)[worst["severity"].to_numpy()],
            "score": worst["score"].round(4).to_numpy(),
            "evidence": worst["evidence"].round(2).to_numpy(),
            "source": worst["source"].to_numpy(),
            "review": worst["review"].to_numpy(dtype=bool),
        }
    )
    return pairs[list(PAIR_COLUMNS)]


def _in_corpora(judged: pd.DataFrame, search: Search) -> dict[str, pd.DataFrame]:
    """Corpus -> PAIR_COLUMNS of the evaluation rows that it holds."""
    texts = search.texts.take(judged.index.to_numpy())
    found = {}
    for corpus, rows in found_in_corpora(texts, search.counts, search.policy, search.context.folder):
        known = judged.iloc[rows["judged"]]
        named = rows.assign(partition=known["partition"].to_numpy(), evaluation_id=known["id"].to_numpy())
        named = named.rename(columns={"place": "train_id"}).assign(source="corpus", review=True)
        found[corpus] = named[list(PAIR_COLUMNS)]
    return found


def _by_kind(pairs: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts = pairs.groupby(["partition", "kind"]).size()
    return {name: {kind: int(counts.get((name, kind), 0)) for kind in KINDS} for name in JUDGES}


def _agreement(worst: pd.DataFrame, judged: pd.DataFrame, trained: pd.DataFrame) -> float | None:
    """Share of leaks by text whose train row has the same expected answer."""
    not_text = worst["severity"].isin([KINDS.index(kind) for kind in NOT_TEXT])
    leaks = worst[~worst["review"] & ~not_text & (worst["source"] == "train")]
    given = judged["output"].loc[leaks["evaluation"]].to_numpy()
    same = given == trained["output"].loc[leaks["train"]].to_numpy()
    return float(same.mean()) if len(leaks) else None
