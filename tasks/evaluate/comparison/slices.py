"""The metric with its interval, on all cases and on those of each declared slice."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_contracts.evidence import Interval, SliceScore
from tasks.evaluate.comparison import statistics
from tasks.evaluate.comparison.clusters import Clusters, Figures, Sampling
from tasks.evaluate.comparison.measure import MeanScore, Measure, overall

Slices = Mapping[str, Mapping[str, str]]
"""Case -> slice -> value."""


def intervals(measure: Measure, clusters: Clusters, resampled: Figures) -> list[Interval | None]:
    """One a candidate: Wilson's for right or wrong, else the bootstrap's percentiles; None where no case counts."""
    return [
        None if np.isnan(figure) else _interval(measure.of([position]), clusters, resampled[position])
        for position, figure in enumerate(overall(measure))
    ]


def by_slice(
    measure: Measure, clusters: Clusters, sampling: Sampling, values: pd.DataFrame
) -> list[dict[str, dict[str, SliceScore]]]:
    """For each candidate: slice -> value -> metric on the cases that have it. `values`: a column a slice, row by case.

    The cases of a slice are drawn again among themselves; clusters stay whole.
    """
    found: list[dict[str, dict[str, SliceScore]]] = [{} for _ in measure.per_case]
    for name in values.columns:
        for value, cases in values.groupby(name).indices.items():
            part, within = measure.at(cases), clusters.at(cases)
            scores = intervals(part, within, statistics.bootstrap(part, within, sampling))
            for candidate, score, counted in zip(found, scores, _counted(part), strict=True):
                if score is not None:
                    mine = candidate.setdefault(str(name), {})
                    mine[str(value)] = SliceScore(**score.model_dump(), cases=counted)
    return found


def _interval(measure: Measure, clusters: Clusters, resampled: Figures) -> Interval:
    values = measure.per_case[0]
    if isinstance(measure, MeanScore) and statistics.is_right_or_wrong(values):
        return statistics.right_or_wrong_interval(values, clusters)
    return statistics.interval(float(overall(measure)[0]), resampled)


def _counted(measure: Measure) -> list[int]:
    """Cases that count, of each candidate."""
    return [int(known) for known in (~np.isnan(measure.per_case)).sum(axis=1)]
