"""What a request costs less with one candidate than with another, from what each case did cost."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.evidence import Interval
from tasks.evaluate.comparison.measure import ComparisonError

RESAMPLES = 2_000
BLOCK_CELLS = 1_000_000  # costs held in memory at once


def saving_per_request(prompt_side: pd.DataFrame, tune_side: pd.DataFrame, seed: int) -> Interval | None:
    """USD that a request costs less with the tune, with a paired bootstrap over cases; negative: it costs more.

    Each side has ANSWER_COLUMNS of one candidate; first answers count, and cases that both were served. None where a
    price is unknown or no case is left. Raises ComparisonError where the sides are not of the same cases.
    """
    prompt, tune = _first(prompt_side), _first(tune_side)
    if not prompt.index.equals(tune.index):
        problem = f"the sides differ in {len(prompt.index.symmetric_difference(tune.index))} cases"
        raise ComparisonError("saving per request", problem, "Let both candidates answer the same cases.")
    served = (prompt["outcome"] != "failed") & (tune["outcome"] != "failed")
    saved = (prompt["cost"] - tune["cost"])[served].to_numpy(np.float64)
    return None if len(saved) == 0 or np.isnan(saved).any() else _interval(saved, seed)


def _first(side: pd.DataFrame) -> pd.DataFrame:
    """First answers by case."""
    return side[side["repeat"] == 0].set_index("case").sort_index()


def _interval(saved: npt.NDArray[np.float64], seed: int) -> Interval:
    """The mean with its percentile interval; without a width where there is one case, or every one saves the same."""
    from scipy.stats import bootstrap

    mean = float(saved.mean())
    if np.ptp(saved) == 0:
        return Interval(value=mean, low=mean, high=mean)
    batch = max(1, BLOCK_CELLS // len(saved))
    found = bootstrap((saved,), np.mean, method="percentile", n_resamples=RESAMPLES, batch=batch, rng=seed)
    return Interval(value=mean, low=float(found.confidence_interval.low), high=float(found.confidence_interval.high))
