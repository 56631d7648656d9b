"""The gate between the partitions and everything that is uploaded, trained or scored."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd

from data_contracts.data_policy import Leakage
from data_contracts.records import LeakageReport, LeakFreePartitions, LeakPair, Partitions
from data_contracts.text import normalised_words
from tasks.errors import DataError, LeakageError
from tasks.partition import similar
from tasks.partition.split import shared_groups

KINDS = get_args(LeakPair.model_fields["kind"].annotation)  # most severe first
JUDGES = ("validation", "test")
MIN_PROMPT_WORDS = 5  # shorter inputs ("what is my balance") stand in honest instructions by chance


def find(partitions: Partitions, policy: Leakage) -> tuple[LeakageReport, list[LeakPair]]:
    """Validation and test against train: the most severe, best scored train row for each row that has one."""
    rows = _stacked(partitions)
    trigrams = similar.rare_trigrams(rows["input"].tolist(), policy)
    leaks = _leaks(rows, trigrams, policy).drop_duplicates("evaluation")
    judged, trained = rows.loc[leaks["evaluation"]], rows.loc[leaks["train"]]
    same_answer = judged["output"].to_numpy() == trained["output"].to_numpy()
    report = LeakageReport(
        train_rows=len(partitions.train),
        validation_rows=len(partitions.validation),
        test_rows=len(partitions.test),
        found={name: _by_kind(leaks[(judged["partition"] == name).to_numpy()]) for name in JUDGES},
        withheld=0,
        label_agreement=float(same_answer.mean()) if len(leaks) else None,
        boilerplate=trigrams.boilerplate,
    )
    return report, _pairs(leaks, judged, trained)


def check(
    partitions: Partitions, found: tuple[LeakageReport, list[LeakPair]], policy: Leakage, report_path: str
) -> LeakFreePartitions:
    """Let clean partitions pass; stop with LeakageError, or withhold the train side, as the policy says.

    The report keeps what was found before anything was withheld. DataError where no train row would be left.
    """
    report, pairs = found
    if pairs and policy.on_leak == "stop":
        names = [name for name in JUDGES if any(pair.partition == name for pair in pairs)]
        raise LeakageError(" and ".join(names), len(pairs), report_path)
    clean = _without_leaks(partitions, policy) if pairs else partitions
    withheld = len(partitions.train) - len(clean.train)
    return LeakFreePartitions(clean, report.model_copy(update={"withheld": withheld}), pairs)


def texts_in_prompts(prompts: Sequence[str], partitions: Partitions) -> list[str]:
    """Ids of validation and test rows whose input (five words or more) stands in a prompt's fixed text."""
    fixed = [f" {normalised_words(text)} " for text in prompts]
    judged = pd.concat([partitions.validation, partitions.test])
    told = [
        row
        for row, words in zip(judged["id"], judged["input"].map(normalised_words), strict=True)
        if words.count(" ") + 1 >= MIN_PROMPT_WORDS and any(f" {words} " in prompt for prompt in fixed)
    ]
    return [str(row) for row in told]


def _stacked(partitions: Partitions) -> pd.DataFrame:
    """All curated rows: boilerplate is what is common among all of them, in whichever partition they are."""
    names = (*JUDGES, "train", "withheld")
    return pd.concat([getattr(partitions, name).assign(partition=name) for name in names], ignore_index=True)


def _leaks(rows: pd.DataFrame, trigrams: similar.RareTrigrams, policy: Leakage) -> pd.DataFrame:
    """Columns evaluation, train (positions in `rows`), severity (place in KINDS), score; worst of each row first."""
    keys = {
        "same text": rows["input"],
        "same words": rows["words"],
        "same but for numbers": similar.forms(rows["input"].tolist(), policy),
        "same group": shared_groups(rows),
    }
    judged = np.flatnonzero(rows["partition"].isin(JUDGES))
    trained = np.flatnonzero(rows["partition"] == "train")
    near = similar.compare(trigrams, judged, trained, policy).rename(columns={"left": "evaluation", "right": "train"})
    by_kind = {"near": near, **{kind: _sharing(key, judged, trained) for kind, key in keys.items()}}
    leaks = pd.concat([found.assign(severity=KINDS.index(kind)) for kind, found in by_kind.items()], ignore_index=True)
    order = ["evaluation", "severity", "score", "train"]
    return leaks.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def _sharing(key: pd.Series, judged: similar.Positions, trained: similar.Positions) -> pd.DataFrame:
    """Every row whose key stands on the other side too, with the first row that has it there."""
    left = pd.DataFrame({"key": key.iloc[judged], "evaluation": judged}).dropna()
    right = pd.DataFrame({"key": key.iloc[trained], "train": trained}).dropna()
    pairs = [left.merge(right.drop_duplicates("key")), left.drop_duplicates("key").merge(right)]
    return pd.concat(pairs, ignore_index=True)[["evaluation", "train"]].assign(score=1.0)


def _by_kind(leaks: pd.DataFrame) -> dict[str, int]:
    return {kind: int((leaks["severity"] == severity).sum()) for severity, kind in enumerate(KINDS)}


def _pairs(leaks: pd.DataFrame, judged: pd.DataFrame, trained: pd.DataFrame) -> list[LeakPair]:
    columns = zip(
        judged["partition"], judged["id"], trained["id"], leaks["severity"], leaks["score"].round(4), strict=True
    )
    return [
        LeakPair(partition=name, evaluation_id=left, train_id=right, kind=KINDS[severity], score=score)
        for name, left, right, severity, score in columns
    ]


def _without_leaks(partitions: Partitions, policy: Leakage) -> Partitions:
    """Withhold train rows and look again, until nothing is found."""
    train_from = len(partitions.validation) + len(partitions.test)
    while True:
        rows = _stacked(partitions)
        leaks = _leaks(rows, similar.rare_trigrams(rows["input"].tolist(), policy), policy)
        if leaks.empty:
            return partitions
        partitions = _withhold(partitions, leaks["train"].to_numpy() - train_from)


def _withhold(partitions: Partitions, positions: similar.Positions) -> Partitions:
    leaking = np.isin(np.arange(len(partitions.train)), positions)
    train, leaked = partitions.train[~leaking], partitions.train[leaking].assign(reason="leak")
    if train.empty:
        raise DataError("leakage", "every train row is also an evaluation row", "Give files that do not overlap.")
    withheld = pd.concat([partitions.withheld, leaked], ignore_index=True)
    return Partitions(train.reset_index(drop=True), partitions.validation, partitions.test, withheld)
