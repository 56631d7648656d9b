"""The lineage of a trial, kept: in its run folder, signed where there is a key, and in the versions that tell of it."""

import json
from collections.abc import Iterator
from typing import Any

from data_contracts.candidate import Candidate
from data_contracts.contest import Registration
from data_contracts.lineage import ApprovalLineage, Lineage
from data_contracts.money import Estimate
from data_contracts.records import ExpectationResult
from data_contracts.trial import TrialRecord
from tasks import signing
from tasks.decide.readiness import estimate_sha256
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.code_facts import code_facts
from tasks.register.lineage import NAME, SIGNATURE, Circumstances, MadeVersion, lineage
from tasks.register.mlflow_registry import Registry
from tasks.register.version_record import VersionRecord, VersionRecords
from tasks.workspace import Workspace

APPROVED = (  # which content somebody said yes to, or no, and as what the ledger keeps that
    ("estimate.json", "spending"),
    ("quoted.json", "spending"),
    ("verdict.json", "promotion"),
    ("verdict.json", "promotion declined"),
)


def keep(space: Workspace, record: TrialRecord, registry: Registry) -> Lineage:
    """Write lineage.json once the trial is registered, sign it, and put both into the versions that tell of the trial.

    A resumed trial goes on where it stopped: what is written stays. Call it outside the registry's lock.
    Raises ConfigurationError where the key of TUNEGATE_SIGNING_KEY cannot be used.
    """
    versions, ledger, folder = VersionRecords(registry), Ledger(), space.folder
    with ledger.lock(promotion.lock_key(space.case.use_case.name)):
        told = versions.told_by(folder.run)
        if not folder.has(NAME):
            folder.write_json(NAME, lineage(record, _circumstances(space, record, ledger, versions)))
        if not folder.has(SIGNATURE):
            signing.seal(folder, NAME)
        found = folder.read_json(NAME, Lineage)
        files = [folder.checked(name) for name in (NAME, SIGNATURE) if folder.has(name)]
        for number in set(told) & set(found.versions):
            versions.attach(number, found, files, folder.manifest()[NAME])
        versions.log(folder.read_json("registration.json", Registration).run_id, files)
    return found


def approvals(space: Workspace, ledger: Ledger) -> Iterator[ApprovalLineage]:
    """What was said to exactly what the run folder holds, as the ledger has it."""
    for name, kind in APPROVED:
        if space.folder.has(name):
            sha256 = _approved_sha256(space, name)
            given = ledger.approval(space.folder.run, kind, sha256)
            if given:
                yield ApprovalLineage(
                    kind=kind,
                    sha256=sha256,
                    amount=given.amount,
                    by=given.approved_by,
                    how=given.how,
                    note=given.note,
                    at=given.approved_at,
                )


def _approved_sha256(space: Workspace, name: str) -> str:
    """A verdict is approved byte by byte, an estimate by what it says."""
    if name == "verdict.json":
        return space.folder.manifest()[name]
    return estimate_sha256(space.folder.read_json(name, Estimate))


def _circumstances(space: Workspace, record: TrialRecord, ledger: Ledger, versions: VersionRecords) -> Circumstances:
    bought = ledger.intent(record.tuned.submission.intent) if record.tuned else None
    files = {name: sha256 for name, sha256 in space.folder.manifest().items() if name not in (NAME, SIGNATURE)}
    found = space.champion
    return Circumstances(
        reason=space.options.reason,
        expectations=expectations(space),
        approvals=list(approvals(space, ledger)),
        replaced=(found.candidate, found.version) if found else (None, None),
        request=bought.request if bought else {},
        code=code_facts(),
        files=files,
        logged=versions.logged(space.folder.run),
        versions={number: _made(versions.read(number)) for number in versions.told_by(space.folder.run)},
    )


def expectations(space: Workspace) -> list[ExpectationResult]:
    """What the contract said of the curated rows."""
    plain = json.loads(space.folder.read_bytes("contract.json"))
    return [ExpectationResult.model_validate(result) for result in plain["expectations"]]


def _made(version: VersionRecord) -> MadeVersion:
    decision: dict[str, Any] = json.loads(version.documents["decision.json"])
    return MadeVersion(
        candidate=Candidate.model_validate(decision["candidate"]),
        artifacts=version.hashed,
        decision=decision,
        prompt_uri=version.tags.get("tunegate.prompt_version", ""),
    )
