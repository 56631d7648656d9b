"""Partitions that are large enough to learn from and to tell candidates apart."""

import pandas as pd

from data_contracts.data_policy import Split
from data_contracts.records import PARTITIONS, Partitions
from tasks.errors import DataError
from tasks.power import assumption, cases_needed, detectable_difference

MAX_NAMED = 10  # labels in one message


def require_sizes(partitions: Partitions, policy: Split, linked: int, minimum_effect: float | None) -> None:
    """Raise DataError, with the reason in numbers, where a partition or a label has fewer rows than `policy` asks.

    `linked` is the size of the largest unit; `minimum_effect` (0..1) the difference that is to be shown.
    """
    found = {name: len(getattr(partitions, name)) for name in PARTITIONS}
    asked = {"train": policy.min_train, "validation": 1, "test": policy.min_test}
    short = [f"{found[name]} {name} rows ({least} needed)" for name, least in asked.items() if found[name] < least]
    if short:
        together = f" {linked} rows, linked by group or as copies, had to stay together." if linked > 1 else ""
        remedy = (
            f"{power_sentence(found['test'], minimum_effect)}{together} Add rows, change `split.test` and "
            "`split.validation`, or lower `split.min_test` knowing that."
        )
        raise DataError("split", f"{sum(found.values())} rows make {', '.join(short)}", remedy)
    _require_labels(partitions, policy.min_per_label)


def require_new_rows(partitions: Partitions, policy: Split, never_uploaded: int) -> None:
    """Raise DataError where too few rows are new for another test set."""
    found, rows = len(partitions.test), sum(len(getattr(partitions, name)) for name in (*PARTITIONS, "withheld"))
    if found < policy.min_test:
        problem = (
            f"test set {policy.test_set} takes only rows that were never uploaded: {never_uploaded} of {rows} are "
            f"such, {found} of them fell to it, {policy.min_test} are needed"
        )
        remedy = (
            "Add rows, or go on with the earlier test set: lower `split.test_set`, or set `split.when_worn: warn` or "
            "raise `split.max_verdicts`, knowing how often it was asked."
        )
        raise DataError("split", problem, remedy)


def power_sentence(cases: int, minimum_effect: float | None) -> str:
    """What so many test cases show, and how many would show the difference that was asked for."""
    points = f"{100 * detectable_difference(cases):.0f} points"
    told = f"{cases} test cases detect a difference of {points} ({assumption()})"
    if not minimum_effect:
        return f"{told}."
    return f"{told}; you asked for {100 * minimum_effect:.3g}: {cases_needed(minimum_effect)} needed."


def _require_labels(partitions: Partitions, least: int) -> None:
    """Raise DataError for the labels with too few train or test rows."""
    parts = {name: getattr(partitions, name)["output"].value_counts() for name in (*PARTITIONS, "withheld")}
    rows = pd.DataFrame(parts).fillna(0).astype(int).sort_index()
    short = rows[(rows["train"] < least) | (rows["test"] < least)]
    if least and len(short):
        named = [f"{label} {row.train} and {row.test}" for label, row in short.head(MAX_NAMED).iterrows()]
        more = f" and {len(short) - MAX_NAMED} more" if len(short) > MAX_NAMED else ""
        problem = f"{len(short)} labels have fewer than {least} train or test rows: {', '.join(named)}{more}"
        remedy = "Add rows of them, set `split.method: stratified`, merge labels, or lower `split.min_per_label`."
        raise DataError("split", problem, remedy)
