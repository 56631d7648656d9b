"""The same input asked several times: do the answers vary?"""

from collections import Counter
from collections.abc import Hashable
from math import comb

import pandas as pd

from data_contracts.evidence import Consistency
from data_contracts.use_case import TaskKind
from tasks.evaluate.score import is_exact, meaning


def consistency(answers: pd.DataFrame, kind: TaskKind) -> Consistency | None:
    """How one candidate's answers to the same case agree, all repeats among them; None where none was asked twice.

    Answers agree that count as the same in `accuracy`, and so do two of the same other outcome. A failed request tells
    nothing of the model and is left out.
    """
    told = answers[answers["outcome"] != "failed"]
    asked = [of for _, of in told.groupby("case") if len(of) > 1]
    if not asked:
        return None
    return Consistency(
        repeats=max(len(of) for of in asked),
        cases=len(asked),
        agreement=sum(_agreement(of, kind) for of in asked) / len(asked),
        unstable=sum(_is_unstable(of, kind) for of in asked),
    )


def _agreement(answers: pd.DataFrame, kind: TaskKind) -> float:
    """Share of the pairs of answers that are the same."""
    given: Counter[Hashable] = Counter(
        (outcome, meaning(parsed, kind) if outcome == "answered" else "")
        for outcome, parsed in zip(answers["outcome"], answers["parsed"], strict=True)
    )
    return sum(comb(times, 2) for times in given.values()) / comb(given.total(), 2)


def _is_unstable(answers: pd.DataFrame, kind: TaskKind) -> bool:
    columns = zip(answers["outcome"], answers["parsed"], answers["expected"], strict=True)
    return len({outcome == "answered" and is_exact(given, right, kind) for outcome, given, right in columns}) > 1
