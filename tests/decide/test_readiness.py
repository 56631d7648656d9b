import dataclasses

import pytest

from data_contracts.gates import Gates
from data_contracts.money import Estimate, Price
from data_contracts.use_case import Budget
from tasks.decide.readiness import (
    Hosting,
    Plan,
    Requests,
    Training,
    estimate,
    estimate_sha256,
    likely_epochs,
    require_budget,
    with_quote,
)
from tasks.errors import ApprovalRequiredError, BudgetError

PRICE = Price(model="base", input=1.0, output=4.0, training=10.0, source="table", as_of="2026-11-01")
UNKNOWN = Price(model="mystery", input=None, output=None, source="none", as_of="2026-11-01")
TRAINING = Training(examples=1000, tokens=100_000, epochs=2, price=PRICE)
REQUESTS = Requests(count=1000, prompt_tokens=300, completion_tokens=50, price=PRICE)
PLAN = Plan(test_cases=4000, requests=[REQUESTS], training=TRAINING)
BUDGET = Budget(per_run=50, per_month=100, approval_above=5)


def planned(**changes: object) -> Estimate:
    return estimate(dataclasses.replace(PLAN, **changes), Gates())


def costing(training: float | None, answers: float | None) -> Estimate:
    total = None if training is None or answers is None else training + answers
    return planned().model_copy(update={"training_cost": training, "answer_cost": answers, "total_cost": total})


def test_training_is_tokens_times_epochs_and_an_answer_is_paid_by_token() -> None:
    found = planned()
    assert (found.training_tokens, found.training_cost) == (200_000, pytest.approx(2.0))
    assert (found.answers, found.answer_tokens) == (1000, 350_000)
    assert found.answer_cost == pytest.approx(0.5)
    assert found.total_cost == pytest.approx(2.5)
    assert found.warnings == []


def test_a_job_that_is_paid_already_costs_nothing_more() -> None:
    found = planned(training=dataclasses.replace(TRAINING, already_paid=True))
    assert (found.training_cost, found.already_paid) == (0.0, True)
    assert found.total_cost == pytest.approx(0.5)


def test_without_training_only_answers_cost() -> None:
    found = planned(training=None)
    assert (found.training_examples, found.training_tokens, found.training_cost) == (0, 0, 0.0)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("changes", "unknown"),
    [
        ({"training": dataclasses.replace(TRAINING, price=UNKNOWN)}, "training_cost"),
        ({"requests": [REQUESTS, dataclasses.replace(REQUESTS, price=UNKNOWN)]}, "answer_cost"),
    ],
)
def test_an_unknown_price_makes_the_sum_unknown_never_smaller(changes: dict[str, object], unknown: str) -> None:
    found = planned(**changes)
    assert getattr(found, unknown) is None
    assert found.total_cost is None
    assert any("price of mystery" in warning for warning in found.warnings)


def test_a_price_that_nothing_is_bought_at_need_not_be_known() -> None:
    assert planned(requests=[dataclasses.replace(REQUESTS, count=0, price=UNKNOWN)]).total_cost == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("examples", "epochs"), [(10, 10), (4, 25), (33, 3), (34, 3), (1000, 3), (10_000, 2), (60_000, 1)]
)
def test_epochs_left_to_the_provider_follow_its_published_rule(examples: int, epochs: int) -> None:
    assert likely_epochs(dataclasses.replace(TRAINING, examples=examples, epochs=None)) == epochs


def test_few_training_examples_are_warned_about_in_numbers() -> None:
    few = planned(training=dataclasses.replace(TRAINING, examples=199))
    assert few.warnings == ["199 training examples: a tune on fewer than 200 often makes a model worse."]
    assert planned(training=dataclasses.replace(TRAINING, examples=200)).warnings == []


def test_a_test_set_too_small_for_the_minimum_effect_says_how_many_cases_are_needed() -> None:
    found = planned(test_cases=120)
    assert found.detectable_difference == pytest.approx(0.113, abs=0.001)
    assert found.warnings[0].startswith("120 test cases show a difference of 11.3 points or more")
    assert "asks for 2.0: about 3923 cases needed" in found.warnings[0]


def test_a_minimum_effect_of_nothing_can_be_shown_by_no_number_of_cases() -> None:
    assert "no number of cases" in estimate(PLAN, Gates(minimum_effect=0)).warnings[0]


def test_labels_that_are_never_trained_are_named_up_to_five() -> None:
    found = planned(unseen_labels=list("abcdefg"))
    assert found.warnings == [
        "7 labels are judged but never trained, so a tune cannot give them: a, b, c, d, e and 2 more."
    ]


def test_a_cheap_run_needs_no_approval() -> None:
    require_budget(costing(4.0, 1.0), BUDGET, 0.0, approved=False, run="r1")


def test_a_dearer_run_waits_for_a_yes_and_goes_on_with_it() -> None:
    told = r"Run r1 would spend about 6\.00 USD.*nothing more was spent"
    with pytest.raises(ApprovalRequiredError, match=told) as stop:
        require_budget(costing(5.0, 1.0), BUDGET, 0.0, approved=False, run="r1")
    assert stop.value.exit_code == 4
    require_budget(costing(5.0, 1.0), BUDGET, 0.0, approved=True, run="r1")


@pytest.mark.parametrize(("cost", "spent", "cap"), [(50.01, 0.0, "budget.per_run"), (20.0, 80.01, "budget.per_month")])
def test_no_approval_lifts_a_budget(cost: float, spent: float, cap: str) -> None:
    with pytest.raises(BudgetError, match=cap):
        require_budget(costing(cost, 0.0), BUDGET, spent, approved=True, run="r1")


def test_a_budget_may_be_spent_to_the_last_cent() -> None:
    require_budget(costing(50.0, 0.0), BUDGET, 50.0, approved=True, run="r1")


def test_an_unknown_cost_needs_a_yes() -> None:
    with pytest.raises(ApprovalRequiredError, match="an unknown amount"):
        require_budget(costing(None, 0.0), BUDGET, 0.0, approved=False, run="r1")
    require_budget(costing(None, 0.0), BUDGET, 0.0, approved=True, run="r1")


def test_what_is_known_of_an_unknown_cost_stays_under_the_budget() -> None:
    with pytest.raises(BudgetError):
        require_budget(costing(None, 60.0), BUDGET, 0.0, approved=True, run="r1")


def test_the_parts_of_an_estimate_add_up_and_each_names_its_price_and_source() -> None:
    judge = Requests(
        10, 100.0, 0.0, Price(model="embed", input=2.0, output=None, source="t", as_of="d"), "leakage judge"
    )
    hosting = Hosting(2.0, PRICE.model_copy(update={"hosting": 1.5}))
    found = planned(requests=[judge, REQUESTS], hosting=hosting)
    assert [part.part for part in found.parts] == ["leakage judge", "final answers", "training", "hosting"]
    assert (found.judge_cost, found.hosting_cost, found.answers) == (pytest.approx(0.002), 3.0, 1000)
    assert found.total_cost == pytest.approx(0.002 + 0.5 + 2.0 + 3.0)
    assert found.rows[2] == {
        "part": "training",
        "model": "base",
        "requests": "",
        "tokens": "200,000",
        "price": "$10.00 / 1M tokens",
        "cost": "$2.00",
        "source": "table, 2026-11-01",
    }


def test_hosting_at_an_unknown_price_makes_the_sum_unknown() -> None:
    found = planned(hosting=Hosting(1.0, UNKNOWN.model_copy(update={"hosting": None})))
    assert (found.hosting_cost, found.total_cost) == (None, None)
    assert "mystery (hosting)" in found.warnings[0]


def test_a_yes_is_bound_to_costs_tokens_and_models_not_to_when_prices_were_read() -> None:
    def priced(**changes: object) -> str:
        return estimate_sha256(
            planned(requests=[dataclasses.replace(REQUESTS, price=PRICE.model_copy(update=changes))])
        )

    assert priced(as_of="2026-12-24", source="another table") == priced()
    assert len({priced(), priced(input=2.0), priced(model="other"), estimate_sha256(planned(training=None))}) == 4


def test_a_quote_takes_the_place_of_the_jobs_own_estimate() -> None:
    quoted = with_quote(planned(), 7.0)
    assert (quoted.training_cost, quoted.total_cost) == (7.0, pytest.approx(7.5))
    assert [part.cost for part in quoted.parts if part.part == "training"] == [7.0]
    assert estimate_sha256(quoted) != estimate_sha256(planned())


def test_a_missing_yes_names_the_content_that_it_would_be_bound_to() -> None:
    dear = costing(50.0, 0.0)
    with pytest.raises(ApprovalRequiredError) as stop:
        require_budget(dear, BUDGET, 0.0, approved=False, run="r1")
    assert stop.value.sha256 == estimate_sha256(dear)
