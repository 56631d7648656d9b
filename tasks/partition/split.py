"""Which row trains and which one judges."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_contracts.data_policy import Leakage, Split
from data_contracts.records import PARTITIONS, Partitions
from tasks.errors import DataError
from tasks.partition import similar
from tasks.power import detectable_difference


def split(rows: pd.DataFrame, policy: Split, near: Leakage, history: Mapping[str, str]) -> Partitions:
    """Assign each row by a hash of its unit: rows of one group, the same words, and their near-duplicates.

    A row keeps the partition that `history` (hash of its words -> partition) knows from earlier trials, so that a
    retrained model is never tested on what it once trained on. Raises DataError where a partition is too small.
    """
    if rows.empty:
        raise DataError("split", "curation left no rows", "quarantine.jsonl says why, row by row.")
    rows = rows.reset_index(drop=True)
    units = _units(rows, policy, near)
    earlier = rows["words"].map({words: name for words, name in history.items() if name in PARTITIONS}).astype("str")
    place = (_as_given if policy.method == "given" else _by_hash)(rows, units, policy, earlier)
    train, validation, test = (rows[place == name].reset_index(drop=True) for name in PARTITIONS)
    withheld = rows.assign(reason=place)[~place.isin(PARTITIONS)].reset_index(drop=True)
    found = Partitions(train, validation, test, withheld)
    _require_sizes(found, policy, largest_unit=int(units.value_counts().max()))
    return found


def shared_groups(rows: pd.DataFrame) -> pd.Series:
    """The group of each row; None where it is only the row's own id, standing in for a group that was not given."""
    given = rows["group"] != rows["id"]
    return rows["group"].where(given | rows["group"].isin(rows["group"][given]))


def unseen_labels(partitions: Partitions) -> list[str]:
    """Classification: labels that are judged but never trained. A tune cannot know them, which is worth a warning."""
    judged = {*partitions.validation["output"], *partitions.test["output"]}
    return sorted(judged - set(partitions.train["output"]))


def _units(rows: pd.DataFrame, policy: Split, near: Leakage) -> pd.Series:
    keys = [shared_groups(rows), rows["words"]]
    if policy.near_duplicates_together:
        keys.append(pd.Series(similar.clusters(rows["input"].tolist(), near)))
    return pd.Series(similar.connected(len(rows), keys))


def _by_hash(rows: pd.DataFrame, units: pd.Series, policy: Split, earlier: pd.Series) -> pd.Series:
    position = _position(rows, units, policy.seed)
    test_from = 1 - policy.test
    validation_from = test_from - policy.validation
    place = pd.Series("train", index=rows.index)
    place = place.mask(position >= validation_from, "validation").mask(position >= test_from, "test")
    return _remember(place, units, earlier)


def _as_given(rows: pd.DataFrame, units: pd.Series, policy: Split, earlier: pd.Series) -> pd.Series:
    """As the files say; without a validation file, a share of the train units becomes validation.

    A unit that reaches into test stays in train as a whole, where the leakage check sees it; its validation rows are
    withheld, since prompts are chosen on validation. So is a row that stood in another partition in an earlier trial:
    it was trained on, or tuned against, there.
    """
    place = rows["given_partition"].where(rows["given_partition"] != "", "no partition given")
    reaches_test = (place == "test").groupby(units).transform("any")
    place = place.mask((place == "validation") & reaches_test, "validation copy of test")
    if not (rows["given_partition"] == "validation").any():
        carve = (place == "train") & ~reaches_test
        share = place.mask(_position(rows, units, policy.seed) >= 1 - policy.validation, "validation")
        place = place.mask(carve, _remember(share, units, earlier.where(carve & (earlier != "test"))))
    moved = earlier.notna() & (earlier != place) & place.isin(PARTITIONS)
    return place.mask(moved, "was " + earlier + " in an earlier trial")


def _position(rows: pd.DataFrame, units: pd.Series, seed: int) -> pd.Series:
    """Place of each row's unit in [0, 1): the hash of one member, the unit's anchor.

    The anchor is the member with the smallest second hash, so that a row which joins a unit of n moves it with
    probability 1/(n+1) only, and never once the unit has a history. A member is a group, or the words of a row
    that has none: both stay the same when lines are inserted or files renamed.
    """
    members = ("group " + shared_groups(rows)).fillna("words " + rows["words"])
    digests = b"".join(hashlib.sha256(f"{seed}\n{member}".encode()).digest() for member in members)
    hashes = np.frombuffer(digests, dtype=">u8").reshape(len(rows), 4).astype(np.uint64)
    anchors = pd.DataFrame({"unit": units, "order": hashes[:, 0], "position": hashes[:, 1] / 2**64})
    return units.map(anchors.sort_values("order").drop_duplicates("unit").set_index("unit")["position"])


def _remember(place: pd.Series, units: pd.Series, earlier: pd.Series) -> pd.Series:
    """A unit follows its history. Where it has two, its old rows stay and its new ones, the bridge, are withheld."""
    known = earlier.groupby(units)
    histories = known.transform("nunique")
    place = place.mask(histories == 1, known.transform("first"))
    bridging = units[histories > 1]
    bridges = earlier.groupby(bridging).agg(_bridge_reason)
    return place.mask(histories > 1, earlier.fillna(units.map(bridges)))


def _bridge_reason(names: pd.Series) -> str:
    return "bridges " + " and ".join(name for name in PARTITIONS if name in set(names))


def _require_sizes(partitions: Partitions, policy: Split, largest_unit: int) -> None:
    asked = {"train": policy.min_train, "validation": 1, "test": policy.min_test}
    found = {name: len(getattr(partitions, name)) for name in PARTITIONS}
    short = [f"{found[name]} {name} rows ({least} needed)" for name, least in asked.items() if found[name] < least]
    if short:
        points = 100 * detectable_difference(found["test"])
        remedy = (
            f"{found['test']} test cases show a difference of {points:.0f} points or more (power 0.8, candidates "
            f"differing on 20 % of cases); {largest_unit} rows, linked by group or as copies, had to stay together. "
            "Add rows, change `split.test` and `split.validation`, or lower `split.min_test` knowing that."
        )
        raise DataError("split", f"{sum(found.values())} rows make " + ", ".join(short), remedy)
