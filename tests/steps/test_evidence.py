"""What a trial measures besides its metric: a judge, general tasks, repeats, probabilities, a score of one's own."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from data_contracts.contest import Comparison, Verdict
from data_contracts.evidence import FailureReport
from data_contracts.money import Estimate, Price
from data_contracts.provider import ProviderSettings
from data_contracts.worth import Recommendation
from tasks.ledger import Ledger
from tasks.providers.embedded import Embedded
from tasks.providers.protocol import AnswerEndpoint, ModelInfo
from tasks.register.mlflow_registry import Registry
from tasks.steps import money
from tasks.steps.cost import actual_cost
from tasks.workspace import Edge, Workspace, edge_of
from tests.embedded import RunningServer
from tests.evaluate.scripted_endpoint import Arrival, Scripted, completion, scripted_endpoint
from tests.other_kinds import free_text_use_case
from tests.stepwise import begin, take_contest_steps, take_data_steps, take_money_steps

SCORER = """
def shortness(output, expected, asked):
    return 1.0 if len(output) <= len(expected) else 0.5
"""
TASKS = [{"input": "Say yes.", "expected": "yes"}, {"input": "Name a city.", "expected": "Paris"}]
PEOPLE = [{"input": "Hello", "a": "Good day to you.", "b": "Hi", "preferred": "a"}]
EVALUATION = {
    "repeats": 2,
    "repeat_cases": 10,
    "logprobs": True,
    "judge": {"model": "jury", "endpoint": "jury", "criteria": "The longer of the two.", "max_cases": 20}
    | {"human_labels": "people.jsonl"},
    "general": {"file": "tasks.jsonl"},
}


class Jury(Embedded):
    """Prefers the longer answer, whichever stands first."""

    scripted: Scripted

    def models(self) -> list[ModelInfo]:
        return [ModelInfo("jury", 0, "people")]

    def answer_endpoint(self) -> AnswerEndpoint:
        return self.scripted.endpoint()

    def price(self, model: str, tuned: bool) -> Price:
        return Price(model=model, input=1.0, output=1.0, source="test", as_of="2026-01-01")


async def longer(arrival: Arrival) -> Any:
    material = json.loads(arrival.body["messages"][-1]["content"])
    lengths = len(material["answer_a"]), len(material["answer_b"])
    return completion("TIE" if lengths[0] == lengths[1] else "A" if lengths[0] > lengths[1] else "B")


@dataclass(frozen=True)
class Tried:
    """A finished trial, and what the jury was asked."""

    space: Workspace
    edge: Edge
    path: Path
    asked: list[Arrival]

    @property
    def comparison(self) -> Comparison:
        return self.space.folder.read_json("comparison.json", Comparison)


@pytest.fixture(scope="module")
def tried(shared_provider: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("evidence")
    path = free_text_use_case(folder / "case", rows=180)
    for name, records in (("tasks", TASKS), ("people", PEOPLE)):
        (path.parent / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (path.parent / "house_style.py").write_text(SCORER)
    plain = json.loads(path.read_text())
    plain |= {"evaluation": EVALUATION, "endpoints": {"jury": {"name": "embedded"}}}
    plain["gates"] = {"metric": "judge", "max_latency_ratio": None}
    plain["split"] = {"min_test": 20}
    path.write_text(json.dumps(plain))
    with pytest.MonkeyPatch.context() as patch, scripted_endpoint(longer) as scripted:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
        space, edge = _trial(path, scripted)
        yield Tried(space, edge, path, list(scripted.arrivals))


def _trial(path: Path, scripted: Scripted, **options: Any) -> tuple[Workspace, Edge]:
    space = take_data_steps(begin(path, **options))
    edge = _with_jury(edge_of(space), scripted)
    take_money_steps(space, edge)
    take_contest_steps(space, edge, Registry(space.case.use_case.name))
    return space, edge


def _with_jury(edge: Edge, scripted: Scripted) -> Edge:
    jury = Jury(ProviderSettings(), Path(os.environ["TUNEGATE_HOME"]) / "jury")
    jury.scripted = scripted
    return replace(edge, endpoints={"jury": jury})


def test_the_judges_preferences_decide_where_it_is_the_metric(tried: Tried) -> None:
    found = tried.comparison
    assert (found.metric, found.candidates[0].metric.value) == ("judge", 0.5)
    assert found.judge is not None
    pair = next(item for item in found.judge.pairs if item.candidate == "tune-minimal")
    assert (pair.cases, pair.wins + pair.losses + pair.ties) == (20, 20)
    test = next(item for item in found.tests if item.candidate == "tune-minimal")
    assert (test.wins, test.losses) == (pair.wins, pair.losses)
    assert test.difference.value == pytest.approx(pair.preference.value - 0.5)


def test_the_judge_is_held_against_people(tried: Tried) -> None:
    assert tried.comparison.judge is not None
    assert tried.comparison.judge.human is not None
    assert tried.comparison.judge.human.share == 1.0


def test_no_name_of_a_candidate_reaches_the_judge(tried: Tried) -> None:
    said = json.dumps([arrival.body for arrival in tried.asked])
    assert not any(item.candidate.name in said for item in tried.comparison.candidates)


def test_the_judge_is_paid_for_and_told_in_estimate_and_cost(tried: Tried) -> None:
    estimated = tried.space.folder.read_json("estimate.json", Estimate)
    (part,) = [item for item in estimated.parts if item.part == "answer judge" and item.requests > 2]
    assert part.requests >= len(tried.asked) - 2
    cost = next(item for item in actual_cost(tried.space, tried.edge).parts if item.part == "answer judge")
    assert cost.actual == pytest.approx(9e-6 * len(tried.asked))


def test_tasks_that_the_base_model_solves_none_of_show_nothing_and_hold_nobody(tried: Tried) -> None:
    plain = json.loads(tried.space.folder.read_bytes("general.json"))
    assert sorted(plain["nothing_to_forget"]) == ["tune-full", "tune-minimal"]
    rules = tried.space.folder.read_json("verdict.json", Verdict).rules
    assert {rule.tier for rule in rules if rule.name == "general tasks"} == {"info"}


def test_some_cases_are_asked_twice_and_every_answer_has_a_probability(tried: Tried) -> None:
    answers = tried.space.folder.read_frame("answers.parquet")
    cases = len(tried.space.partitions.test)
    assert answers.groupby("candidate").size().tolist() == [cases + 10] * 3
    assert answers["confidence"].between(0, 1).all()
    tune = tried.comparison.candidates[-1]
    assert tune.consistency is not None
    assert (tune.consistency.repeats, tune.consistency.cases) == (2, 10)
    assert tune.calibration is not None
    assert tune.calibration.cases == cases


def test_failures_and_what_to_do_next_are_told(tried: Tried) -> None:
    failures = tried.space.folder.read_json("failures.json", FailureReport)
    assert {item.candidate for item in failures.candidates} == {"best-prompt", "tune-minimal", "tune-full"}
    recommendation = tried.space.folder.read_json("recommendation.json", Recommendation)
    assert recommendation.sentence
    assert any(rule.fired for rule in recommendation.rules)


def test_the_same_question_again_is_estimated_and_paid_at_nothing(tried: Tried) -> None:
    space = take_data_steps(begin(tried.path))
    edge = replace(edge_of(space), endpoints=tried.edge.endpoints)
    assert money.estimate(space, edge, train=True).total_cost == 0
    take_money_steps(space, edge)
    take_contest_steps(space, edge, Registry(space.case.use_case.name))
    assert Ledger().spent_in_run(space.folder.run) == 0
    first, second = (one.folder.read_json("verdict.json", Verdict) for one in (tried.space, space))
    assert first == second


def test_a_score_of_ones_own_decides_where_it_is_the_metric(tried: Tried) -> None:
    settings = {"gates.metric": "custom", "evaluation.scorer": "house_style:shortness", "evaluation.judge": None}
    space = take_data_steps(begin(tried.path, settings=settings, train=False))
    edge = edge_of(space)
    take_money_steps(space, edge)
    take_contest_steps(space, edge, Registry(space.case.use_case.name))
    assert set(space.folder.read_frame("answers.parquet").query("outcome == 'answered'")["score"]) <= {0.5, 1.0}
    assert space.folder.read_json("comparison.json", Comparison).metric == "custom"
