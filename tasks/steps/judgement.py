"""The verdict on a trial, why its candidates fail, and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import CandidateScores, Comparison, PromptSearch, Verdict
from data_contracts.evidence import FailureReport, Interval
from data_contracts.money import FineTuned
from data_contracts.records import Counts
from data_contracts.worth import Payback, Recommendation
from tasks.decide import leaving
from tasks.decide.economics import payback
from tasks.decide.recommend import recommend
from tasks.decide.recommend_case import RecommendCase
from tasks.decide.verdict import Standing, decide
from tasks.evaluate.compare import ComparisonPolicy, compare
from tasks.evaluate.comparison.line_up import JUDGE
from tasks.evaluate.comparison.savings import saving_per_request
from tasks.evaluate.failures import FailurePolicy, explain
from tasks.evaluate.search import unequal_decoding
from tasks.partition.clusters import clusters
from tasks.steps import clock, general, preferences
from tasks.steps.asking import scoring
from tasks.steps.champion import answers_with_retired, standing_of
from tasks.steps.contest import field_of, retired_of, sealed_sha256
from tasks.workspace import Workspace

SEED = 7  # of the draws that ranges rest on
RETIRED_NOTE = (
    "champion ({model}) no longer answers and stands here by its recorded answers: tests against it inform, and decide "
    "nothing."
)


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
        matter = _Matter(space)
        comparison, failures = _compared(matter), _failures(matter)
        space.folder.write_json("comparison.json", comparison)
        space.folder.write_json("failures.json", failures)
        contested = leaving.contested(comparison)
        worth = _worth(matter, contested)
        verdict = _decide(matter, comparison, worth)
        space.folder.write_json("recommendation.json", _recommended(space, verdict, contested, failures, worth))
        space.folder.write_json("verdict.json", verdict)
    return Judgement(
        space.folder.read_json("verdict.json", Verdict),
        space.folder.read_json("comparison.json", Comparison),
        space.folder.read_json("failures.json", FailureReport),
        space.folder.read_json("recommendation.json", Recommendation),
    )


@dataclass(frozen=True)
class _Matter:
    """What is judged: who answered which rows, and the champion that no longer does."""

    space: Workspace

    @cached_property
    def field(self) -> list[Candidate]:
        """Who answered, the reference first."""
        return field_of(self.space)

    @cached_property
    def retired(self) -> Candidate | None:
        """The champion that takes part by recorded answers."""
        return retired_of(self.space)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """Of the field."""
        return self.space.folder.read_frame("answers.parquet")

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The test cases: id, input, slices."""
        return self.space.rows("test", ("id", "input", "slices"))

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Input text of each test case."""
        return dict(zip(self.rows["id"], self.rows["input"], strict=True))

    @cached_property
    def clusters(self) -> dict[str, str]:
        """Cluster of each test case."""
        return clusters_of(self.space)


def clusters_of(space: Workspace) -> dict[str, str]:
    """Cluster of each test case: rows of one group and copies of each other are no independent cases."""
    test = space.partitions.test
    chosen = np.isin(space.keys["position"], test["position"])
    found = clusters(space.keys, space.folder.read_frame("near.parquet"), chosen)
    return dict(zip(test["id"], found.astype(str), strict=True))


def _compared(matter: _Matter) -> Comparison:
    """The field among itself; beside it, apart from all that decides, a retired champion's recorded answers."""
    space, field, policy = matter.space, matter.field, _policy(matter)
    comparison = compare(matter.answers, field, policy)
    met = standing_of(space)
    unknown = met is not None and met.training_data == "unknown"
    notes = [
        *comparison.notes,
        *unequal_decoding(field),
        *preferences.notes(space),
        *([leaving.UNKNOWN_DATA.format(model=met.model)] if met and unknown else []),
    ]
    comparison = comparison.model_copy(update={"notes": notes})
    if matter.retired is None or policy.metric == JUDGE:
        return comparison
    return _with_retired(comparison, matter, policy)


def _with_retired(comparison: Comparison, matter: _Matter, policy: ComparisonPolicy) -> Comparison:
    """With the champion's figures and everybody's tests against it: a family of their own, which decides nothing."""
    assert matter.retired is not None  # noqa: S101 - the caller looked
    name = matter.retired.name
    apart = replace(policy, reference=name, best_prompt=name, general={}, general_asked=frozenset(), judge=None)
    beside = compare(answers_with_retired(matter.space), [matter.retired, *matter.field], apart)
    tests = [test.model_copy(update={"informational": True}) for test in beside.tests]
    return comparison.model_copy(
        update={
            "candidates": [*comparison.candidates, beside.candidates[0]],
            "tests": [*comparison.tests, *tests],
            "confusion": comparison.confusion | {key: of for key, of in beside.confusion.items() if key == name},
            "notes": [*comparison.notes, RETIRED_NOTE.format(model=matter.retired.model)],
        }
    )


def _policy(matter: _Matter) -> ComparisonPolicy:
    space, field, case = matter.space, matter.field, matter.space.case.use_case
    return ComparisonPolicy(
        metric=case.metric,
        kind=case.kind,
        reference=field[0].name,
        test_sha256=sealed_sha256(space),
        alpha=case.gates.alpha,
        minimum_effect=case.gates.minimum_effect,
        latency_quantile=case.gates.latency_quantile,
        slices={row.id: json.loads(row.slices) for row in matter.rows.itertuples()},
        clusters=matter.clusters,
        contract=space.case.contract,
        scoring=scoring(space, matter.inputs),
        preferences=preferences.frame(space),
        general=general.scores(space),
        general_asked=general.asked_of(space, field),
        judge=preferences.report(space),
    )


def _failures(matter: _Matter) -> FailureReport:
    answers = answers_with_retired(matter.space)
    field = [*matter.field, *([matter.retired] if matter.retired else [])]
    pairs = preferences.pairs(matter.field)
    policy = FailurePolicy(matter.space.case.use_case.kind, matter.inputs, pairs)
    return explain(answers[answers["repeat"] < clock.BEYOND], field, policy)


def _decide(matter: _Matter, comparison: Comparison, worth: Mapping[str, Payback]) -> Verdict:
    case, reference = matter.space.case.use_case, matter.field[0]
    champion = reference if reference.name == "champion" else None
    months = case.economics.horizon_months
    standing = Standing(champion, _rival(comparison).candidate, worth, months, standing_of(matter.space))
    return decide(comparison, standing, case.gates)


def _rival(comparison: Comparison) -> CandidateScores:
    """The best prompt, which may be the champion itself."""
    scores = {item.candidate.name: item for item in comparison.candidates}
    return scores.get("best-prompt") or scores["champion"]


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


def _worth(matter: _Matter, comparison: Comparison) -> dict[str, Payback]:
    """What each tune is worth against the best prompt, by name."""
    folder, economics = matter.space.folder, matter.space.case.use_case.economics
    rival, sides = _rival(comparison), dict(list(matter.answers.groupby("candidate")))
    tuned = folder.read_json("tuned.json", FineTuned) if folder.has("tuned.json") else None

    def saving(name: str) -> Interval | None:
        return saving_per_request(sides[rival.candidate.name], sides[name], SEED, matter.clusters)

    return {
        item.candidate.name: payback(
            item, rival, _one_off(item.candidate.name, tuned), economics, saving(item.candidate.name)
        )
        for item in comparison.candidates
        if item.candidate.kind == "tune"
    }


def _one_off(name: str, tuned: FineTuned | None) -> float | None:
    """What training costs whoever takes this tune, in USD; the champion's was paid by an earlier trial."""
    if name == "champion":
        return 0.0
    return tuned.training_cost if tuned else None
