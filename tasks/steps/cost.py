"""What a run did cost, part by part, beside what was estimated."""

import json
import math
from collections.abc import Iterable

from data_contracts.money import Cost, Estimate, FineTuned, Part, PartCost, Submission
from tasks.steps import preferences
from tasks.workspace import Edge, Workspace

PARTS: tuple[Part, ...] = ("leakage judge", "prompt search", "training", "hosting", "final answers", "answer judge")
ANSWERS = {"prompt search": "validation_answers.parquet", "final answers": "answers.parquet"}


def actual_cost(space: Workspace, edge: Edge) -> Cost:
    """What the run paid, from the ledger, once its answers are in; kept as cost.json.

    What an earlier run had paid for costs this one nothing. A part at an unknown price is unknown.
    """
    if not space.folder.has("cost.json"):
        _settle_hosting(space, edge)
        found = space.folder.read_json("estimate.json", Estimate)
        spent = edge.ledger.spent_by_kind(space.folder.run)
        parts = [
            PartCost(
                part=part,
                estimated=_sum(line.cost for line in found.parts if line.part == part),
                actual=None if _is_unknown(space, edge, part) else spent.get(part, 0.0),
            )
            for part in PARTS
        ]
        bought = [part for part in parts if part.estimated != 0 or part.actual != 0]
        space.folder.write_json("cost.json", _total(found, bought, _quote(space, edge)))
    return space.folder.read_json("cost.json", Cost)


def _total(found: Estimate, parts: list[PartCost], quoted: float | None) -> Cost:
    actual = _sum(part.actual for part in parts)
    difference = None if actual is None or found.total_cost is None else actual - found.total_cost
    return Cost(
        parts=parts,
        estimated=found.total_cost,
        quoted=quoted,
        actual=actual,
        difference=difference,
        percent=100 * difference / found.total_cost if difference is not None and found.total_cost else None,
    )


def _is_unknown(space: Workspace, edge: Edge, part: Part) -> bool:
    if part in ANSWERS and space.folder.has(ANSWERS[part]):
        answers = space.folder.read_frame(ANSWERS[part])
        return bool(answers.loc[answers["outcome"] != "failed", "cost"].isna().any())
    if part == "training" and space.folder.has("tuned.json"):
        tuned = space.folder.read_json("tuned.json", FineTuned)
        intent = edge.ledger.intent(tuned.submission.intent)
        return tuned.training_cost is None and intent is not None and intent.run == space.folder.run
    judge = space.case.use_case.evaluation.judge
    if part == "answer judge":
        return judge is not None and preferences.price_of(judge, edge).input is None
    return part == "hosting" and space.folder.has("hosting.json") and _hosting_rate(space, edge) is None


def _settle_hosting(space: Workspace, edge: Edge) -> None:
    """Hours begun since the tune was deployed, in the place of those that were expected."""
    rate = _hosting_rate(space, edge) if space.folder.has("hosting.json") else None
    if rate is not None:
        since: float = json.loads(space.folder.read_bytes("hosting.json"))["since"]
        hours = max(1, math.ceil((edge.ledger.clock.now() - since) / 3600))
        edge.ledger.settle_spend(f"hosting {space.folder.run}", hours * rate)


def _hosting_rate(space: Workspace, edge: Edge) -> float | None:
    return edge.provider.price(space.case.use_case.fine_tune.base_model, tuned=True).hosting


def _quote(space: Workspace, edge: Edge) -> float | None:
    if not space.folder.has("submission.json"):
        return None
    intent = edge.ledger.intent(space.folder.read_json("submission.json", Submission).intent)
    return intent.quote if intent else None


def _sum(costs: Iterable[float | None]) -> float | None:
    known = list(costs)
    return None if None in known else math.fsum(cost for cost in known if cost is not None)
