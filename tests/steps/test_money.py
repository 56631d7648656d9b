"""What a run will cost is known, and stopped, before it costs anything; and nothing is counted or bought twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts.money import FineTuned
from tasks import workspace
from tasks.clock import SystemClock
from tasks.errors import ApprovalRequiredError, BudgetError, ConfigurationError, ProviderRefusedError
from tasks.ledger.rows import IntentState
from tasks.steps import contest, money
from tasks.workspace import Workspace
from tests.small_use_case import small_use_case
from tests.stepwise import Finished, begin, edge_of, forget, take_data_steps, take_money_steps

Asked = Callable[[], Any]
PRICES = {"prices.list"}


@pytest.fixture
def ready(own_home: Path, tmp_path: Path) -> Callable[..., Workspace]:
    """`ready(**settings)`: a run of the small use case whose data steps are taken."""
    path = small_use_case(tmp_path / "case", rows=150, split={"min_test": 20})
    return lambda **settings: take_data_steps(begin(path, settings=settings))


def test_an_estimate_asks_the_provider_for_prices_and_for_nothing_else(
    ready: Callable[..., Workspace], asked: Asked
) -> None:
    with asked() as calls:
        found = money.estimate(space := ready(), edge_of(space), train=True)
    assert {call["call"] for call in calls} == PRICES
    assert found.total_cost == pytest.approx(found.training_cost + found.answer_cost)
    assert found.training_examples == len(space.partitions.train)
    assert not found.already_paid


def test_the_answers_of_an_estimate_are_the_search_and_the_final_comparison(ready: Callable[..., Workspace]) -> None:
    space = ready()
    searched = len(space.partitions.validation) * len(space.prompts)
    assert money.estimate(space, edge_of(space), train=True).answers == searched + 3 * len(space.partitions.test)


def test_without_training_only_the_prompts_are_paid_for(ready: Callable[..., Workspace]) -> None:
    space = ready()
    found = money.estimate(space, edge_of(space), train=False)
    searched = len(space.partitions.validation) * len(space.prompts)
    assert found.answers == searched + len(space.partitions.test)
    assert (found.training_cost, found.training_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "stopped_by", "says"),
    [
        ({"budget.per_run": 0.001}, BudgetError, "budget.per_run"),
        ({"budget.per_month": 0.001}, BudgetError, "budget.per_month"),
        ({"budget.approval_above": 0.001}, ApprovalRequiredError, "approval"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_cap_or_a_missing_approval_stops_the_run_with_exit_4_before_the_first_paid_call(
    ready: Callable[..., Workspace], asked: Asked, limits: dict[str, float], stopped_by: type[Exception], says: str
) -> None:
    space = ready(**limits)
    with asked() as calls, pytest.raises(stopped_by, match=says) as stopped:
        take_money_steps(space, edge_of(space))
    assert {call["call"] for call in calls} == PRICES | {"models.list"}
    assert stopped.value.exit_code == 4
    assert edge_of(space).ledger.spent_in_run(space.folder.run) == 0


def test_an_approval_lets_a_dear_run_go_on_and_lifts_no_cap(ready: Callable[..., Workspace]) -> None:
    dear, too_dear = ready(**{"budget.approval_above": 0.001}), ready(**{"budget.per_run": 0.001})
    edge = edge_of(dear)
    money.require_budget(dear, edge, money.estimate(dear, edge, train=True), approved=True)
    with pytest.raises(BudgetError):
        money.require_budget(too_dear, edge, money.estimate(too_dear, edge, train=True), approved=True)


def test_what_others_spent_this_month_counts_and_what_this_run_spent_does_not_count_twice(
    ready: Callable[..., Workspace],
) -> None:
    space = ready(**{"budget.per_month": 1.0})
    edge = edge_of(space)
    found = money.estimate(space, edge, train=True)
    edge.ledger.record_spend("own", "small", space.folder.run, "training", 0.99)
    money.require_budget(workspace.reopen(space.folder.run), edge, found, approved=False)
    edge.ledger.record_spend("other", "small", "another-run", "training", 0.99)
    with pytest.raises(BudgetError, match=r"budget\.per_month"):
        money.require_budget(space, edge, found, approved=False)


def test_a_second_estimate_of_the_same_question_says_that_it_is_paid_already(
    copy: Workspace, finished: Finished
) -> None:
    again = take_data_steps(begin(finished.space.case.folder / "small.yaml"))
    found = money.estimate(again, edge_of(again), train=True)
    assert found.already_paid
    assert found.training_cost == 0
    assert found.answers == 3 * len(again.partitions.test)
    assert "training paid already" in found.sentence


def test_the_same_run_again_buys_nothing_and_counts_nothing_twice(copy: Workspace, asked: Asked) -> None:
    edge = edge_of(copy)
    spent = edge.ledger.spent_in_run(copy.folder.run)
    forget(copy, "prompt_search.json", "submission.json", "tuned.json")
    with asked() as calls:
        take_money_steps(workspace.reopen(copy.folder.run), edge)
    assert not {"chat.create", "files.create", "jobs.create"} & {call["call"] for call in calls}
    assert edge.ledger.spent_in_run(copy.folder.run) == spent > 0
    assert money.submit(copy, edge, SystemClock()).attached


def test_the_price_of_the_training_is_its_tokens_times_the_price(finished: Finished, own_home: Path) -> None:
    tuned = finished.space.folder.read_json("tuned.json", FineTuned)
    price = edge_of(finished.space).provider.price(tuned.base_model, tuned=False)
    assert tuned.training_cost == pytest.approx(tuned.trained_tokens * price.training / 1e6)


def test_a_purchase_that_waits_again_is_noted_once(copy: Workspace) -> None:
    edge = edge_of(copy)
    forget(copy, "tuned.json")
    events = []
    again = money.wait(workspace.reopen(copy.folder.run), edge, SystemClock(), events.append)
    assert again.model == contest.candidates(copy, None)[-1].model
    assert [event.id for event in events] == list(dict.fromkeys(event.id for event in events))
    assert any("train_loss" in event.metrics for event in events)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"prompts.base_models": ["gone"]}, "prompts.base_models"),
        ({"fine_tune.base_model": "gone"}, "fine_tune.base_model"),
    ],
    ids=["prompts", "fine_tune"],
)
def test_a_base_model_that_the_provider_lacks_is_said_before_anything_is_paid(
    ready: Callable[..., Workspace], asked: Asked, settings: dict[str, Any], where: str
) -> None:
    space = ready(**settings)
    with asked() as calls, pytest.raises(ConfigurationError, match=f"{where}.*no model gone.*local-base-small"):
        take_money_steps(space, edge_of(space))
    assert {call["call"] for call in calls} == PRICES | {"models.list"}


def test_a_job_counts_as_spent_at_its_estimate_until_its_cost_is_known(ready: Callable[..., Workspace]) -> None:
    space = ready()
    edge = edge_of(space)
    expected = money.estimate(space, edge, train=True).training_cost
    money.submit(space, edge, SystemClock())
    assert edge.ledger.spent_in_run(space.folder.run) == pytest.approx(expected)
    paid = money.wait(space, edge, SystemClock(), lambda event: None).training_cost
    assert edge.ledger.spent_in_run(space.folder.run) == pytest.approx(paid)
    assert 0 < paid <= expected


def test_a_failed_job_is_concluded_and_stops_the_next_run_before_its_search_is_paid(
    ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = ready(**{"fine_tune.seed": 11})
    edge = edge_of(space)
    submission = money.submit(space, edge, SystemClock())
    job = edge.provider.job(submission.job_id).model_copy(
        update={"state": "failed", "error_message": "Row 3 is bad", "trained_tokens": None}
    )
    monkeypatch.setattr(edge.provider, "job", lambda job_id: job)
    with pytest.raises(ProviderRefusedError, match="Row 3 is bad"):
        money.wait(space, edge, SystemClock(), lambda event: None)
    intent = edge.ledger.intent(submission.intent)
    assert intent is not None
    assert (intent.state, intent.job_state) == (IntentState.ENDED, "failed")
    assert edge.ledger.spent_in_run(space.folder.run) == 0
    with pytest.raises(ProviderRefusedError, match=r"fine_tune\.generation"):
        money.estimate(space, edge, train=True)
