"""The side of the run folder: verdict, test set, answers, job, files, rows, sources, contract, code."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from data_contracts.audit import AuditLink
from data_contracts.contest import Comparison
from data_contracts.lineage import Lineage
from data_contracts.money import FineTuned
from data_contracts.records import PARTITIONS, Counts, as_json
from data_contracts.redaction import REDACTIONS
from tasks.register.code_facts import code_facts
from tasks.register.lineage import NAME, SIGNATURE, manifest_sha256, without_secrets
from tasks.register.version_record import SIGNED
from tasks.run_folder import FORMAT
from tasks.signing import bundle_of
from tasks.steps import audit
from tasks.steps.champion import RETIRED
from tasks.steps.data import digest
from tasks.steps.links.evidence import Evidence, differing, guarded, not_here, said
from tasks.steps.links.sources import sources
from tasks.workspace import Workspace

UNSIGNED = f"{REDACTIONS} is not signed, and the run is: nobody can tell who changed the files that it names."
Part = Callable[[Evidence, Workspace], Iterator[AuditLink]]


def run_links(evidence: Evidence) -> Iterator[AuditLink]:
    """Every link that the run folder holds; where that is on another machine, what the lineage says of it."""
    if evidence.space is None:
        yield from _elsewhere(evidence)
        return
    space = evidence.space
    for name, part in PARTS.items():
        yield from guarded(name, lambda part=part: part(evidence, space))  # type: ignore[misc]


def _elsewhere(evidence: Evidence) -> Iterator[AuditLink]:
    where = f"run folder {evidence.run or 'of an unknown run'} is not on this machine"
    yield not_here("run folder", where, evidence.lineage.manifest_sha256 if evidence.lineage else "")
    if evidence.lineage:
        yield from _told(evidence.lineage, where)


def _told(lineage: Lineage, where: str) -> Iterator[AuditLink]:
    told = {"test set": lineage.opening.test_sha256, "comparison": lineage.opening.comparison_sha256}
    told |= {"verdict": lineage.decision.verdict_sha256}
    told |= {f"{name} partition": part.sha256 for name, part in lineage.data.partitions.items()}
    told |= {file: source.sha256 for file, source in lineage.data.sources.items()}
    for name, sha256 in told.items():
        yield not_here(name, where, sha256)
    yield from _code(lineage)


def _verdict(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """verdict.json and comparison.json against the version's decision record, where this trial wrote that."""
    lineage = evidence.lineage
    about = lineage.versions.get(evidence.version.version) if lineage else None
    for name in ("comparison", "verdict", "adoption"):
        file = f"{name}.json"
        if not space.folder.has(file):
            continue
        plain = json.loads(space.folder.read_bytes(file))
        problems = []
        if not (about and about.retold) and evidence.decision.get(name) != plain:
            problems = [f"{file} of the run folder is not what artifacts/decision.json holds as the {name}."]
        yield said(name, _outcome(plain), problems, space.folder.manifest()[file])


def _outcome(plain: dict[str, Any]) -> str:
    if "candidates" in plain:
        return f"{len(plain['candidates'])} candidates, {plain['metric']}"
    return str(plain["decision"]) if "decision" in plain else f"adopted by {plain['adopted_by']}"


def _test_set(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """The sealed test set's hash, made again of its rows, and everybody who names it."""
    found = digest(space, "test")
    named = {
        "counts.json": getattr(space.folder.read_json("counts.json", Counts).test, "sha256", ""),
        "comparison.json": space.folder.read_json("comparison.json", Comparison).test_sha256,
        "Tag tunegate.test_sha256": evidence.version.tags.get("tunegate.test_sha256", ""),
    }
    sealed = named["counts.json"]
    if "test" in evidence.redactions.partitions:
        problems = list(differing(f"The test set since {REDACTIONS}", evidence.redactions.partitions["test"], found))
    else:
        problems = list(differing("The sealed test set", sealed, found))
    problems += [problem for name, told in named.items() for problem in differing(name, told, sealed)]
    problems += _opened(evidence, sealed)
    yield said("test set", f"{len(space.partitions.test)} cases, hashed again", problems, sealed)


def _opened(evidence: Evidence, test_sha256: str) -> Iterator[str]:
    openings = evidence.ledger.openings(evidence.use_case)
    if evidence.run not in {opening.run for opening in openings if opening.test_sha256 == test_sha256}:
        yield f"The ledger {evidence.ledger.name} does not know that {evidence.run} opened this test set."


def _answers(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """Every candidate of the comparison answered each test case; a retired champion's recorded answers are its own."""
    files = [name for name in ("answers.parquet", RETIRED) if space.folder.has(name)]
    answers = pd.concat([space.folder.columns(name, ["candidate", "case"]).to_pandas() for name in files])
    comparison = space.folder.read_json("comparison.json", Comparison)
    expected = set(space.partitions.test["id"])
    problems = [
        f"{' and '.join(files)} do not hold an answer of {item.candidate.name} to each test case."
        for item in comparison.candidates
        if set(answers.loc[answers["candidate"] == item.candidate.name, "case"]) != expected
    ]
    yield said("answers", f"{len(answers)} answers", problems, space.folder.manifest()[files[0]])


def _job(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """The job: its intent is the hash of what was bought, and the training file is the one that it names."""
    if not space.folder.has("tuned.json"):
        yield not_here("job", "nothing was trained in this run")
        return
    tuned = space.folder.read_json("tuned.json", FineTuned)
    intent = evidence.ledger.intent(tuned.submission.intent)
    says = f"{tuned.submission.job_id} trained {tuned.model} on {tuned.base_model}"
    if intent is None:
        problem = f"The ledger {evidence.ledger.name} holds no purchase {tuned.submission.intent}."
        yield said("job", says, [problem], tuned.submission.intent)
        return
    where = f"Purchase {intent.key} in the ledger"
    problems = [*differing(where, intent.key, _sha256_of(intent.request))]
    problems += differing(f"Job of {where}", tuned.submission.job_id, intent.job_id)
    problems += differing(f"Model of {where}", tuned.model, intent.model)
    if evidence.lineage and evidence.lineage.job:
        url = without_secrets(str(intent.request.get("base_url", "")))
        problems += differing(where, evidence.lineage.job.request, {**intent.request, "base_url": url})
    yield said("job", says, problems, intent.key)
    files = {"training.jsonl": "training_sha256", "validation.jsonl": "validation_sha256"}
    for file, name in files.items():
        if space.folder.has(file):
            told, found = intent.request.get(name), evidence.redactions.original(_file_sha256(space, file))
            yield said(file, "the bytes that were bought", differing(f"{file} of {where}", told, found), found)


def _rows(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """Both sums, every record's place in its source, the hash of each partition."""
    counts = space.folder.read_json("counts.json", Counts)
    yield said("rows", counts.sentence, audit.adds_up(space))
    told = evidence.lineage.data.partitions if evidence.lineage else {}
    for name in PARTITIONS:
        share = getattr(counts, name)
        if share:
            problems = differing(f"{name} partition", told[name].sha256, share.sha256) if name in told else ()
            yield said(f"{name} partition", f"{share.rows} rows", problems, share.sha256)


def _contract(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """The contract of the run is the version's, and its results are those of the lineage."""
    contract, lineage = space.case.contract, evidence.lineage
    plain = json.loads(space.folder.read_bytes("contract.json"))["expectations"]
    problems = []
    if not (lineage and lineage.versions[evidence.version.version].retold):
        told = evidence.decision.get("contract")
        problems += (
            [] if told == as_json(contract) else ["The contract of artifacts/decision.json is not use_case.json's."]
        )
    if lineage:
        results = [(result.type, result.success) for result in lineage.data.expectations]
        problems += differing("contract.json", results, [(item["type"], item["success"]) for item in plain])
    failed = sum(not item["success"] for item in plain)
    says = f"{contract.name} {contract.version}: {len(plain)} expectations, {failed} failed"
    yield said("contract", says, problems, space.folder.manifest()["contract.json"])


def _files(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """Every file of the run folder against its manifest, and the manifest against the lineage."""
    manifest, lineage = space.folder.manifest(), evidence.lineage
    problems = [
        f"{name} is not the file that manifest.json names: it is missing or was changed."
        for name in space.folder.changed_files()
    ]
    if SIGNED in evidence.version.tags and not space.folder.has(SIGNATURE):
        problems.append(f"{SIGNATURE} of the run folder is missing.")
    problems += _manifest(space, manifest)
    if lineage:
        problems += audit.unlike(lineage, evidence.redactions.before(manifest))
        problems += differing(NAME, lineage.manifest_sha256, manifest_sha256(lineage.files))
    yield said("files", f"{len(manifest)} files of {space.folder.run}", problems, manifest_sha256(manifest))
    if evidence.redactions.requests:
        unsigned = SIGNED in evidence.version.tags and not space.folder.has(bundle_of(REDACTIONS))
        problems = [UNSIGNED] if unsigned else []
        yield said("redactions", evidence.redactions.sentence, problems, manifest[REDACTIONS])


def _manifest(space: Workspace, manifest: dict[str, str]) -> Iterator[str]:
    """A byte more or less that changes no meaning is a change too."""
    written = json.dumps({"format": FORMAT, "files": manifest}, indent=2).encode() + b"\n"
    if space.folder.file("manifest.json").read_bytes() != written:
        yield "manifest.json is not as it was written."


def _code_of(evidence: Evidence, _space: Workspace) -> Iterator[AuditLink]:
    if evidence.lineage:
        yield from _code(evidence.lineage)


def _code(lineage: Lineage) -> Iterator[AuditLink]:
    """Which code; whether it is the code here is information, for releases come and go."""
    code, here = lineage.code, code_facts()
    commit = f", commit {code.commit[:12]}{' with changes' if code.dirty else ''}" if code.commit else ""
    says = f"tunegate {code.tunegate}{commit}, Python {code.python}"
    if code.sources_sha256 == here.sources_sha256:
        yield said("code", f"{says}: the very code that is here", (), code.sources_sha256)
    else:
        yield not_here("code", f"{says}; here is tunegate {here.tunegate}, another code", code.sources_sha256)


def _file_sha256(space: Workspace, name: str) -> str:
    with space.folder.file(name).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sha256_of(request: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


PARTS: dict[str, Part] = {
    "verdict": _verdict,
    "test set": _test_set,
    "answers": _answers,
    "job": _job,
    "rows": _rows,
    "sources": sources,
    "contract": _contract,
    "files": _files,
    "code": _code_of,
}
