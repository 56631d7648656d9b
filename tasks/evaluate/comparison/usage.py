"""What one candidate's answers took: form, time, tokens, money. Requests that failed for good brought none of them."""

import numpy as np
import pandas as pd

from tasks.evaluate.comparison.clusters import Figures

ENOUGH_TIMED = 100  # of fewer answers a high percentile is little more than the slowest
UNSERVED = ["failed", "rejected"]  # requests that brought no answer of the model


def format_adherence(side: pd.DataFrame) -> float:
    """Share of all cases whose answer could be parsed; refused, truncated and failed ones could not."""
    return float((side["outcome"] == "answered").mean())


def timed(side: pd.DataFrame, column: str = "latency_ms") -> Figures:
    """Milliseconds of the answers whose time counts, NaN for the others: one value a case.

    Those that could be parsed (all, where none could) and were asked in this run: a stored answer keeps the time of
    the day it was asked. Where fewer than ENOUGH_TIMED were asked now, those of other days count too.
    """
    times = side[column].to_numpy(np.float64)
    answered = (side["outcome"] == "answered").to_numpy(bool)
    known = np.where(answered, times, np.nan) if answered.any() else times
    now = np.where(side["stored"].to_numpy(bool), np.nan, known)
    return now if np.count_nonzero(~np.isnan(now)) >= ENOUGH_TIMED else known


def percentiles(times: Figures, *points: float) -> list[float | None]:
    """Percentiles of the known times; None where none is known, as for the answers of a batch."""
    known = times[~np.isnan(times)]
    return [float(np.percentile(known, point)) if len(known) else None for point in points]


def of_other_days(side: pd.DataFrame) -> bool:
    """Whether most of the times that count are those of stored answers."""
    counted = ~np.isnan(timed(side))
    return bool(counted.any() and side["stored"].to_numpy(bool)[counted].mean() > 0.5)


def mean_tokens(side: pd.DataFrame) -> tuple[float, float]:
    """Prompt and completion tokens, mean per request."""
    served = side[is_served(side)]
    if served.empty:
        return 0.0, 0.0
    return float(served["prompt_tokens"].mean()), float(served["completion_tokens"].mean())


def cost_per_request(side: pd.DataFrame) -> float | None:
    """Mean USD per request; None where the price of any is unknown."""
    cost = side.loc[is_served(side), "cost"]
    return None if cost.empty or cost.isna().any() else float(cost.mean())


def is_served(side: pd.DataFrame) -> pd.Series:
    """Which requests brought an answer of the model, whatever it was."""
    return ~side["outcome"].isin(UNSERVED)
