"""From source files to partitions that do not leak, and the training files made of them."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from data_contracts.money import TrainingFile
from data_contracts.records import (
    PARTITIONS,
    Counts,
    Curated,
    ExpectationResult,
    LeakageReport,
    LeakFreePartitions,
    LeakPair,
    Partitions,
    PartitionShare,
    Rejection,
)
from data_contracts.use_case import TaskKind
from tasks.errors import DataError
from tasks.ledger import Ledger
from tasks.workspace import Workspace


def curate(space: Workspace) -> Counts:
    """Read the source, drop duplicates, quarantine what is wrong, count everything."""
    if not space.folder.has("counts.json"):
        from tasks.curate.clean import check, clean
        from tasks.curate.read import read

        policy = space.case.use_case.curation
        curated = clean(read(space.case), policy)
        space.folder.write_frame("duplicates.parquet", curated.duplicates)
        space.folder.write_lines("quarantine.jsonl", map(asdict, curated.quarantined))
        space.folder.write_lines("excluded.jsonl", map(asdict, curated.excluded))
        space.folder.write_frame(
            "curated.parquet", check(curated, policy, str(space.folder.file("quarantine.jsonl"))).rows
        )
        space.folder.write_json("counts.json", _count(curated))
    return space.folder.read_json("counts.json", Counts)


def validate(space: Workspace) -> list[ExpectationResult]:
    """Hold the contract against the curated rows. Raises ContractError where a critical expectation fails."""
    if not space.folder.has("contract.json"):
        from tasks.curate.validate import validate as hold

        validated = hold(_curated(space), space.case.contract)
        results = [result.model_dump() for result in validated.results]
        space.folder.write_json("contract.json", {"expectations": results})
    plain = json.loads(space.folder.read_bytes("contract.json"))
    return [ExpectationResult.model_validate(result) for result in plain["expectations"]]


def partition(space: Workspace, ledger: Ledger) -> Partitions:
    """Give every row its partition: by group and near-duplicate cluster, the same one as in earlier trials."""
    if not space.folder.has("split.parquet"):
        from tasks.partition.split import split

        case = space.case.use_case
        rows = space.folder.read_frame("curated.parquet")
        space.place("split.parquet", split(rows, case.split, case.leakage, ledger.history(case.name)))
    return space.placed("split.parquet")


def check_leakage(space: Workspace) -> LeakageReport:
    """Stop where an evaluation row gives itself away in train or in a prompt; then write the training files.

    The report is on disk before the gate may stop the run.
    """
    if not space.folder.has("training_files.json"):
        from tasks.partition import leakage

        policy, parts = space.case.use_case.leakage, space.placed("split.parquet")
        found = leakage.find(parts, policy)
        _keep_leaks(space, *found)
        _check_prompts(space, parts)
        clean = leakage.check(parts, found, policy, str(space.folder.file("leakage_pairs.parquet")))
        _keep_leaks(space, clean.report, list(clean.pairs))
        space.place("partitions.parquet", clean.partitions)
        space.folder.write_json("counts.json", _with_partitions(space, clean.partitions))
        files = [_training_file(space, clean, "train"), _training_file(space, clean, "validation")]
        plain = [asdict(file) | {"path": Path(file.path).name} for file in files if file]
        space.folder.write_json("training_files.json", {"files": plain})
    return space.folder.read_json("leakage.json", LeakageReport)


def seal(space: Workspace, ledger: Ledger) -> None:
    """Fix each text's partition for ever, before the first row is sent: no later trial trains on a test row.

    Raises DataError where another trial has fixed one elsewhere since this run split its rows.
    """
    placed = {name: getattr(space.partitions, name)["words"] for name in PARTITIONS}
    assignments = {words: name for name, hashes in placed.items() for words in hashes}
    case = space.case.use_case.name
    ledger.remember(case, assignments, space.folder.run)
    history = ledger.history(case)
    moved = sum(history[words] != name for words, name in assignments.items())
    if moved:
        problem = f"another trial has placed {moved} of its rows elsewhere since they were split"
        raise DataError(f"run {space.folder.run}", problem, "Start a new one with `tunegate run`: it follows that.")


def counts(space: Workspace) -> Counts:
    """Both sums in numbers, as far as the run has come."""
    return space.folder.read_json("counts.json", Counts)


def training_files(space: Workspace) -> tuple[TrainingFile, TrainingFile | None]:
    """The training file, and the validation file where there are rows for one, in the folder as it lies now."""
    plain = json.loads(space.folder.read_bytes("training_files.json"))["files"]
    files = [TrainingFile(**file | {"path": str(space.folder.file(file["path"]))}) for file in plain]
    return files[0], files[1] if len(files) > 1 else None


def digest(rows: pd.DataFrame) -> str:
    """Identity of a set of rows: sha256 over the sorted (id, input, output), one JSON array a line."""
    lines = sorted(json.dumps(row) for row in rows[["id", "input", "output"]].itertuples(index=False, name=None))
    return sha256("\n".join(lines).encode()).hexdigest()


def _count(curated: Curated) -> Counts:
    return Counts(
        records_in=curated.records_in,
        curated=len(curated.rows),
        duplicates=len(curated.duplicates),
        quarantined=len(curated.quarantined),
        excluded=len(curated.excluded),
        quarantine_codes=dict(Counter(rejection.code for rejection in curated.quarantined).most_common()),
        sources=curated.sources,
    )


def _curated(space: Workspace) -> Curated:
    counts = space.folder.read_json("counts.json", Counts)
    return Curated(
        rows=space.folder.read_frame("curated.parquet"),
        duplicates=space.folder.read_frame("duplicates.parquet"),
        quarantined=_rejections(space, "quarantine.jsonl"),
        excluded=_rejections(space, "excluded.jsonl"),
        records_in=counts.records_in,
        sources=counts.sources,
    )


def _rejections(space: Workspace, name: str) -> list[Rejection]:
    return [Rejection(**json.loads(line)) for line in space.folder.read_bytes(name).split(b"\n") if line]


def _keep_leaks(space: Workspace, report: LeakageReport, pairs: list[LeakPair]) -> None:
    columns = list(LeakPair.model_fields)
    frame = pd.DataFrame.from_records([pair.model_dump() for pair in pairs], columns=columns)
    space.folder.write_frame(report.pairs_file, frame)
    space.folder.write_json("leakage.json", report)


def _check_prompts(space: Workspace, partitions: Partitions) -> None:
    from tasks.partition.leakage import texts_in_prompts

    described = space.case.contract.labels.values()
    for name, prompt in space.prompts.items():
        listed = described if prompt.labels == "descriptions" else ()
        told = texts_in_prompts([prompt.role, *prompt.rules, prompt.output_format, *listed], partitions)
        if told:
            raise DataError(
                f"prompt {name}",
                f"its text or the label descriptions hold {len(told)} validation or test inputs (first: row {told[0]})",
                "Take them out: a prompt must not be shown what it is tested on.",
            )


def _with_partitions(space: Workspace, partitions: Partitions) -> Counts:
    counts = space.folder.read_json("counts.json", Counts)
    labelled = space.case.use_case.kind is TaskKind.CLASSIFICATION
    shares = {name: _share(getattr(partitions, name), labelled) for name in PARTITIONS}
    reasons = {str(reason): int(rows) for reason, rows in partitions.withheld["reason"].value_counts().items()}
    return counts.model_copy(update={**shares, "withheld": len(partitions.withheld), "withheld_reasons": reasons})


def _share(rows: pd.DataFrame, labelled: bool) -> PartitionShare:
    labels = {str(label): int(n) for label, n in rows["output"].value_counts().sort_index().items()} if labelled else {}
    return PartitionShare(rows=len(rows), sha256=digest(rows), labels=labels)


def _training_file(
    space: Workspace, clean: LeakFreePartitions, which: Literal["train", "validation"]
) -> TrainingFile | None:
    """What the tune learns, asked with the minimal prompt. A provider wants ten validation rows or none."""
    from tasks.finetune import training_file

    rows = getattr(clean.partitions, which)
    if which == "validation" and len(rows) < training_file.MIN_EXAMPLES:
        return None
    name = {"train": "training.jsonl", "validation": "validation.jsonl"}[which]
    return training_file.build(clean, which, _records(space, rows), space.folder.file(name))


def _records(space: Workspace, rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    prompt = space.prompts[space.case.use_case.prompts.minimal]
    for messages, output in zip(rows["messages"], rows["output"], strict=True):
        yield space.renderer.training_record(prompt, json.loads(messages), output)
