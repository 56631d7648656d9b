"""The chain from the champion to its data, every hash of it made again."""

from collections.abc import Iterator

from data_contracts.audit import AuditLink, AuditReport, Move
from tasks import signing
from tasks.errors import ConfigurationError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.register.version_record import VersionRecord, VersionRecords
from tasks.run_folder import RunFolder
from tasks.steps.audit import FORGED
from tasks.steps.links import registry as kept
from tasks.steps.links.evidence import Evidence, guarded, said
from tasks.steps.links.run import run_links
from tasks.workspace import Workspace

STRIPPED = (
    "TUNEGATE_VERIFY_KEY is set, and this version carries no signature: it was registered without a key, or somebody "
    "took its signature away."
)


def audit(registry: Registry, ledger: Ledger) -> AuditReport:
    """The champion of a use case: what it rests on, and what of that no longer holds.

    Raises ConfigurationError where there is no champion, or TUNEGATE_VERIFY_KEY cannot be used.
    """
    version = promotion.aliased(registry, promotion.CHAMPION)
    if version is None:
        problem = f"{registry.name} has no champion"
        raise ConfigurationError(
            registry.store.use_case, problem, "`tunegate run` finds one, `tunegate adopt` takes one in."
        )
    return examine(registry.store.use_case, VersionRecords(registry).read(version), ledger)


def examine(use_case: str, version: VersionRecord, ledger: Ledger) -> AuditReport:
    """The same of a version that was read from MLflow."""
    evidence = Evidence(use_case, version, ledger, _space(version.tags.get("tunegate.run", "")))
    moves = ledger.moves(use_case)
    signature = kept.signature(evidence)
    return AuditReport(
        use_case=use_case,
        version=version.version,
        model=version.tags.get("tunegate.model", ""),
        links=[*_links(evidence, moves), *_signature(signature, evidence)],
        moves=moves,
        signature=signature,
    )


def _links(evidence: Evidence, moves: list[Move]) -> Iterator[AuditLink]:
    yield from kept.alias(evidence, moves)
    yield from kept.history(evidence, moves)
    yield from guarded("approvals", lambda: kept.approvals(evidence))
    yield from guarded("version", lambda: kept.version(evidence))
    yield from guarded("prompt", lambda: kept.prompt(evidence))
    yield from run_links(evidence)


def _signature(found: signing.Signature, evidence: Evidence) -> Iterator[AuditLink]:
    """A problem where it is bad, and where whoever looks has a key to verify with and there is nothing to verify."""
    if found == "bad":
        yield said("signature", "bad", [FORGED])
    elif found == "none" and evidence.has_lineage and signing.is_expected():
        yield said("signature", "none", [STRIPPED])


def _space(run: str) -> Workspace | None:
    """The run's folder, where it is on this machine."""
    path = run_path(run) if run else None
    return Workspace(RunFolder(path)) if path and (path / "manifest.json").exists() else None
