"""What the judge of copies in other words costs, and that it may: the leakage gate asks it before the estimate."""

from data_contracts.money import Part
from data_contracts.records import Partitions
from tasks.decide.readiness import Requests, answer_cost
from tasks.ledger import Ledger
from tasks.providers.base_url import is_loopback
from tasks.providers.prices import price
from tasks.purse import Purse
from tasks.workspace import CURATED, Workspace

TEXTS_JUDGED = 2  # a row and its likeliest source, on average
SAMPLE = 500
PART: Part = "leakage judge"


def requests(space: Workspace, parts: Partitions) -> list[Requests]:
    """The texts that are shown to it; one on this machine costs nothing."""
    case = space.case.use_case
    semantic = case.leakage.semantic
    if semantic is None or is_loopback(semantic.base_url):
        return []
    rows = len(parts.validation) + len(parts.test)
    inputs = space.folder.columns(CURATED, ["input"])["input"].slice(0, SAMPLE)
    tokens = sum(len(text.encode()) for text in inputs.to_pylist()) / max(1, len(inputs)) / 4
    at = price(semantic.model, False, semantic.base_url, case.provider.prices)
    return [Requests(TEXTS_JUDGED * rows, tokens, 0.0, at, PART)]


def set_aside(space: Workspace, parts: Partitions, ledger: Ledger) -> None:
    """Count its cost as spent before it is asked. Raises BudgetError; an unknown price cannot be capped."""
    costs = [answer_cost(asked) for asked in requests(space, parts)]
    known = sum(cost for cost in costs if cost is not None)
    if known:
        case = space.case.use_case
        purse = Purse(ledger, case.name, space.folder.run, case.budget)
        purse.set_aside(f"judge {space.folder.run}", PART, known)
