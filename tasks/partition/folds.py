"""Folds for a comparison of prompts on few rows: what belongs together is in one fold."""

import numpy as np
import pandas as pd

from tasks.partition.placing.kinship import Links, Positions, Units


def folds(rows: pd.DataFrame, near: pd.DataFrame, count: int, seed: int) -> Positions:
    """Fold 0..count-1 of each row (KEY_COLUMNS), by the hash of its unit; `near` holds pairs of like rows."""
    units = Units.among(rows, Links.of(rows, near), np.ones(len(rows), np.bool_), seed)
    return np.floor(units.position * count).astype(np.int64)[units.of]
