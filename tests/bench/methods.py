"""What is compared: each takes the Parquet files of train and test, and gives back the call that is timed.

The limit reads the files itself; to the others the texts are given in the form that they like best. Peers are run as
their documentation does, on word trigrams of text folded as ours is (compatibility form, case, punctuation).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Flagged: TypeAlias = pd.DataFrame  # judged: positions in test; trained, kind, rank where the method says them
Run = Callable[[], Flagged]
Method = Callable[[Path, Path], Run]

WORD = re.compile(r"[^\W_]+")
FORMAT = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
THRESHOLD, PERMUTATIONS, BANDS = 0.5, 128, 32


def limit(train: Path, test: Path) -> Run:
    """L: read the text column of both files, hash each row once."""
    import polars as pl

    def run() -> Flagged:
        hashes = [pl.read_parquet(path, columns=["text"])["text"].hash() for path in (train, test)]
        return _flagged(np.zeros(len(hashes[1]), bool))

    return run


def ours(train: Path, test: Path) -> Run:
    """The leakage check: every leaked test row with its source in train."""
    from data_contracts.data_policy import Leakage
    from tasks.similarity.pairs import best_pairs
    from tasks.similarity.phrases import RowCounts
    from tasks.similarity.texts import Texts

    policy, sides = Leakage(), (_column(train), _column(test))

    def run() -> Flagged:
        trained, judged = map(Texts.of, sides)
        return best_pairs(judged, trained, RowCounts.of(trained, judged), policy)

    return run


def clustering(train: Path, test: Path) -> Run:
    """Clusters over both sides, as partitioning needs them; flagged is a test row in a cluster with a train row."""
    from data_contracts.data_policy import Leakage
    from tasks.similarity.clusters import clusters
    from tasks.similarity.phrases import RowCounts
    from tasks.similarity.texts import Texts

    policy, sides = Leakage(), (_column(train), _column(test))
    every, cut = pa.chunked_array([*sides[0].chunks, *sides[1].chunks]), len(sides[0])

    def run() -> Flagged:
        texts = Texts.of(every)
        cluster = clusters(texts, RowCounts.of(texts), policy)
        return _flagged(np.isin(cluster[cut:], cluster[:cut]))

    return run


def judge_candidates(train: Path, test: Path) -> Run:
    """The leakage check, and the three sources that a semantic judge would be shown of each row it does not flag."""
    from data_contracts.data_policy import Leakage
    from tasks.similarity.pairs import best_pairs, candidates
    from tasks.similarity.phrases import RowCounts
    from tasks.similarity.texts import Texts

    trained, judged = Texts.of(_column(train)), Texts.of(_column(test))
    counts, policy = RowCounts.of(trained, judged), Leakage()

    def run() -> Flagged:
        found = best_pairs(judged, trained, counts, policy)
        return pd.concat([found, candidates(judged, trained, counts, policy)], ignore_index=True)

    return run


def datasketch(train: Path, test: Path) -> Run:
    """MinHash LSH over word trigrams at 0.5, 128 permutations."""
    from datasketch import MinHash, MinHashLSH

    sides = _column(train).to_pylist(), _column(test).to_pylist()

    def sketches(texts: list[str]) -> Iterator[MinHash]:
        grams = ([gram.encode() for gram in trigrams(text)] for text in texts)
        return MinHash.generator(grams, num_perm=PERMUTATIONS)

    def run() -> Flagged:
        index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
        with index.insertion_session() as session:
            for at, sketch in enumerate(sketches(sides[0])):
                session.insert(at, sketch, check_duplication=False)
        return _flagged(np.array([bool(index.query(sketch)) for sketch in sketches(sides[1])]))

    return run


def rensa(train: Path, test: Path) -> Run:
    """R-MinHash LSH over word trigrams, candidates kept from an estimated Jaccard of 0.5 on."""
    from rensa import RMinHash, RMinHashLSH

    sides = _column(train).to_pylist(), _column(test).to_pylist()

    def run() -> Flagged:
        index = RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)
        trained, judged = (
            RMinHash.from_token_sets((list(trigrams(text)) for text in texts), PERMUTATIONS, 42) for texts in sides
        )
        index.insert_many(trained)
        near = zip(judged, index.query_all(judged), strict=True)
        return _flagged(np.array([any(one.jaccard(trained[at]) >= THRESHOLD for at in found) for one, found in near]))

    return run


def exact_join(train: Path, test: Path, normalised: bool = False) -> Run:
    """A polars semi-join on the text, as it is or folded (compatibility form, case, punctuation)."""
    import polars as pl

    text = pl.col("text")
    folded = text.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\p{Cf}", "")
    key = folded.str.replace_all(r"[^\p{L}\p{N}\p{M}]+", " ").str.strip_chars() if normalised else text
    trained, judged = (pl.read_parquet(path, columns=["text"]).with_row_index("judged") for path in (train, test))

    def run() -> Flagged:
        keyed = judged.lazy().with_columns(key.alias("key"))
        found = keyed.join(trained.lazy().with_columns(key.alias("key")), on="key", how="semi")
        return pd.DataFrame({"judged": found.select("judged").collect()["judged"].to_numpy()})

    return run


def trigrams(text: str) -> set[str]:
    """Of the folded words; of fewer than three words, all of them as one."""
    words = WORD.findall(FORMAT.sub("", unicodedata.normalize("NFKC", text)).lower())
    return {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}


def _column(path: Path) -> pa.ChunkedArray:
    return pq.read_table(path, columns=["text"])["text"]


def _flagged(mask: np.ndarray) -> Flagged:
    return pd.DataFrame({"judged": np.flatnonzero(mask)})


LIMIT, OURS, CLUSTERS, JUDGE = "L: read + hash", "ours", "ours: clusters", "ours + candidates"
METHODS: dict[str, Method] = {
    LIMIT: limit,
    OURS: ours,
    CLUSTERS: clustering,
    JUDGE: judge_candidates,
    "datasketch": datasketch,
    "rensa": rensa,
    "polars exact join": exact_join,
    "polars normalised join": partial(exact_join, normalised=True),
}
PEERS = tuple(name for name in METHODS if name not in {LIMIT, OURS, CLUSTERS, JUDGE})
