"""Delete what the provider still holds of a run's purchase."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_contracts.money import FineTuned
from tasks.clock import Clock
from tasks.errors import ConfigurationError
from tasks.finetune.cleanup import CleanUp
from tasks.finetune.order import intent_key
from tasks.ledger.rows import Deletion, Intent
from tasks.register.mlflow_registry import Incumbent, Registry
from tasks.steps.attached import others_at_work
from tasks.steps.money import order
from tasks.workspace import Edge, Workspace


@dataclass(frozen=True)
class Purged:
    """What was ever deleted of a purchase, oldest first, and (kind, id) of what the provider's API cannot delete."""

    deleted: Sequence[Deletion]
    stays: Sequence[tuple[str, str]]


def purge(space: Workspace, edge: Edge, clock: Clock) -> Purged:
    """Deployment, tuned model and files, each looked for afterwards where the provider lets one.

    Raises ConfigurationError where the run bought nothing, where its model is the champion, where it is parked, or
    where another run is at work with the same purchase; ResumableError where this very run is in progress.
    """
    space.folder.claim()
    try:
        intent = bought(space, edge)
        _require_no_champion(space, intent)
        _require_nobody_at_work(space, edge, intent)
        clean_up = CleanUp(edge.provider, edge.ledger, clock)
        model = clean_up.everything(intent)
        return Purged(edge.ledger.deletions(intent.key), clean_up.undeletable(intent, model))
    finally:
        space.folder.release()


def bought(space: Workspace, edge: Edge) -> Intent:
    """The purchase that the run made or attached to. Raises ConfigurationError where it made none."""
    has_files = space.folder.has("training_files.json")
    intent = edge.ledger.intent(intent_key(order(space), edge.provider)) if has_files else None
    if intent is None:
        raise ConfigurationError(space.folder.run, "it bought nothing", "`tunegate status` lists purchases.")
    return intent


def _require_no_champion(space: Workspace, intent: Intent) -> None:
    champion = Registry(space.case.use_case.name).champion()
    if champion and (champion.intent == intent.key or _is_model_of(champion, space, intent)):
        problem = f"its model answers as champion of {space.case.use_case.name} (version {champion.version})"
        raise ConfigurationError(space.folder.run, problem, "Let another version become champion first.")


def _is_model_of(champion: Incumbent, space: Workspace, intent: Intent) -> bool:
    """By its names: a version from before versions told of their purchase has no others."""
    tuned = space.folder.read_json("tuned.json", FineTuned) if space.folder.has("tuned.json") else None
    names = {intent.model, *((tuned.model, tuned.asked_as) if tuned else ())}
    return not names.isdisjoint({champion.candidate.model, champion.candidate.tuned_model} - {""})


def _require_nobody_at_work(space: Workspace, edge: Edge, intent: Intent) -> None:
    if others := others_at_work(space.folder.run, intent, edge.ledger):
        problem = f"run {others[0]} is at work with the same purchase"
        remedy = "Wait for its end (`tunegate status`) or stop it, then purge again."
        raise ConfigurationError(space.folder.run, problem, remedy)
