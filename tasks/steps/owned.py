"""The models that a use case owns or stands on: champion, challenger, what was adopted, what was bought for it."""

from dataclasses import dataclass

from data_contracts.candidate import Candidate, Prompt
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import UseCase
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent
from tasks.register.mlflow_registry import Registry
from tasks.register.store import reachable
from tasks.steps.champion import provider_of
from tasks.workspace import Workspace, reopen

PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Owned:
    """A model, where it answers, and the run that made it; `space` None: that run's folder is not here."""

    role: str
    candidate: Candidate
    settings: ProviderSettings
    run: str
    space: Workspace | None
    registered_at: float = 0.0  # seconds since the epoch


def registered(case: UseCase, ledger: Ledger) -> list[Owned]:
    """Champion, challenger, and what was adopted before. Raises ResumableError where MLflow is out of reach."""
    registry = Registry(case.name)
    standing = {"champion": registry.champion(), "challenger": registry.challenger()}
    roles = {found.version: role for role, found in reversed(standing.items()) if found}
    adopted = (move.version for move in ledger.moves(case.name) if move.action == "adopt")
    roles |= {version: "adopted" for version in adopted if version not in roles}
    found = [_registered(role, version, registry) for version, role in roles.items()]
    return sorted(found, key=lambda one: ("champion", "challenger", "adopted").index(one.role))


def purchases(case: UseCase, ledger: Ledger) -> list[Owned]:
    """Tunes that were bought for it and were not deleted at their provider, oldest first."""
    return [_bought(intent, case) for intent in ledger.intents(case.name) if _is_held(intent, ledger)]


@reachable()
def _registered(role: str, version: int, registry: Registry) -> Owned:
    """It answers where its decision record says: the use-case file may have changed since."""
    found = registry.client.get_model_version(registry.name, str(version))
    made_by = registry.client.get_run(found.run_id).data.tags
    tags = registry.client.get_run(made_by[PARENT]).data.tags if PARENT in made_by else made_by
    run = str(tags.get("tunegate.run", ""))
    candidate = Candidate.model_validate(registry.decision(version)["candidate"])
    since = found.creation_timestamp / 1000
    return Owned(role, candidate, provider_of(registry, version), run, _space(run), since)


def _bought(intent: Intent, case: UseCase) -> Owned:
    space = _space(intent.run)
    candidate = Candidate(
        name="bought",
        kind="tune",
        model=str(intent.model),
        base_model=str(intent.request["base_model"]),
        tuned_model=str(intent.model),
        prompt=Prompt(name="unknown"),
    )
    settings = space.case.use_case.provider if space else case.provider
    return Owned(intent.job_state or intent.state.value.lower(), candidate, settings, intent.run, space)


def _space(run: str) -> Workspace | None:
    return reopen(run) if run and (run_path(run) / "manifest.json").is_file() else None


def _is_held(intent: Intent, ledger: Ledger) -> bool:
    deleted = {item.id for item in ledger.deletions(intent.key) if item.kind == "model" and item.proven}
    return bool(intent.model) and intent.model not in deleted
