"""Evaluation texts that stand in a prompt: whoever reads the prompt has seen them."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from data_contracts.records import Partitions
from data_contracts.text import normalised_words
from tasks.partition.leaks.corpora import windows
from tasks.partition.leaks.search import Search, evaluation_rows
from tasks.similarity.characters import UNSPACED
from tasks.similarity.pairs import best_pairs
from tasks.similarity.texts import Texts

MIN_WORDS = 5  # shorter inputs ("what is my balance") stand in honest instructions by chance
MAX_WORDS = 40  # of a quotation that is looked for word by word; longer ones are found by their phrases
_UNSPACED = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
WORD = re.compile(f"[{_UNSPACED}]|[^ {_UNSPACED}]+")


def texts_in_prompts(prompts: Mapping[str, Sequence[str]], partitions: Partitions, search: Search) -> pd.DataFrame:
    """Validation and test rows whose input (five words or more) stands in a prompt's fixed text, or nearly so.

    `prompts` maps names to texts. Columns: prompt, id, kind and score; each row once.
    """
    rows = evaluation_rows(partitions)
    texts = search.texts.take(rows.index.to_numpy())
    found = pd.concat([_quoted(prompts, texts), _alike(prompts, texts, search)], ignore_index=True)
    found = found.astype({"judged": np.int64})
    found = found.drop_duplicates("judged").sort_values("judged")
    ids = rows["id"].iloc[found["judged"]].to_numpy()
    return found.assign(id=ids)[["prompt", "id", "kind", "score"]].reset_index(drop=True)


def _quoted(prompts: Mapping[str, Sequence[str]], texts: Texts) -> pd.DataFrame:
    """Word for word."""
    runs = {run: name for name, parts in prompts.items() for part in parts for run in _runs(part)}
    first = pd.Series(list(runs.values()), Texts.of(list(runs)).words, dtype=object)
    named = pd.Series(texts.words).map(first[~first.index.duplicated()])
    judged = np.flatnonzero(named.notna())
    return pd.DataFrame({"judged": judged, "prompt": named.iloc[judged].array, "kind": "same words", "score": 1.0})


def _alike(prompts: Mapping[str, Sequence[str]], texts: Texts, search: Search) -> pd.DataFrame:
    """With small edits, or in part. Short texts are alike by chance and left out."""
    parts = [(name, part) for name, fixed in prompts.items() for text in fixed for part in windows(text)]
    pairs = best_pairs(texts, Texts.of([part for _, part in parts]), search.counts, search.policy)
    pairs = pairs[texts.length[pairs["judged"]] >= search.policy.short_words]
    named = [parts[passage][0] for passage in pairs["trained"]]
    return pairs.assign(prompt=pd.Series(named, pairs.index, dtype=object))[["judged", "prompt", "kind", "score"]]


def _runs(text: str) -> Iterator[str]:
    """Every run of five to forty words; a letter of a language without spaces is one."""
    plain = normalised_words(text)
    words = [word.span() for word in WORD.finditer(plain)]
    for length in range(MIN_WORDS, min(MAX_WORDS, len(words)) + 1):
        yield from (plain[first:last] for (first, _), (_, last) in zip(words, words[length - 1 :], strict=False))
