"""Whether answers are as often right as their probabilities say."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.evidence import Calibration, CalibrationBin
from data_contracts.use_case import TaskKind
from tasks.evaluate.comparison.measure import exact

BINS, CASES_A_BIN = 10, 10


def calibration(side: pd.DataFrame, kind: TaskKind) -> Calibration | None:
    """Expected calibration error (Guo et al. 2017), in bins of equal mass, and Brier score of one candidate's answers.

    Right is what `accuracy` counts. None where no answer came with a probability.
    """
    from sklearn.metrics import brier_score_loss

    rated = side[side["confidence"].notna()]
    if rated.empty:
        return None
    confidence = rated["confidence"].to_numpy(np.float64).clip(0.0, 1.0)  # exp of a sum of logarithms may pass 1
    right = exact(rated, kind).astype(np.float64)
    bins = _bins(confidence, right)
    errors = [item.cases * abs(item.confidence - item.accuracy) for item in bins]
    return Calibration(
        cases=len(rated),
        expected_error=sum(errors) / len(rated),
        brier=float(brier_score_loss(right, confidence, pos_label=1.0)),
        bins=bins,
    )


def _bins(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> list[CalibrationBin]:
    """At most BINS of about as many cases, CASES_A_BIN or more; equal probabilities are never told apart."""
    wanted = min(BINS, max(1, len(confidence) // CASES_A_BIN))
    edges = np.quantile(confidence, np.arange(1, wanted) / wanted)
    frame = pd.DataFrame({"bin": np.searchsorted(edges, confidence), "confidence": confidence, "right": right})
    return [
        CalibrationBin(confidence=float(of["confidence"].mean()), accuracy=float(of["right"].mean()), cases=len(of))
        for _, of in frame.groupby("bin")
    ]
