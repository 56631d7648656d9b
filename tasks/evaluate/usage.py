"""What one candidate's answers took: form, time, tokens, money. Requests that failed for good brought none of them."""

import numpy as np
import pandas as pd


def format_adherence(side: pd.DataFrame) -> float:
    """Share of all cases whose answer could be parsed; refused, truncated and failed ones could not."""
    return float((side["outcome"] == "answered").mean())


def latency_percentiles(side: pd.DataFrame) -> tuple[float, float]:
    """p50 and p99 in ms of the answers that could be parsed; of every request where none could."""
    answered = side.loc[side["outcome"] == "answered", "latency_ms"]
    p50, p99 = np.percentile(answered if len(answered) else side["latency_ms"].fillna(0), [50, 99])
    return float(p50), float(p99)


def mean_tokens(side: pd.DataFrame) -> tuple[float, float]:
    """Prompt and completion tokens, mean per request."""
    served = _served(side)
    if served.empty:
        return 0.0, 0.0
    return float(served["prompt_tokens"].mean()), float(served["completion_tokens"].mean())


def cost_per_request(side: pd.DataFrame) -> float | None:
    """Mean USD per request; None where the price of any is unknown."""
    cost = _served(side)["cost"]
    return None if cost.empty or cost.isna().any() else float(cost.mean())


def _served(side: pd.DataFrame) -> pd.DataFrame:
    return side[side["outcome"] != "failed"]
