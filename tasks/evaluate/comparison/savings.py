"""What a request costs less with one candidate than with another, from what each case did cost."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_contracts.evidence import Interval
from tasks.evaluate.comparison import statistics
from tasks.evaluate.comparison.clusters import Clusters, Sampling
from tasks.evaluate.comparison.measure import ComparisonError, MeanScore
from tasks.evaluate.comparison.usage import is_served


def saving_per_request(
    prompt_side: pd.DataFrame, tune_side: pd.DataFrame, seed: int, groups: Mapping[str, str] | None = None
) -> Interval | None:
    """USD that a request costs less with the tune, with a paired bootstrap over cases; negative: it costs more.

    Each side has ANSWER_COLUMNS of one candidate; first answers count, and cases that both were served. `groups` maps a
    case to its group, drawn as one. None where a price is unknown or no case is left. Raises ComparisonError where the
    sides are not of the same cases.
    """
    prompt, tune = _first(prompt_side), _first(tune_side)
    if not prompt.index.equals(tune.index):
        problem = f"the sides differ in {len(prompt.index.symmetric_difference(tune.index))} cases"
        raise ComparisonError("saving per request", problem, "Let both candidates answer the same cases.")
    saved = (prompt["cost"] - tune["cost"])[is_served(prompt) & is_served(tune)]
    if saved.empty or saved.isna().any():
        return None
    mean = MeanScore(saved.to_numpy(np.float64)[None])
    drawn = statistics.bootstrap(mean, Clusters.of(list(saved.index), groups or {}), Sampling(seed))
    return statistics.interval(float(saved.mean()), drawn[0])


def _first(side: pd.DataFrame) -> pd.DataFrame:
    """First answers by case."""
    return side[side["repeat"] == 0].set_index("case").sort_index()
