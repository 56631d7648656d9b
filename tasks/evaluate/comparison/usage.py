"""What one candidate's answers took: form, time, tokens, money. Requests that failed for good brought none of them."""

import numpy as np
import pandas as pd

from tasks.evaluate.comparison.clusters import Figures

ENOUGH_TIMED = 30  # of fewer answers a high percentile is little more than the slowest
UNSERVED = ["failed", "rejected"]  # requests that brought no answer of the model


def format_adherence(side: pd.DataFrame) -> float:
    """Share of all cases whose answer could be parsed; refused, truncated and failed ones could not."""
    return float((side["outcome"] == "answered").mean())


def times(side: pd.DataFrame, column: str = "latency_ms") -> Figures:
    """Milliseconds, one value an answer; NaN where it could not be parsed (unless none could) or was not timed."""
    found = side[column].to_numpy(np.float64)
    answered = (side["outcome"] == "answered").to_numpy(bool)
    return np.where(answered, found, np.nan) if answered.any() else found


def times_now(side: pd.DataFrame, column: str = "latency_ms") -> Figures:
    """The same, NaN for stored answers besides: they keep the time of the day they were asked."""
    return np.where(side["stored"].to_numpy(bool), np.nan, times(side, column))


def timed(side: pd.DataFrame, column: str = "latency_ms") -> Figures:
    """Milliseconds to show: of answers asked in this run; where fewer than ENOUGH_TIMED were, of other days too."""
    now = times_now(side, column)
    return now if np.count_nonzero(~np.isnan(now)) >= ENOUGH_TIMED else times(side, column)


def percentiles(times: Figures, *points: float) -> list[float | None]:
    """Percentiles of the known times; None where none is known, as for the answers of a batch."""
    known = times[~np.isnan(times)]
    return [float(np.percentile(known, point)) if len(known) else None for point in points]


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
