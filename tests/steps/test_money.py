"""What a run will cost is known, and stopped, before it costs anything; and nothing is counted or bought twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts.consent import Consent
from data_contracts.data_policy import Leakage, Semantic
from data_contracts.money import Estimate, FineTuned
from data_contracts.provider import OwnPrice
from tasks import workspace
from tasks.clock import SystemClock
from tasks.errors import ApprovalRequiredError, BudgetError, ConfigurationError, ProviderRefusedError
from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState
from tasks.providers.protocol import Capabilities
from tasks.steps import contest, judging, money, planning, prompt_search
from tasks.workspace import Workspace
from tests.small_use_case import small_use_case
from tests.stepwise import Finished, begin, edge_of, forget, take_data_steps, take_money_steps, unseen

Asked = Callable[[], Any]
PRICES = {"prices.list"}


@pytest.fixture
def ready(own_home: Path, tmp_path: Path) -> Callable[..., Workspace]:
    """`ready(**settings)`: a run of the small use case whose data steps are taken."""
    path = small_use_case(tmp_path / "case", rows=150, split={"min_test": 20})
    return lambda **settings: take_data_steps(begin(path, settings=settings))


def yes(note: str = "") -> Consent:
    return Consent(answer="yes", by="Ada", by_kind="self-declared", note=note)


def test_an_estimate_asks_the_provider_for_prices_and_for_nothing_else(
    ready: Callable[..., Workspace], asked: Asked
) -> None:
    with asked() as calls:
        found = money.estimate(space := ready(), edge_of(space), train=True)
    assert {call["call"] for call in calls} == PRICES
    assert found.total_cost == pytest.approx(found.training_cost + found.answer_cost)
    assert found.total_cost == pytest.approx(sum(part.cost for part in found.parts))
    assert {row["part"] for row in found.rows} == {"prompt search", "training", "final answers"}
    assert all(row["source"].startswith("the embedded provider's table, 20") for row in found.rows)
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


def test_a_yes_counts_for_exactly_what_was_estimated(ready: Callable[..., Workspace]) -> None:
    dear = ready(**{"budget.approval_above": 0.001})
    edge = edge_of(dear)
    found = money.estimate(dear, edge, train=True)
    given = money.approve_spending(dear, edge.ledger, found, yes("the quarter's budget"))
    assert (given.approved_by, given.note, given.amount) == ("Ada", "the quarter's budget", found.total_cost)
    money.require_budget(dear, edge, found)
    dearer = found.model_copy(update={"answer_cost": 2 * found.answer_cost, "total_cost": 2 * found.total_cost})
    with pytest.raises(ApprovalRequiredError) as needed:
        money.require_budget(dear, edge, dearer)
    assert needed.value.sha256 not in ("", given.sha256)


def test_a_yes_to_one_run_is_none_to_another(ready: Callable[..., Workspace]) -> None:
    one, other = (ready(**{"budget.approval_above": 0.001}) for _ in range(2))
    edge = edge_of(one)
    money.approve_spending(one, edge.ledger, money.estimate(one, edge, train=True), yes(""))
    with pytest.raises(ApprovalRequiredError):
        money.require_budget(other, edge, money.estimate(other, edge, train=True))


def test_no_yes_lifts_a_cap(ready: Callable[..., Workspace]) -> None:
    space = ready(**{"budget.per_run": 0.001})
    edge = edge_of(space)
    found = money.estimate(space, edge, train=True)
    money.approve_spending(space, edge.ledger, found, yes(""))
    with pytest.raises(BudgetError):
        money.require_budget(space, edge, found)


def test_an_estimate_at_published_prices_needs_no_key(
    ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    models = {"prompts.base_models": ["gpt-4.1-mini"], "fine_tune.base_model": "gpt-4.1-mini-2025-04-14"}
    space = ready(**{"provider.name": "openai", **models})
    found = money.estimate(space, money.price_edge(space), train=True)
    assert found.training_cost == pytest.approx(found.training_tokens * 5.0 / 1e6)
    assert found.total_cost is not None


def test_a_deployed_tune_is_paid_by_the_hour_begun(ready: Callable[..., Workspace], monkeypatch: Any) -> None:
    space = ready()
    edge = edge_of(space)
    ask = edge.provider.price
    rate = {True: 1.7, False: 0.0}
    monkeypatch.setattr(edge.provider, "capabilities", Capabilities(deploys=True))
    monkeypatch.setattr(
        edge.provider, "price", lambda model, tuned: ask(model, tuned).model_copy(update={"hosting": rate[tuned]})
    )
    found = money.estimate(space, edge, train=True)
    assert found.hosting_cost == 1.7
    assert found.total_cost == pytest.approx(found.training_cost + found.answer_cost + 1.7)


def test_the_champions_own_answers_are_part_of_the_estimate(
    ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = ready()
    champion = planning.search_panel(space, edge_of(space)).candidates[0].model_copy(update={"model": "older"})
    without = planning.plan(space, edge_of(space), train=False)
    monkeypatch.setattr(planning, "expected", lambda space, edge: (space, edge, (champion, space.few_shots)))
    with_one = planning.plan(space, edge_of(space), train=False)
    assert len(with_one.requests) == len(without.requests) + 1
    assert with_one.requests[-1].count == len(space.partitions.test)


@pytest.mark.parametrize(("base_url", "lines"), [("https://example.com/v1", 1), ("http://127.0.0.1:9/v1", 0)])
def test_a_judge_elsewhere_is_part_of_the_estimate(finished: Finished, base_url: str, lines: int) -> None:
    space = Workspace(finished.space.folder)
    case = space.case.use_case
    judged = case.model_copy(update={"leakage": Leakage(semantic=Semantic(base_url=base_url, model="embed"))})
    space.__dict__["case"] = space.case.model_copy(update={"use_case": judged})
    found = judging.requests(space, space.partitions)
    assert len(found) == lines
    assert all(requests.price.input is None for requests in found)


def test_a_judge_that_the_budget_has_no_room_for_is_not_asked(finished: Finished, tmp_path: Path) -> None:
    space, ledger = Workspace(finished.space.folder), Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    case = space.case.use_case
    semantic = Semantic(base_url="https://example.com/v1", model="embed")
    priced = case.provider.model_copy(update={"prices": {"embed": OwnPrice(input=1e6)}})
    judged = case.model_copy(update={"leakage": Leakage(semantic=semantic), "provider": priced})
    space.__dict__["case"] = space.case.model_copy(update={"use_case": judged})
    with pytest.raises(BudgetError, match=r"budget\.per_run"):
        judging.set_aside(space, space.partitions, ledger)
    assert ledger.spent_in_run(space.folder.run) == 0


def test_what_others_spent_this_month_counts_and_what_this_run_spent_does_not_count_twice(
    ready: Callable[..., Workspace],
) -> None:
    space = ready(**{"budget.per_month": 1.0})
    edge = edge_of(space)
    found = money.estimate(space, edge, train=True)
    edge.ledger.record_spend("own", "small", space.folder.run, "training", 0.99)
    money.require_budget(workspace.reopen(space.folder.run), edge, found)
    edge.ledger.record_spend("other", "small", "another-run", "training", 0.99)
    with pytest.raises(BudgetError, match=r"budget\.per_month"):
        money.require_budget(space, edge, found)


def test_a_second_estimate_of_the_same_question_finds_everything_paid_already(
    copy: Workspace, finished: Finished
) -> None:
    again = take_data_steps(begin(finished.space.case.folder / "small.yaml"))
    found = money.estimate(again, edge_of(again), train=True)
    assert found.already_paid
    assert (found.training_cost, found.answers, found.total_cost, found.parts) == (0, 0, 0, [])
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
    forget(space, "estimate.json")
    with pytest.raises(ProviderRefusedError, match=r"fine_tune\.generation"):
        money.estimate(space, edge, train=True)


# ---------------------------------------------------------------- the job's own price


def quoting(edge: Any, quote: float, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(edge.provider, "quote", lambda request: quote)
    return edge


def test_a_quote_that_breaks_a_cap_stops_the_purchase(
    ready: Callable[..., Workspace], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = ready(**{"budget.approval_above": 500})
    edge = quoting(edge_of(space), 51.0, monkeypatch)
    with asked() as calls, pytest.raises(BudgetError, match=r"budget\.per_run"):
        money.submit(space, edge, SystemClock())
    assert "jobs.create" not in {call["call"] for call in calls}
    assert edge.ledger.spent_in_run(space.folder.run) == 0


def test_a_quote_above_what_was_approved_takes_a_yes_of_its_own(
    ready: Callable[..., Workspace], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = ready(**{"budget.approval_above": 0.001})
    edge = quoting(edge_of(space), 9.0, monkeypatch)
    found = money.estimate(space, edge, train=True)
    money.approve_spending(space, edge.ledger, found, yes(""))
    money.require_budget(space, edge, found)
    with asked() as calls, pytest.raises(ApprovalRequiredError) as needed:
        money.submit(space, edge, SystemClock())
    assert "jobs.create" not in {call["call"] for call in calls}
    assert needed.value.amount == pytest.approx(9.0 + found.answer_cost)
    with pytest.raises(ApprovalRequiredError):
        money.require_budget(space, edge, found)
    assert money.approve_spending(space, edge.ledger, found, yes("dearer")).sha256 == needed.value.sha256
    money.require_budget(space, edge, found)
    submission = money.submit(space, edge, SystemClock())
    assert edge.ledger.intent(submission.intent).quote == 9.0
    assert edge.ledger.spent_in_run(space.folder.run) == 9.0


def test_a_yes_to_an_unknown_cost_of_answers_is_none_to_a_dearer_job(
    ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = ready(**{"budget.approval_above": 0.001})
    edge = quoting(edge_of(space), 45.0, monkeypatch)
    known = money.estimate(space, edge, train=True)
    found = known.model_copy(update={"total_cost": None, "answer_cost": None})
    (space.folder.path / "estimate.json").unlink()
    space.folder.write_json("estimate.json", found)
    assert money.approve_spending(space, edge.ledger, found, yes("")).amount is None
    with pytest.raises(ApprovalRequiredError):
        money.submit(space, edge, SystemClock())


def test_a_quote_below_what_was_approved_goes_through(
    ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = ready()
    edge = quoting(edge_of(space), 0.0001, monkeypatch)
    money.submit(space, edge, SystemClock())
    assert edge.ledger.spent_in_run(space.folder.run) == 0.0001


def test_the_jobs_cost_is_set_aside_before_it_is_bought_and_free_again_after_a_definite_no(
    ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    space, seen = ready(), []
    edge = edge_of(space)

    def refuse(request: object) -> None:
        seen.append(edge.ledger.spent_in_run(space.folder.run))
        raise ProviderRefusedError("creating a fine-tuning job", "closed", "no new jobs", "Go elsewhere.")

    monkeypatch.setattr(edge.provider, "create_job", refuse)
    with pytest.raises(ProviderRefusedError):
        money.submit(space, edge, SystemClock())
    assert seen == [space.folder.read_json("estimate.json", Estimate).training_cost]
    assert edge.ledger.spent_in_run(space.folder.run) == 0


def test_answers_stop_before_a_cap_and_what_was_paid_until_then_is_on_record(
    ready: Callable[..., Workspace], asked: Asked
) -> None:
    space = ready(**{"budget.per_run": 0.0005})
    edge = edge_of(space)
    with asked() as calls, pytest.raises(BudgetError, match=r"budget\.per_run"):
        prompt_search.search(space, edge, unseen)
    answered = [call for call in calls if call["call"] == "chat.create"]
    assert 0 < len(answered) < len(space.partitions.validation) * len(space.prompts)
    assert 0 < edge.ledger.spent_in_run(space.folder.run) <= 0.0006


# ---------------------------------------------------------------- afterwards


def test_what_the_run_did_cost_stands_beside_what_was_estimated(copy: Workspace) -> None:
    edge = edge_of(copy)
    cost = money.actual_cost(copy, edge)
    assert [part.part for part in cost.parts] == ["prompt search", "training", "final answers"]
    assert cost.actual == pytest.approx(edge.ledger.spent_in_run(copy.folder.run))
    assert cost.estimated == copy.folder.read_json("estimate.json", Estimate).total_cost
    assert cost.difference == pytest.approx(cost.actual - cost.estimated)
    assert cost.percent == pytest.approx(100 * cost.difference / cost.estimated)
    assert copy.folder.has("cost.json")


def test_what_the_provider_says_that_the_job_cost_wins(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    edge = edge_of(copy)
    forget(copy, "tuned.json", "cost.json")
    ask = edge.provider.job
    monkeypatch.setattr(edge.provider, "job", lambda id_: ask(id_).model_copy(update={"cost": 1.25}))
    assert money.wait(workspace.reopen(copy.folder.run), edge, SystemClock(), lambda event: None).training_cost == 1.25
    costs = {part.part: part.actual for part in money.actual_cost(workspace.reopen(copy.folder.run), edge).parts}
    assert costs["training"] == 1.25


def test_earlier_jobs_and_answers_tell_how_long_the_next_trial_takes(copy: Workspace, finished: Finished) -> None:
    again = take_data_steps(begin(finished.space.case.folder / "small.yaml", settings={"fine_tune.seed": 12}))
    found = money.estimate(again, edge_of(again), train=True)
    assert found.hours is not None
    assert 0 < found.hours < 1
    assert not found.already_paid
