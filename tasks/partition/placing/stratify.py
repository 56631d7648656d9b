"""Equal shares of each label in every partition, as far as units allow."""

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.data_policy import Split
from tasks.errors import DataError
from tasks.partition.placing.kinship import Positions, Units
from tasks.partition.placing.memory import FREE, Places

MIN_ROWS_PER_LABEL = 2  # on average; below, outputs are texts, not labels
Needs = npt.NDArray[np.float64]


def stratified(outputs: pd.Series, places: Places, units: Units, policy: Split) -> npt.NDArray[np.object_]:
    """A partition for each unit, so that its labels' shares are met beside the rows that have a place already.

    Units come in the order of their rarest label and then of their hash; a unit is taken where at least half of its
    rows of that label are still needed. Raises DataError where outputs are no labels.
    """
    codes, labels = pd.factorize(outputs)
    if len(labels) * MIN_ROWS_PER_LABEL > len(outputs):
        problem = f"method: stratified needs labels, and {len(outputs)} rows have {len(labels)} different outputs"
        raise DataError("split", problem, "Set `split.method: hash`.")
    contents = _contents(codes[units.rows], units, np.bincount(codes))
    return _filled(contents, len(units.sizes), *_needs(codes, labels, places, policy))


def _contents(codes: Positions, units: Units, totals: Positions) -> pd.DataFrame:
    """A line for each label in each unit, units in turn, a unit's rarest label first: unit, label, rows."""
    pairs, rows = np.unique(units.of * len(totals) + codes, return_counts=True)
    contents = pd.DataFrame({"unit": pairs // len(totals), "label": pairs % len(totals), "rows": rows})
    contents["rarity"] = np.lexsort((np.arange(len(totals)), totals)).argsort()[contents["label"]]
    contents["turn"] = contents.groupby("unit")["rarity"].transform("min")
    contents["position"] = -units.position[contents["unit"]]
    return contents.sort_values(["turn", "position", "unit", "rarity"], ignore_index=True)


def _needs(codes: Positions, labels: pd.Index, places: Places, policy: Split) -> tuple[Needs, Needs]:
    """Rows of each label that test, and test and validation together, still lack.

    A fraction of a row is rounded up for as many labels as it says: by the label's hash.
    """
    usable = np.isin(places, ("train", "validation", "test", FREE))
    total, validation, test = (
        np.bincount(codes[chosen], minlength=len(labels))
        for chosen in (usable, places == "validation", places == "test")
    )
    rounding = np.array([_fraction(f"{policy.seed}\n{label}") for label in labels]) - 0.5
    both = (policy.test + policy.validation) * total + rounding
    wanted = policy.test * total + rounding
    return wanted - test, both - validation - np.minimum(test, policy.test * total)


def _filled(contents: pd.DataFrame, units: int, test: Needs, both: Needs) -> npt.NDArray[np.object_]:
    chosen = np.full(units, "train", object)
    last, name = -1, ""
    lacking = {"test": test.tolist(), "validation": both.tolist()}
    for unit, label, rows in zip(*(contents[name].tolist() for name in ("unit", "label", "rows")), strict=True):
        if unit != last:
            last, name = unit, next((part for part, need in lacking.items() if 2 * need[label] >= rows), "train")
            chosen[unit] = name
        if name == "test":
            lacking["test"][label] -= rows
        if name != "train":
            lacking["validation"][label] -= rows
    return chosen


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
