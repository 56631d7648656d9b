"""Labels that a classification input gives away."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.text import normalised_words
from tasks.partition.leaks.text_column import texts_at


def labels_in_input(rows: pd.DataFrame, inputs: pa.ChunkedArray) -> dict[str, int]:
    """Label -> rows whose input holds their own label as whole words: case, punctuation and underscores aside.

    `rows` has the columns output and position (the row's number in `inputs`).
    """
    texts = texts_at(inputs, rows["position"])
    numbered = pd.Series(np.arange(len(rows)), index=rows.index)
    told = {
        str(label): _holding(texts.take(pa.array(numbers)), normalised_words(str(label)))
        for label, numbers in numbered.groupby(rows["output"].to_numpy(), sort=True)
    }
    return {label: count for label, count in told.items() if count}


def _holding(texts: pa.Array, phrase: str) -> int:
    """Texts that hold the phrase. Only those that may are normalised: plain ones with its first word, and odd ones."""
    plain = pc.match_substring(texts, phrase.partition(" ")[0], ignore_case=True)
    may = pc.or_(plain, pc.invert(pc.string_is_ascii(texts)))
    return sum(f" {phrase} " in f" {normalised_words(text)} " for text in texts.filter(may).to_pylist())
