"""Which rows of a test set are no independent cases: those of one group, of the same words, or copies of each other."""

import pandas as pd

from tasks.partition.placing.kinship import Flags, Links, Positions


def clusters(rows: pd.DataFrame, near: pd.DataFrame, chosen: Flags) -> Positions:
    """Cluster number of each chosen row (KEY_COLUMNS), in their order; `near` holds pairs of like rows.

    Chains of copies that would tie more than a hundredth of the rows together are cut at their weakest pairs.
    """
    return Links.of(rows, near).among(chosen).balanced().units()
