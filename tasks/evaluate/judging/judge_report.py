"""What a judge's preferences come to, and how far they may be believed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_contracts.evaluation import Judge
from data_contracts.evidence import Agreement, JudgedPair, JudgeReport
from tasks.evaluate.comparison import statistics
from tasks.evaluate.judging.judge import HumanLabel
from tasks.evaluate.scores.shares import clustered_share

WORDS = {1: "a", -1: "b", 0: "tie"}


def judge_report(
    judge: Judge,
    judged: pd.DataFrame,
    labels: Mapping[str, HumanLabel] | None = None,
    labelled: pd.DataFrame | None = None,
) -> JudgeReport:
    """Every pair of `preferences`; and its agreement with people, from their labels and its own on the same pairs."""
    groups = judged.groupby(["candidate", "reference"], sort=False)
    readings = judged if labelled is None else pd.concat([judged, labelled])
    asked = readings[readings["asked"]]
    return JudgeReport(
        model=judge.model,
        criteria=judge.criteria,
        pairs=[judged_pair(pair) for _, pair in groups],
        human=agreement(labels, labelled) if labels and labelled is not None else None,
        unreadable=int(asked[["straight", "swapped"]].isna().sum().sum()),
    )


def judged_pair(pair: pd.DataFrame) -> JudgedPair:
    """The figures of one candidate against one reference; `pair` has JUDGED_COLUMNS.

    A position bias turns true preferences into ties, which draws `preference` toward 0.5; `decided` keeps its place.
    """
    from scipy.stats import binomtest

    preference, asked = pair["preference"].to_numpy(np.float64), pair[pair["asked"]]
    wins, losses = int((preference > 0).sum()), int((preference < 0).sum())
    readings = asked[["straight", "swapped"]].to_numpy(np.float64)
    alike = asked["straight"].fillna(0) == -asked["swapped"].fillna(0)
    return JudgedPair(
        candidate=pair["candidate"].iloc[0],
        reference=pair["reference"].iloc[0],
        cases=len(pair),
        wins=wins,
        losses=losses,
        ties=len(pair) - wins - losses,
        preference=clustered_share(1 + preference, np.full(len(pair), 2.0)),
        decided=statistics.share_interval(wins, wins + losses) if wins + losses else None,
        first_position=clustered_share((readings == 1.0).sum(axis=1), (abs(readings) == 1.0).sum(axis=1)),
        consistent=float(alike.mean()) if len(asked) else 1.0,
        p_value=float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
    )


def agreement(labels: Mapping[str, HumanLabel], labelled: pd.DataFrame) -> Agreement:
    """Judge and people on the same pairs: share of like verdicts (a, b or tie), and Cohen's kappa (1960).

    Kappa is 0 where both only ever gave one and the same verdict: nothing tells their agreement from chance.
    """
    from sklearn.metrics import cohen_kappa_score

    people = [labels[line].preferred for line in labelled["case"]]
    judge = [WORDS[preference] for preference in labelled["preference"]]
    alike = [one == other for one, other in zip(people, judge, strict=True)]
    kappa = cohen_kappa_score(people, judge) if len({*people, *judge}) > 1 else 0.0
    return Agreement(cases=len(people), share=sum(alike) / len(people), kappa=float(kappa))
