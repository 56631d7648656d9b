"""The verdict on a trial, why its candidates fail, and what to do next."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import Comparison, PromptSearch, Verdict
from data_contracts.evidence import FailureReport
from data_contracts.money import FineTuned
from data_contracts.records import Counts
from data_contracts.worth import Payback, Recommendation
from tasks.decide.economics import payback
from tasks.decide.recommend import recommend
from tasks.decide.recommend_case import RecommendCase
from tasks.decide.verdict import Standing, decide
from tasks.evaluate.compare import ComparisonPolicy, compare
from tasks.evaluate.comparison.savings import saving_per_request
from tasks.evaluate.failures import FailurePolicy, explain
from tasks.evaluate.search import unequal_decoding
from tasks.partition.clusters import clusters
from tasks.steps import clock, general, preferences
from tasks.steps.asking import scoring
from tasks.steps.contest import field_of, sealed_sha256
from tasks.workspace import Workspace

SEED = 7  # of the draws that ranges rest on


@dataclass(frozen=True)
class Judgement:
    """What a trial came to."""

    verdict: Verdict
    comparison: Comparison
    failures: FailureReport
    recommendation: Recommendation


def judge(space: Workspace) -> Judgement:
    """Compare, decide, say why candidates fail and what to do next; keep all of it."""
    if not space.folder.has("verdict.json"):
        field, answers = field_of(space), space.folder.read_frame("answers.parquet")
        comparison = compare(answers, field, _policy(space, field))
        notes = [*comparison.notes, *unequal_decoding(field), *preferences.notes(space)]
        comparison = comparison.model_copy(update={"notes": notes})
        space.folder.write_json("comparison.json", comparison)
        space.folder.write_json("failures.json", _failures(space, field, answers))
        worth = _worth(space, comparison, answers)
        verdict = _decide(space, comparison, worth)
        failures = space.folder.read_json("failures.json", FailureReport)
        space.folder.write_json("recommendation.json", _recommended(space, verdict, comparison, failures, worth))
        space.folder.write_json("verdict.json", verdict)
    return Judgement(
        space.folder.read_json("verdict.json", Verdict),
        space.folder.read_json("comparison.json", Comparison),
        space.folder.read_json("failures.json", FailureReport),
        space.folder.read_json("recommendation.json", Recommendation),
    )


def _policy(space: Workspace, field: Sequence[Candidate]) -> ComparisonPolicy:
    case = space.case.use_case
    rows = space.rows("test", ("id", "input", "slices"))
    return ComparisonPolicy(
        metric=case.metric,
        kind=case.kind,
        reference=field[0].name,
        test_sha256=sealed_sha256(space),
        alpha=case.gates.alpha,
        minimum_effect=case.gates.minimum_effect,
        latency_quantile=case.gates.latency_quantile,
        slices={row.id: json.loads(row.slices) for row in rows.itertuples()},
        clusters=_clusters(space),
        contract=space.case.contract,
        scoring=scoring(space, dict(zip(rows["id"], rows["input"], strict=True))),
        preferences=preferences.frame(space),
        general=general.scores(space),
        general_asked=general.asked_of(space, field),
        judge=preferences.report(space),
    )


def _clusters(space: Workspace) -> dict[str, str]:
    """Cluster of each test case: rows of one group and copies of each other are no independent cases."""
    test = space.partitions.test
    chosen = np.isin(space.keys["position"], test["position"])
    found = clusters(space.keys, space.folder.read_frame("near.parquet"), chosen)
    return dict(zip(test["id"], found.astype(str), strict=True))


def _failures(space: Workspace, field: Sequence[Candidate], answers: pd.DataFrame) -> FailureReport:
    rows = space.rows("test", ("id", "input"))
    inputs = dict(zip(rows["id"], rows["input"], strict=True))
    answers = answers[answers["repeat"] < clock.BEYOND]
    return explain(answers, field, FailurePolicy(space.case.use_case.kind, inputs, preferences.pairs(field)))


def _decide(space: Workspace, comparison: Comparison, worth: Mapping[str, Payback]) -> Verdict:
    case = space.case.use_case
    scores = {item.candidate.name: item for item in comparison.candidates}
    prompt = scores.get("best-prompt") or scores["champion"]
    champion = scores["champion"].candidate if "champion" in scores else None
    months = case.economics.horizon_months
    standing = Standing(champion, prompt.candidate, worth, months, None if champion else _fallen(space))
    return decide(comparison, standing, case.gates)


def _fallen(space: Workspace) -> Candidate | None:
    """The champion that no longer answers, where there was one."""
    plain = (
        json.loads(space.folder.read_bytes("champion.json"))["champion"] if space.folder.has("champion.json") else None
    )
    return Candidate.model_validate(plain) if plain else None


def _recommended(
    space: Workspace, verdict: Verdict, comparison: Comparison, failures: FailureReport, worth: Mapping[str, Payback]
) -> Recommendation:
    case = space.case.use_case
    train = space.folder.read_json("counts.json", Counts).train
    return recommend(
        RecommendCase(
            use_case=case.name,
            kind=case.kind,
            verdict=verdict,
            comparison=comparison,
            failures=failures,
            payback=worth,
            economics=case.economics,
            gates=case.gates,
            search=space.folder.read_json("prompt_search.json", PromptSearch),
            train_rows=train.rows if train else None,
        )
    )


def _worth(space: Workspace, comparison: Comparison, answers: pd.DataFrame) -> dict[str, Payback]:
    """What each tune is worth against the best prompt, by name."""
    economics = space.case.use_case.economics
    scores = {item.candidate.name: item for item in comparison.candidates}
    prompt = scores.get("best-prompt") or scores["champion"]
    tuned = space.folder.read_json("tuned.json", FineTuned) if space.folder.has("tuned.json") else None
    sides, groups = dict(list(answers.groupby("candidate"))), _clusters(space)
    return {
        name: payback(
            item,
            prompt,
            _one_off(name, tuned),
            economics,
            saving_per_request(sides[prompt.candidate.name], sides[name], SEED, groups),
        )
        for name, item in scores.items()
        if item.candidate.kind == "tune"
    }


def _one_off(name: str, tuned: FineTuned | None) -> float | None:
    """What training costs whoever takes this tune, in USD; the champion's was paid by an earlier trial."""
    if name == "champion":
        return 0.0
    return tuned.training_cost if tuned else None
