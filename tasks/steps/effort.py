"""How much effort the prompt and the tune were given, for whoever reads the verdict."""

import math

from data_contracts.contest import PromptSearch
from data_contracts.money import Estimate, FineTuned
from data_contracts.records import Counts
from data_contracts.worth import Effort
from tasks.ledger import Ledger
from tasks.workspace import Workspace


def effort(space: Workspace, ledger: Ledger) -> Effort:
    """Both sides as the run folder has them; kept as effort.json. What an earlier run paid for is told as paid then."""
    if not space.folder.has("effort.json"):
        spent = ledger.spent_by_kind(space.folder.run).get("prompt search", 0.0)
        space.folder.write_json("effort.json", _effort(space, spent))
    return space.folder.read_json("effort.json", Effort)


def _effort(space: Workspace, spent: float) -> Effort:
    search = space.folder.read_json("prompt_search.json", PromptSearch)
    counts = space.folder.read_json("counts.json", Counts)
    estimate = space.folder.read_json("estimate.json", Estimate)
    tuned = space.folder.read_json("tuned.json", FineTuned) if space.folder.has("tuned.json") else None
    return Effort(
        prompt_tries=len(search.tried),
        prompt_base_models=len({(item.candidate.endpoint, item.candidate.base_model) for item in search.tried}),
        prompt_requests=sum(item.rows for item in search.tried),
        prompt_rows=max(item.rows for item in search.tried),
        prompt_examples=counts.train.rows if counts.train else 0,
        prompt_cost=_search_cost(search, spent),
        optimiser=search.optimiser,
        tune_tries=1 if tuned else 0,
        tune_examples=estimate.training_examples if tuned else 0,
        tune_epochs=estimate.training_epochs if tuned else None,
        tune_cost=tuned.training_cost if tuned else 0.0,
    )


def _search_cost(search: PromptSearch, spent: float) -> float | None:
    """What its answers cost, whoever paid, and what a library asked to write prompts; None: a price is unknown."""
    costs = [None if item.cost_per_request is None else item.rows * item.cost_per_request for item in search.tried]
    return None if None in costs else max(spent, math.fsum(cost for cost in costs if cost is not None))
