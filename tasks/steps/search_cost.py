"""What the prompt search may come to, and on how many rows it stays within its own budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data_contracts.candidate import Candidate
from data_contracts.money import usd
from data_contracts.prompting import ModelAt, Optimiser
from tasks.decide.readiness import Requests, answer_cost
from tasks.errors import BudgetError
from tasks.evaluate.optimise import MINIBATCH
from tasks.evaluate.questions import Panel, build
from tasks.evaluate.search import LEAST_ROWS, schedule, survivors_at_most
from tasks.prompting.reasoning import most_answer_tokens
from tasks.steps.asking import answer_tokens, price_of
from tasks.workspace import Edge, Workspace

SAMPLE = 25  # rows whose prompts are measured to estimate a mean
BRIEFING = 500  # tokens of what the optimiser's model is told besides the mistakes
REMEDY = (
    "Raise `prompts.search_budget`, or try fewer prompts: `prompts.variants`, `prompts.grid`, "
    "`prompts.optimiser.max_answers`."
)
Batch = tuple[str, Requests]  # the endpoint's name, and what is asked there


@dataclass(frozen=True)
class Affordable:
    """How many rows the search may take, and what is to be said about it."""

    rows: int
    notes: list[str]


def affordable(space: Workspace, edge: Edge, panel: Panel) -> Affordable:
    """As many rows as `prompts.search_budget` has room for, stored answers counted like others.

    Raises BudgetError where it is too small for 20 of them.
    """
    budget, most = space.case.use_case.prompts.search_budget, len(panel.rows)
    if budget is None:
        return Affordable(most, [])
    one = _one_answer_each(panel, edge)
    optimiser = [answer_cost(requests) for _, requests in optimiser_batches(space, edge, panel)]
    fixed = math.fsum(cost or 0.0 for cost in optimiser)
    unknown = ["the optimiser"] if None in optimiser else []
    unknown += sorted({requests.price.model for requests in one if answer_cost(requests) is None})
    dearest_first = sorted((answer_cost(requests) or 0.0 for requests in one), reverse=True)
    least, bases, rounds = min(most, LEAST_ROWS), _bases(panel), space.case.use_case.prompts.rounds
    found = most
    while (cost := fixed + _cost(dearest_first, schedule(found, rounds), bases)) > budget:
        if found == least:
            raise BudgetError(f"The prompt search on {least} rows", cost, budget, REMEDY)
        found -= 1
    return Affordable(found, [*_cut(found, most, budget), *_not_held(unknown)])


def optimiser_batches(space: Workspace, edge: Edge, panel: Panel) -> list[Batch]:
    """What the optimiser may ask at most: its prompts on each base model, and the model that writes them.

    Its prompts are reckoned with as long as the longest variant of their base model.
    """
    settings = space.case.use_case.prompts.optimiser
    if settings is None:
        return []
    longest = {_base(item): _one_answer(panel, item, edge) for item in _by_length(panel)}
    scored = settings.max_answers + len(panel.rows)
    asked = [(base.endpoint, replace(requests, count=scored)) for base, requests in longest.items()]
    return [*asked, (settings.endpoint, _written(settings, edge, panel, list(longest.values())))]


def _written(settings: Optimiser, edge: Edge, panel: Panel, longest: Sequence[Requests]) -> Requests:
    """Each rewriting comes after two minibatches of answers, and is shown one of them."""
    times = math.ceil(settings.max_answers / (2 * MINIBATCH)) * len(longest)
    rows = panel.rows.head(SAMPLE)
    told = (rows["input"].str.len() + 2 * rows["output"].str.len()).mean() / 4
    tokens = BRIEFING + max(requests.prompt_tokens for requests in longest) + MINIBATCH * told
    price = edge.at(settings.endpoint).price(settings.model, tuned=False)
    return Requests(times, tokens, settings.max_tokens, price, "prompt search")


def _one_answer_each(panel: Panel, edge: Edge) -> list[Requests]:
    return [_one_answer(panel, candidate, edge) for candidate in panel.candidates]


def _one_answer(panel: Panel, candidate: Candidate, edge: Edge) -> Requests:
    tokens = most_answer_tokens(candidate.prompt, answer_tokens(panel))
    return Requests(1, _prompt_tokens(panel, candidate), tokens, price_of(candidate, edge), "prompt search")


def _prompt_tokens(panel: Panel, candidate: Candidate) -> float:
    asked = build(replace(panel, candidates=[candidate], rows=panel.rows.head(SAMPLE)))
    return sum(len(question.body) for question in asked) / max(1, len(asked)) / 4


def _by_length(panel: Panel) -> list[Candidate]:
    return sorted(panel.candidates, key=lambda candidate: _prompt_tokens(panel, candidate))


def _base(candidate: Candidate) -> ModelAt:
    return ModelAt(model=candidate.model, endpoint=candidate.endpoint)


def _bases(panel: Panel) -> int:
    return len({(item.endpoint, item.model) for item in panel.candidates})


def _cost(dearest_first: Sequence[float], counts: Sequence[int], bases: int) -> float:
    """USD of all rounds, as if the dearest variants were always those that go on."""
    total, asked, field = 0.0, 0, len(dearest_first)
    for count in counts:
        total += (count - asked) * math.fsum(dearest_first[:field])
        asked, field = count, survivors_at_most(field, bases)
    return total


def _cut(rows: int, most: int, budget: float) -> list[str]:
    if rows == most:
        return []
    return [f"`prompts.search_budget` of {usd(budget)} has room for {rows} of {most} validation rows."]


def _not_held(unknown: Sequence[str]) -> list[str]:
    if not unknown:
        return []
    return [f"The price of {', '.join(unknown)} is unknown, so `prompts.search_budget` could not hold that part."]
