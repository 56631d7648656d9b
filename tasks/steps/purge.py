"""Delete what the provider still holds of a run's purchase."""

from collections.abc import Sequence

from tasks.clock import Clock
from tasks.errors import ConfigurationError
from tasks.finetune.cleanup import CleanUp
from tasks.finetune.order import intent_key
from tasks.ledger.rows import Deletion, Intent
from tasks.register.mlflow_registry import Registry
from tasks.steps.money import order
from tasks.workspace import Edge, Workspace


def purge(space: Workspace, edge: Edge, clock: Clock) -> Sequence[Deletion]:
    """Files, tuned model and deployment, each looked for afterwards; all that was ever deleted, oldest first.

    Raises ConfigurationError where the run bought nothing, where its model is the champion, or where it is parked.
    """
    intent = bought(space, edge)
    champion = Registry(space.case.use_case.name).champion()
    if champion and intent.model and champion.candidate.model in (intent.model, champion_name(space)):
        problem = f"its model answers as champion of {space.case.use_case.name} (version {champion.version})"
        raise ConfigurationError(space.folder.run, problem, "Let another version become champion first.")
    CleanUp(edge.provider, edge.ledger, clock).everything(intent)
    return edge.ledger.deletions(intent.key)


def bought(space: Workspace, edge: Edge) -> Intent:
    """The purchase that the run made or attached to. Raises ConfigurationError where it made none."""
    has_files = space.folder.has("training_files.json")
    intent = edge.ledger.intent(intent_key(order(space), edge.provider)) if has_files else None
    if intent is None:
        raise ConfigurationError(space.folder.run, "it bought nothing", "`tunegate status` lists purchases.")
    return intent


def champion_name(space: Workspace) -> str | None:
    """The name that the run's tuned model answers by, where that is not its own."""
    from data_contracts.money import FineTuned

    return space.folder.read_json("tuned.json", FineTuned).asked_as if space.folder.has("tuned.json") else None
