"""What a trial is about to cost and what it can show, before anything is sent; and the gate in front of the money."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_contracts.gates import Gates
from data_contracts.money import CostPart, Estimate, Part, Price
from data_contracts.use_case import Budget
from tasks.errors import ApprovalRequiredError, BudgetError
from tasks.power import assumption, cases_needed, detectable_difference

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
    part: Part = "final answers"


@dataclass(frozen=True)
class Hosting:
    """A deployed tune, for as long as the trial asks it."""

    hours: float
    price: Price


@dataclass(frozen=True)
class Plan:
    """Everything that the trial is about to do."""

    test_cases: int
    requests: Sequence[Requests]  # judge, prompt search and final comparison
    training: Training | None  # None: nothing is trained
    hosting: Hosting | None = None  # None: nothing is deployed
    hours: float | None = None
    unseen_labels: Sequence[str] = ()
    warnings: Sequence[str] = ()  # further ones


def estimate(plan: Plan, gates: Gates) -> Estimate:
    """Tokens x price for training and answers, in USD. An unknown price makes the sum unknown, never smaller."""
    training, lines = plan.training, parts(plan)
    epochs = likely_epochs(training) if training else 0
    answers = [requests for requests in plan.requests if requests.part != "leakage judge"]
    return Estimate(
        training_examples=training.examples if training else 0,
        training_tokens=training.tokens * epochs if training else 0,
        training_epochs=epochs,
        training_cost=_cost_of(lines, "training"),
        answers=sum(requests.count for requests in answers),
        answer_tokens=round(sum(_tokens(requests) for requests in answers)),
        answer_cost=_cost_of(lines, "prompt search", "final answers", "answer judge"),
        hosting_cost=_cost_of(lines, "hosting"),
        judge_cost=_cost_of(lines, "leakage judge"),
        total_cost=_sum(line.cost for line in lines),
        hours=plan.hours,
        detectable_difference=detectable_difference(plan.test_cases, alpha=gates.alpha),
        already_paid=training is not None and training.already_paid,
        warnings=[*_training_warnings(plan), *_size_warnings(plan, gates), *_price_warnings(lines), *plan.warnings],
        parts=lines,
    )


def parts(plan: Plan) -> list[CostPart]:
    """What is bought, line by line; what costs nothing because nothing is bought has none."""
    lines = [_line(requests) for requests in _by_model(plan.requests) if requests.count]
    training, hosting = plan.training, plan.hosting
    if training and training.tokens and not training.already_paid:
        tokens = training.tokens * likely_epochs(training)
        lines.append(CostPart(part="training", tokens=tokens, cost=training_cost(training), price=training.price))
    if hosting:
        rate = hosting.price.hosting
        cost = None if rate is None else hosting.hours * rate
        lines.append(CostPart(part="hosting", hours=hosting.hours, cost=cost, price=hosting.price))
    return lines


def _by_model(requests: Sequence[Requests]) -> list[Requests]:
    """What one model is asked for one purpose, together."""
    found: dict[tuple[Part, str, str], list[Requests]] = {}
    for item in requests:
        found.setdefault((item.part, item.price.model, item.price.model_dump_json()), []).append(item)
    return [_together(items) for items in found.values()]


def _together(items: Sequence[Requests]) -> Requests:
    count = sum(item.count for item in items)
    prompt, completion = (
        math.fsum(item.count * getattr(item, name) for item in items) / max(1, count)
        for name in ("prompt_tokens", "completion_tokens")
    )
    return Requests(count, prompt, completion, items[0].price, items[0].part)


def estimate_sha256(estimate: Estimate) -> str:
    """Hash of what is bought at which price, whoever asks and whenever the prices were read: what a yes covers."""
    content = estimate.model_dump(mode="json", exclude={"hours", "detectable_difference", "warnings"})
    for line in content["parts"]:
        del line["price"]["source"], line["price"]["as_of"]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def with_quote(estimate: Estimate, quote: float) -> Estimate:
    """The estimate with the provider's own word for the job's cost, in USD, in the place of ours."""
    lines = [line.model_copy(update={"cost": quote}) if line.part == "training" else line for line in estimate.parts]
    costs = (quote, estimate.answer_cost, estimate.hosting_cost, estimate.judge_cost)
    return estimate.model_copy(update={"training_cost": quote, "total_cost": _sum(costs), "parts": lines})


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
    known = estimate.known_cost
    if known > budget.per_run:
        raise BudgetError("This run", known, budget.per_run, _remedy("per_run"))
    if spent_this_month + known > budget.per_month:
        raise BudgetError("This month with this run", spent_this_month + known, budget.per_month, _remedy("per_month"))
    unknown = estimate.total_cost is None
    if (unknown or known > budget.approval_above) and not approved:
        amount = math.nan if unknown else known
        raise ApprovalRequiredError(run, amount, budget.approval_above, estimate_sha256(estimate))


def _remedy(cap: str) -> str:
    return (
        f"Nothing more was spent. Raise `budget.{cap}`, or buy less: fewer epochs, prompt variants or search rows "
        "(`tunegate estimate` says what each part costs)."
    )


def _line(requests: Requests) -> CostPart:
    return CostPart(
        part=requests.part,
        requests=requests.count,
        tokens=round(_tokens(requests)),
        cost=answer_cost(requests),
        price=requests.price,
    )


def _cost_of(lines: Iterable[CostPart], *names: Part) -> float | None:
    return _sum(line.cost for line in lines if line.part in names)


def _tokens(requests: Requests) -> float:
    return requests.count * (requests.prompt_tokens + requests.completion_tokens)


def answer_cost(requests: Requests) -> float | None:
    """USD; None where the price is unknown."""
    price = requests.price
    if price.input is None or (price.output is None and requests.completion_tokens):
        return None
    each = requests.prompt_tokens * price.input + requests.completion_tokens * (price.output or 0.0)
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
    cases = f"{plan.test_cases} test cases show a difference of {100 * shown:.1f} points or more ({assumption()})"
    if gates.minimum_effect == 0:
        return [f"{cases}; `gates.minimum_effect` asks for any difference at all, which no number of cases shows."]
    needed = cases_needed(gates.minimum_effect, alpha=gates.alpha)
    return [f"{cases}; `gates.minimum_effect` asks for {100 * gates.minimum_effect:.1f}: about {needed} cases needed."]


def _price_warnings(lines: Sequence[CostPart]) -> list[str]:
    apart = {"training": " (training)", "hosting": " (hosting)"}
    unknown = {f"{line.price.model}{apart.get(line.part, '')}" for line in lines if line.cost is None}
    return [
        f"The price of {model} is unknown, so no cap can hold that part and the run needs an approval. State it under "
        "`provider.prices` if you know it."
        for model in sorted(unknown)
    ]
