"""What a trial is about to cost and what it can show, before anything is sent; and the gate in front of the money."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_contracts.money import Estimate, Price
from data_contracts.use_case import Budget, Gates
from tasks.errors import ApprovalRequiredError, BudgetError
from tasks.power import cases_needed, detectable_difference

FEW_EXAMPLES = 200  # published advice calls smaller sets a risk of overfitting; a warning, never a stop
LISTED_LABELS = 5


@dataclass(frozen=True)
class Training:
    """The job that is bought. `tokens` are those of one epoch; epochs None: the provider decides."""

    examples: int
    tokens: int
    epochs: int | None
    price: Price
    already_paid: bool = False  # the ledger holds this very job


@dataclass(frozen=True)
class Requests:
    """Requests that one model is about to answer; what the ledger already holds is left out."""

    count: int
    prompt_tokens: float  # mean per request
    completion_tokens: float
    price: Price


@dataclass(frozen=True)
class Plan:
    """Everything that the trial is about to do."""

    test_cases: int
    requests: Sequence[Requests]  # prompt search and final comparison
    training: Training | None  # None: nothing is trained
    hours: float | None = None
    unseen_labels: Sequence[str] = ()


def estimate(plan: Plan, gates: Gates) -> Estimate:
    """Tokens x price for training and answers, in USD. An unknown price makes the sum unknown, never smaller."""
    training = plan.training
    epochs = likely_epochs(training) if training else 0
    costs = training_cost(training), _sum(_answer_cost(requests) for requests in plan.requests)
    return Estimate(
        training_examples=training.examples if training else 0,
        training_tokens=training.tokens * epochs if training else 0,
        training_epochs=epochs,
        training_cost=costs[0],
        answers=sum(requests.count for requests in plan.requests),
        answer_tokens=round(sum(_tokens(requests) for requests in plan.requests)),
        answer_cost=costs[1],
        total_cost=_sum(costs),
        hours=plan.hours,
        detectable_difference=detectable_difference(plan.test_cases, alpha=gates.alpha),
        already_paid=training is not None and training.already_paid,
        warnings=[*_training_warnings(plan), *_size_warnings(plan, gates), *_price_warnings(plan)],
    )


def likely_epochs(training: Training) -> int:
    """The epochs asked for, or OpenAI's own choice by its cookbook: 3, within 100 to 25,000 examples seen."""
    if training.epochs is not None:
        return training.epochs
    examples = max(training.examples, 1)
    if examples * 3 < 100:
        return min(25, 100 // examples)
    return max(1, min(3, 25_000 // examples))


def training_cost(training: Training | None) -> float | None:
    """USD still to be paid for the job: 0 where it is paid already, None where the price is unknown."""
    if training is None or training.already_paid or training.tokens == 0:
        return 0.0
    price = training.price.training
    return None if price is None else training.tokens * likely_epochs(training) * price / 1e6


def require_budget(estimate: Estimate, budget: Budget, spent_this_month: float, approved: bool, run: str) -> None:
    """Raise BudgetError above a cap, whoever approved; ApprovalRequiredError where a yes is needed and missing.

    An unknown cost needs a yes too, and what is known of it must stay under the caps.
    """
    known = (estimate.training_cost or 0) + (estimate.answer_cost or 0)
    if known > budget.per_run:
        raise BudgetError("This run", known, budget.per_run, _remedy("per_run"))
    if spent_this_month + known > budget.per_month:
        raise BudgetError("This month with this run", spent_this_month + known, budget.per_month, _remedy("per_month"))
    unknown = estimate.total_cost is None
    if (unknown or known > budget.approval_above) and not approved:
        raise ApprovalRequiredError(run, math.nan if unknown else known, budget.approval_above)


def _remedy(cap: str) -> str:
    return (
        f"Nothing was spent. Raise `budget.{cap}`, or buy less: fewer epochs, prompt variants or search rows "
        "(`tunegate estimate` says what each part costs)."
    )


def _tokens(requests: Requests) -> float:
    return requests.count * (requests.prompt_tokens + requests.completion_tokens)


def _answer_cost(requests: Requests) -> float | None:
    if requests.count == 0:
        return 0.0
    price = requests.price
    if price.input is None or price.output is None:
        return None
    each = requests.prompt_tokens * price.input + requests.completion_tokens * price.output
    return requests.count * each / 1e6


def _sum(costs: Iterable[float | None]) -> float | None:
    known = list(costs)
    return None if None in known else math.fsum(cost for cost in known if cost is not None)


def _training_warnings(plan: Plan) -> list[str]:
    warnings = []
    if plan.training and plan.training.examples < FEW_EXAMPLES:
        few = f"a tune on fewer than {FEW_EXAMPLES} often makes a model worse"
        warnings.append(f"{plan.training.examples} training examples: {few}.")
    if plan.unseen_labels:
        names = ", ".join(plan.unseen_labels[:LISTED_LABELS])
        left = len(plan.unseen_labels) - LISTED_LABELS
        more = f" and {left} more" if left > 0 else ""
        warnings.append(
            f"{len(plan.unseen_labels)} labels are judged but never trained, so a tune cannot give them: {names}{more}."
        )
    return warnings


def _size_warnings(plan: Plan, gates: Gates) -> list[str]:
    shown = detectable_difference(plan.test_cases, alpha=gates.alpha)
    if shown <= gates.minimum_effect:
        return []
    cases = f"{plan.test_cases} test cases show a difference of {100 * shown:.1f} points or more (power 0.8)"
    if gates.minimum_effect == 0:
        return [f"{cases}; `gates.minimum_effect` asks for any difference at all, which no number of cases shows."]
    needed = cases_needed(gates.minimum_effect, alpha=gates.alpha)
    return [
        f"{cases}; `gates.minimum_effect` asks for {100 * gates.minimum_effect:.1f}: about {needed} cases needed, "
        "taking candidates to differ on 20 % of cases."
    ]


def _price_warnings(plan: Plan) -> list[str]:
    unknown = {requests.price.model for requests in plan.requests if _answer_cost(requests) is None}
    if plan.training and training_cost(plan.training) is None:
        unknown.add(f"{plan.training.price.model} (training)")
    return [
        f"The price of {model} is unknown, so the run's cost is, and it needs an approval." for model in sorted(unknown)
    ]
