"""Which row trains and which one judges."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_contracts.data_policy import Split
from data_contracts.records import KEY_COLUMNS, PARTITIONS, Partitions
from tasks.errors import DataError
from tasks.partition.placing.kinship import Links, shared_groups
from tasks.partition.placing.memory import FREE, Memory, Places
from tasks.partition.placing.placement import RULES
from tasks.partition.placing.sizes import require_new_rows, require_sizes

__all__ = ["shared_groups", "split", "unseen_labels"]


def split(
    rows: pd.DataFrame,
    near: pd.DataFrame,
    policy: Split,
    history: Mapping[str, str],
    minimum_effect: float | None = None,
) -> Partitions:
    """Give each row (KEY_COLUMNS) its partition, by the unit it belongs to: its group, its words, its near copies.

    `near` holds pairs of like rows (numbers left, right). A row keeps the place that `history` (memory.py) knows from
    earlier trials, so that a retrained model is never tested on what it once trained on. Raises DataError where a
    partition is too small; `minimum_effect` (0..1) is the difference that the test set is to show.
    """
    if rows.empty:
        raise DataError("split", "curation left no rows", "quarantine.jsonl says why, row by row.")
    rows = rows[[*KEY_COLUMNS]].reset_index(drop=True)
    rows["position"] = np.arange(len(rows))
    links = Links.of(rows, near if policy.near_duplicates_together else near.iloc[:0])
    memory = Memory.of(history, policy.test_set)
    in_play = np.ones(len(rows), np.bool_) if policy.method == "given" else ~memory.withheld(rows)
    places = np.full(len(rows), "withheld by an earlier trial", object)
    playing = rows[in_play].reset_index(drop=True)
    places[in_play] = RULES[policy.method](playing, links.among(in_play), policy, memory)
    found = _parts(rows, places)
    if memory.draws and policy.method != "given":
        require_new_rows(found, policy, never_uploaded=int((memory.earlier(rows) == FREE).sum()))
    require_sizes(found, policy, int(np.bincount(links.units()).max()), minimum_effect)
    return found


def unseen_labels(partitions: Partitions) -> list[str]:
    """Classification: labels that are judged but never trained. A tune cannot know them, which is worth a warning."""
    judged = {*partitions.validation["output"], *partitions.test["output"]}
    return sorted(judged - set(partitions.train["output"]))


def _parts(rows: pd.DataFrame, places: Places) -> Partitions:
    train, validation, test = (rows[places == name].reset_index(drop=True) for name in PARTITIONS)
    withheld = ~np.isin(places.astype(str), PARTITIONS)
    reasons = rows.assign(reason=places)[withheld].reset_index(drop=True)
    return Partitions(train, validation, test, reasons)
