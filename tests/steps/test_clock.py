"""Latencies that are compared are of one and the same day."""

from collections import Counter
from pathlib import Path

from tasks.register.mlflow_registry import Registry
from tasks.steps import clock
from tasks.steps.clock import of_other_days
from tasks.workspace import Workspace, edge_of
from tests.small_use_case import small_use_case
from tests.stepwise import begin, take_contest_steps, take_data_steps, take_money_steps

ASKED = Counter({"champion": 100, "tune": 100})


def test_who_was_asked_on_other_days_is_who_is_stored_while_others_are_new() -> None:
    assert of_other_days(Counter({"champion": 100}), ASKED) == ["champion"]
    assert of_other_days(Counter({"champion": 50, "tune": 3}), ASKED) == []


def test_where_all_are_stored_they_are_of_one_trial() -> None:
    assert of_other_days(Counter(ASKED), ASKED) == []


def test_stored_answers_are_timed_again_beside_a_new_tune_and_only_then(copy: Workspace, tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case")
    settings = {"gates.max_latency_ratio": 50.0, "fine_tune.generation": 2}
    first, again = _trial(path, settings), _trial(path, settings)
    answers = first.folder.read_frame("answers.parquet")
    timed = answers[answers["repeat"] >= clock.BEYOND]
    assert set(timed["candidate"]) == {"best-prompt"}
    assert len(timed) == min(clock.SAMPLE, answers["case"].nunique())
    assert not timed["stored"].any()
    assert not (again.folder.read_frame("answers.parquet")["repeat"] >= clock.BEYOND).any()


def _trial(path: Path, settings: dict[str, object]) -> Workspace:
    space = take_data_steps(begin(path, settings=settings))
    edge = edge_of(space)
    take_money_steps(space, edge)
    take_contest_steps(space, edge, Registry("small"))
    return space
