"""The lineage of a trial: what was decided, on which data, by which code, prompt, job, money and people."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from data_contracts.candidate import Candidate
from data_contracts.lineage import (
    ApprovalLineage,
    CodeLineage,
    DataLineage,
    DecisionLineage,
    ExpectationLineage,
    JobLineage,
    Lineage,
    OpeningLineage,
    PartitionLineage,
    PromptLineage,
    SourceLineage,
    VersionLineage,
)
from data_contracts.money import usd
from data_contracts.records import PARTITIONS, ExpectationResult, as_json
from data_contracts.trial import TrialRecord
from tasks.prompting.prompt import as_text

NAME, SIGNATURE = "lineage.json", "lineage.sig"
TITLE = "## Lineage"
MAX_DESCRIPTION = 5000  # characters that MLflow keeps of a version's description, on PostgreSQL
SHORT = 12  # characters of a hash that a person compares


@dataclass(frozen=True)
class MadeVersion:
    """A version that tells of the trial, as the registry holds it. `decision` is its decision record."""

    candidate: Candidate
    artifacts: Mapping[str, str]  # file to sha256
    decision: Mapping[str, Any]
    prompt_uri: str


@dataclass(frozen=True)
class Circumstances:
    """What a trial's record does not hold: who said yes, who was champion, what was bought, what is registered."""

    reason: str
    expectations: Sequence[ExpectationResult]
    approvals: Sequence[ApprovalLineage]
    replaced: tuple[Candidate | None, int | None]
    request: Mapping[str, Any]
    code: CodeLineage
    files: Mapping[str, str]
    logged: Mapping[str, str]
    versions: Mapping[int, MadeVersion]


def lineage(trial: TrialRecord, around: Circumstances) -> Lineage:
    """The whole chain of a finished trial as one document. No row text, no key."""
    return Lineage(
        use_case=trial.case.use_case.name,
        registered_model=f"tunegate.{trial.case.use_case.name}",
        run=trial.run,
        started=trial.started,
        reason=around.reason,
        versions={number: _version(trial, version) for number, version in around.versions.items()},
        data=_data(trial, around.expectations),
        code=around.code,
        job=_job(trial, around.request),
        opening=_opening(trial, around.files),
        decision=_decision(trial, around),
        cost=trial.cost,
        files=dict(around.files),
        manifest_sha256=manifest_sha256(around.files),
        logged=dict(around.logged),
    )


def manifest_sha256(files: Mapping[str, str]) -> str:
    """Hash of a manifest: of its files as JSON, sorted by name."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


def without_secrets(url: str) -> str:
    """An address without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def short_tags(found: Lineage, version: int, sha256: str) -> dict[str, str]:
    """What of it is short enough for a version's tags, to filter and to read by."""
    data, opening = found.data, found.opening
    told = {
        "lineage_sha256": sha256,
        "manifest_sha256": found.manifest_sha256,
        "contract": data.contract,
        "train_sha256": data.partitions["train"].sha256 if "train" in data.partitions else "",
        "opening": f"{opening.opening} on test set {opening.test_set}",
        "code": _code(found.code),
        "prompt_sha256": found.versions[version].prompt.text_sha256,
        "cost": usd(found.cost.actual),
        "approved_by": "; ".join(f"{yes.kind}: {yes.by} ({yes.how or 'not kept'})" for yes in found.decision.approvals),
        "training_data": found.versions[version].training_data,
    }
    return {f"tunegate.{name}": value for name, value in told.items() if value}


def described(description: str, found: Lineage, version: int) -> str:
    """A version's description with the chain as a table below what stood there; the same however often it is added."""
    table = _markdown(found, version)
    before = description.partition(TITLE)[0].rstrip()
    return f"{before[: MAX_DESCRIPTION - len(table) - 2]}\n\n{table}"


def _markdown(found: Lineage, version: int) -> str:
    rows = [f"| {name} | {_cell(says)} |" for name, says in chain(found, version)]
    return "\n".join([TITLE, "", "| | |", "|---|---|", *rows, "", f"All of it: `artifacts/{NAME}`.", ""])


def chain(found: Lineage, version: int) -> list[tuple[str, str]]:
    """Link and what it says, a line each, from the decision to the data and the code."""
    about, data, opening, job = found.versions[version], found.data, found.opening, found.job
    replaced = found.decision.replaced
    former = f"{replaced.name} `{replaced.model}`, version {found.decision.replaced_version}" if replaced else "nobody"
    partitions = ", ".join(f"{name} {part.rows} rows `{_cut(part.sha256)}`" for name, part in data.partitions.items())
    broken = sum(not result.success for result in data.expectations)
    own_job = job if job and job.asked_as == about.model else None
    return [
        ("decided", f"{found.decision.decision}: {found.decision.winner}, in the place of {former}"),
        ("run", f"`{found.run}`, manifest `{_cut(found.manifest_sha256)}`"),
        ("approved", "; ".join(_yes(yes) for yes in found.decision.approvals) or "nothing had to be"),
        ("test set", f"`{_cut(opening.test_sha256)}`, {opening.cases} cases, opening {opening.opening}"),
        ("scores", ", ".join(f"{name} {value:.3f}" for name, value in opening.scores.items()) + f" ({opening.metric})"),
        ("prompt", f"`{about.prompt.digest}` {about.prompt.registered}".rstrip()),
        ("job", f"`{own_job.job}` at {own_job.provider}, intent `{_cut(own_job.intent)}`" if own_job else "none"),
        ("cost", found.cost.sentence),
        ("data", f"{len(data.sources)} files, {data.records_in} records, {data.curated} curated; {partitions}"),
        ("contract", f"{data.contract}: {len(data.expectations)} expectations, {broken} failed"),
        ("training data", about.training_data),
        ("code", _code(found.code)),
    ]


def _version(trial: TrialRecord, version: MadeVersion) -> VersionLineage:
    candidate = version.candidate
    text = as_text(candidate.prompt, trial.case.contract, trial.labels)
    return VersionLineage(
        candidate=candidate.name,
        kind=candidate.kind,
        model=candidate.model,
        digest=candidate.digest,
        training_data=candidate.training_data,
        prompt=PromptLineage(
            digest=candidate.prompt.digest,
            text_sha256=hashlib.sha256(text.encode()).hexdigest(),
            registered=version.prompt_uri,
        ),
        artifacts=dict(version.artifacts),
        retold=version.decision.get("comparison") != as_json(trial.comparison),
    )


def _data(trial: TrialRecord, expectations: Sequence[ExpectationResult]) -> DataLineage:
    counts, contract = trial.counts, trial.case.contract
    parts = {name: getattr(counts, name) for name in PARTITIONS}
    facts = {name: as_json(found) for name, found in counts.source_facts.items()}
    return DataLineage(
        sources={name: SourceLineage(sha256=sha256, **facts[name]) for name, sha256 in counts.sources.items()},
        **{name: getattr(counts, name) for name in ("records_in", "curated", "duplicates", "quarantined", "excluded")},
        withheld=counts.withheld,
        warnings=trial.curation.warnings,
        contract=f"{contract.name} {contract.version}",
        expectations=[
            ExpectationLineage(**result.model_dump(include=set(ExpectationLineage.model_fields)))
            for result in expectations
        ],
        partitions={name: PartitionLineage(rows=part.rows, sha256=part.sha256) for name, part in parts.items() if part},
        leaks=trial.leakage.found,
    )


def _job(trial: TrialRecord, request: Mapping[str, Any]) -> JobLineage | None:
    tuned = trial.tuned
    if tuned is None:
        return None
    url = without_secrets(str(request.get("base_url", "")))
    return JobLineage(
        provider=trial.case.use_case.provider.name,
        base_url=url,
        intent=tuned.submission.intent,
        job=tuned.submission.job_id,
        attached=tuned.submission.attached,
        model=tuned.model,
        asked_as=tuned.asked_as,
        trained_tokens=tuned.trained_tokens,
        request={**request, "base_url": url},
    )


def _opening(trial: TrialRecord, files: Mapping[str, str]) -> OpeningLineage:
    comparison = trial.comparison
    return OpeningLineage(
        test_sha256=comparison.test_sha256,
        cases=trial.sealed.rows,
        test_set=trial.sealed.test_set,
        opening=trial.sealed.verdicts + 1,
        metric=comparison.metric,
        scores={item.candidate.name: item.metric.value for item in comparison.candidates},
        comparison_sha256=files.get("comparison.json", ""),
    )


def _decision(trial: TrialRecord, around: Circumstances) -> DecisionLineage:
    verdict, (replaced, version) = trial.verdict, around.replaced
    return DecisionLineage(
        decision=verdict.decision,
        winner=verdict.winner.name,
        reference=verdict.reference,
        replaced=replaced,
        replaced_version=version,
        reasons=verdict.reasons,
        verdict_sha256=around.files.get("verdict.json", ""),
        approvals=list(around.approvals),
    )


def _yes(yes: ApprovalLineage) -> str:
    return f"{yes.kind} by {yes.by} ({yes.how or 'how was not kept'})"


def _code(code: CodeLineage) -> str:
    commit = f", commit {_cut(code.commit)}{' with changes' if code.dirty else ''}" if code.commit else ""
    return f"tunegate {code.tunegate}{commit}, sources {_cut(code.sources_sha256)}, Python {code.python}"


def _cut(sha256: str) -> str:
    return sha256[:SHORT]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
