"""The side of MLflow and the ledger: the alias, its moves, who said yes, the version and its prompt."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from data_contracts.audit import AuditLink, Move
from data_contracts.candidate import Candidate
from data_contracts.contract import Contract
from data_contracts.lineage import ApprovalLineage, Lineage
from data_contracts.money import Estimate, usd
from data_contracts.redaction import REDACTIONS
from tasks import signing
from tasks.prompting.prompt import as_text
from tasks.register import promotion
from tasks.register.lineage import NAME, SIGNATURE, TITLE, described, short_tags
from tasks.register.version_record import HASHES, SIGNED
from tasks.steps import money, promoting
from tasks.steps.links.evidence import Evidence, differing, not_here, said
from tasks.workspace import Workspace

MOVED = "tunegate.move"


def alias(evidence: Evidence, moves: list[Move]) -> Iterator[AuditLink]:
    """Where the alias points, and whether that is where the last recorded move led."""
    version = evidence.version
    says = f"{version.name}@champion is version {version.version}"
    if not moves:
        yield not_here("alias", f"{says}; no move of it is in this ledger")
        return
    problems = []
    if moves[-1].version != version.version:
        problems.append(
            f"The alias champion points to version {version.version}, the last move in the ledger led to "
            f"version {moves[-1].version}: somebody moved it past tunegate."
        )
    yield said("alias", says, problems)


def history(evidence: Evidence, moves: list[Move]) -> Iterator[AuditLink]:
    """Every move of the alias as the ledger has it; the last one to the champion is held against its tags."""
    told = [f"{move.number} {move.action} to {move.version} by {move.by}" for move in moves]
    if not moves:
        yield not_here("moves", "the champion was made before moves were kept, or by another ledger")
        return
    last = next((move for move in reversed(moves) if move.version == evidence.version.version), None)
    problems = [*_gaps(moves), *(_tags_of(last, evidence.version.tags) if last else ())]
    yield said("moves", "; ".join(told), problems)
    if last:
        yield _why(evidence, last)


def approvals(evidence: Evidence) -> Iterator[AuditLink]:
    """Each yes on record, held against the ledger."""
    lineage = evidence.lineage
    if lineage is None:
        yield not_here("approvals", evidence.no_lineage)
        return
    for yes in lineage.decision.approvals:
        at = datetime.fromtimestamp(yes.at, UTC)
        says = f"{yes.kind}: {yes.by} ({yes.how or 'how was not kept'}), {at:%Y-%m-%d %H:%M} UTC"
        yield said("approval", says, _approval(evidence, yes), yes.sha256)
    given = {yes.kind for yes in lineage.decision.approvals}
    if evidence.space is None:
        yield not_here("approvals", "the run's folder, which says what had to be approved, is not on this machine")
    elif missing := list(_missing(evidence.space, given)):
        yield said("approvals", "one is missing", missing)
    elif not given:
        yield said("approvals", "nothing had to be approved", ())


def version(evidence: Evidence) -> Iterator[AuditLink]:
    """The version's tags, artifacts and runs against its decision record and its lineage."""
    found, candidate = evidence.version, evidence.candidate
    says = f"version {found.version}: {candidate.get('name', '?')} `{candidate.get('model', '?')}`"
    yield said("version", says, _identity(evidence))
    if candidate.get("training_data") == "unknown":
        says = "unknown: the tune was adopted. It may have learnt test rows, so its figures may be too high"
        yield not_here("training data", says)
    if evidence.lineage is None:
        problems = list(_copies(evidence)) if evidence.has_lineage else []
        yield said("lineage", "cannot be read", problems) if problems else not_here("lineage", evidence.no_lineage)
        yield from _hashed(evidence)
        return
    digest = found.tags.get("tunegate.lineage_sha256", "")
    yield said("lineage", f"{NAME}: run {evidence.lineage.run}", _lineage(evidence, evidence.lineage), digest)
    yield said("artifacts", f"{len(found.files)} files of the version", _artifacts(evidence, evidence.lineage))
    yield said("run in MLflow", f"{len(found.logged)} files of the trial's run", _logged(evidence, evidence.lineage))


def prompt(evidence: Evidence) -> Iterator[AuditLink]:
    """The prompt's text in the registry against the decision record, and against the lineage."""
    if not evidence.candidate:
        return
    candidate = Candidate.model_validate(evidence.candidate)
    address = evidence.version.tags.get("tunegate.prompt_version", "")
    contract = Contract.model_validate(evidence.decision["contract"])
    text = as_text(candidate.prompt, contract, evidence.decision["labels"])
    problems = list(_prompt(evidence, text, address))
    says = f"{candidate.prompt.name} ({candidate.prompt.digest}) {address}".rstrip()
    yield said("prompt", says, problems, sha256(text.encode()).hexdigest())


def signature(evidence: Evidence) -> signing.Signature:
    """How the lineage stands to its signature; the worse of the version's and the run folder's."""
    found = [signing.verify(content, bundle) for content, bundle in _signed(evidence)]
    return next((state for state in ("bad", "none", "no key here") if state in found), "good" if found else "none")


def _signed(evidence: Evidence) -> Iterator[tuple[bytes, bytes | None]]:
    documents = evidence.version.documents
    if NAME in documents:
        yield documents[NAME], documents.get(SIGNATURE)
    if evidence.space:
        folder = evidence.space.folder.path
        for document in filter(Path.exists, (folder / NAME, folder / REDACTIONS)):
            bundle = folder / signing.bundle_of(document.name)
            yield document.read_bytes(), bundle.read_bytes() if bundle.exists() else None


def _gaps(moves: list[Move]) -> Iterator[str]:
    """Moves are numbered from 1, and each starts where the one before ended."""
    for before, move in zip([None, *moves], moves, strict=False):
        number, former = (before.number, before.version) if before else (0, move.former)
        if move.number != number + 1:
            yield f"Move {number + 1} is missing in the ledger."
        elif move.former not in {former, move.version}:
            yield f"Move {move.number} in the ledger starts at version {move.former}, the one before ended at {former}."


def _tags_of(move: Move, tags: Any) -> Iterator[str]:  # noqa: ANN401 - a mapping
    for name, value in promotion.tags_of(move).items():
        yield from differing(f"Tag {name} of version {move.version}", value, tags.get(name, ""))


def _why(evidence: Evidence, move: Move) -> AuditLink:
    """The verdict that the move rests on."""
    lineage, problems = evidence.lineage, []
    if move.run and lineage and move.run == lineage.run and move.sha256:
        problems = list(differing(f"Move {move.number} in the ledger", move.sha256, lineage.decision.verdict_sha256))
    when = datetime.fromtimestamp(move.moved_at, UTC)
    says = f"{when:%Y-%m-%d %H:%M} UTC, {move.by} ({move.by_kind}): {move.reason or 'no reason given'}"
    return said("why", says, problems, move.sha256)


def _missing(space: Workspace, given: set[str]) -> Iterator[str]:
    """What the use case of that day wanted a yes to, and nobody gave."""
    case = space.case.use_case
    consent = promoting.given(space)
    unasked = consent is not None and consent.answer == "not asked" and case.approvals.promotion != "always"
    if promoting.needs_yes(space) and not unasked and promoting.PROMOTION not in given:
        yield f"`approvals.promotion` was {case.approvals.promotion}, and nobody's yes to the verdict is on record."
    cost = space.folder.read_json("estimate.json", Estimate).total_cost
    if (cost is None or cost > case.budget.approval_above) and money.SPENDING not in given:
        yield f"The estimate ({usd(cost)}) was above `budget.approval_above`, and nobody's yes to it is on record."


def _approval(evidence: Evidence, yes: ApprovalLineage) -> Iterator[str]:
    kept = evidence.ledger.approval(evidence.run, yes.kind, yes.sha256)
    if kept is None and not evidence.ledger.moves(evidence.use_case):
        return  # another ledger: it knows nothing of this use case
    if kept is None:
        yield f"The ledger {evidence.ledger.name} lacks the approval of {yes.kind} by {yes.by} that {NAME} holds."
        return
    present = ApprovalLineage(
        kind=kept.kind,
        sha256=kept.sha256,
        amount=kept.amount,
        by=kept.approved_by,
        how=kept.how,
        note=kept.note,
        at=kept.approved_at,
    )
    yield from differing(
        f"Approval of {yes.kind} in the ledger {evidence.ledger.name}", yes.model_dump(), present.model_dump()
    )


def _identity(evidence: Evidence) -> Iterator[str]:
    """The same candidate everywhere: decision record, tags, and the file by which a trial finds the champion."""
    found = evidence.version
    if not evidence.candidate:
        yield f"artifacts/decision.json of version {found.version} cannot be read."
        return
    candidate = Candidate.model_validate(evidence.candidate)
    told = {
        "digest": candidate.digest,
        "kind": candidate.kind,
        "model": candidate.model,
        "prompt": candidate.prompt.name,
        "prompt_digest": candidate.prompt.digest,
    }
    for name, value in told.items():
        yield from differing(
            f"Tag tunegate.{name} of version {found.version}", value, found.tags.get(f"tunegate.{name}", "")
        )
    try:
        same = Candidate.model_validate_json(found.candidate).digest == candidate.digest
    except ValueError:
        same = False
    if not same:
        yield f"candidate.json of the run of version {found.version} is not the candidate of its decision record."


def _copies(evidence: Evidence) -> Iterator[str]:
    wanted = evidence.version.tags.get("tunegate.lineage_sha256", "")
    for place, content in evidence.lineage_copies.items():
        if sha256(content).hexdigest() != wanted:
            yield f"{place} is not the lineage that tag tunegate.lineage_sha256 names."
    if NAME not in evidence.version.documents:
        yield f"artifacts/{NAME} of version {evidence.version.version} is missing."


def _lineage(evidence: Evidence, lineage: Lineage) -> Iterator[str]:
    yield from _copies(evidence)
    found = evidence.version
    if found.version not in lineage.versions:
        yield f"{NAME} does not tell of version {found.version}."
        return
    opening = {"tunegate.run": lineage.run, "tunegate.test_sha256": lineage.opening.test_sha256}
    told = {**opening, "tunegate.verdict": lineage.decision.decision}
    told |= short_tags(lineage, found.version, found.tags.get("tunegate.lineage_sha256", ""))
    for name, value in told.items():
        yield from differing(f"Tag {name} of version {found.version}", value, found.tags.get(name, ""))
    if TITLE in found.description and found.description != described(found.description, lineage, found.version):
        yield f"The table of the lineage in the description of version {found.version} was changed."


def _artifacts(evidence: Evidence, lineage: Lineage) -> Iterator[str]:
    found = evidence.version
    told = lineage.versions[found.version].artifacts if found.version in lineage.versions else {}
    yield from _changed(evidence, told, found.hashed, f"of version {found.version}")
    signature = found.documents.get(SIGNATURE)
    if found.tags.get(SIGNED, "") != (sha256(signature).hexdigest() if signature else ""):
        yield f"artifacts/{SIGNATURE} of version {found.version} is not the one that tag {SIGNED} names."


def _hashed(evidence: Evidence) -> Iterator[AuditLink]:
    """The artifacts of a version without lineage, where their hashes are kept in a tag."""
    found = evidence.version
    if HASHES in found.tags:
        told = json.loads(found.tags[HASHES])
        problems = _changed(evidence, told, found.files, f"of version {found.version}")
        yield said("artifacts", f"{len(told)} files of the version", problems)


def _logged(evidence: Evidence, lineage: Lineage) -> Iterator[str]:
    yield from _changed(evidence, lineage.logged, evidence.version.logged, "of the trial's run in MLflow")


def _changed(evidence: Evidence, told: Mapping[str, str], found: Mapping[str, str], where: str) -> Iterator[str]:
    """Files that are gone, or are others than those on record, what was redacted on request aside."""
    for name, digest in sorted(told.items()):
        if name not in found:
            yield f"{name} {where} is missing."
        elif digest not in (found[name], evidence.redactions.original(found[name])):
            yield f"{name} {where} was changed after it was registered."


def _prompt(evidence: Evidence, text: str, address: str) -> Iterator[str]:
    digest, lineage = sha256(text.encode()).hexdigest(), evidence.lineage
    if address and evidence.version.prompt_text is None:
        yield f"{address} is no longer in the prompt registry."
    elif address and evidence.version.prompt_text != text:
        yield f"The text of {address} was changed: it is not that of the decision record."
    if lineage and evidence.version.version in lineage.versions:
        told = lineage.versions[evidence.version.version].prompt.text_sha256
        if told != digest:
            yield f"The prompt of artifacts/decision.json is not the one whose text {NAME} names."
