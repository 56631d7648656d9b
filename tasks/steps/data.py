"""From curated rows to partitions that do not leak, and the training files made of them."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from data_contracts.data_policy import Leakage
from data_contracts.money import TrainingFile
from data_contracts.records import (
    PARTITIONS,
    Counts,
    ExpectationResult,
    LeakageReport,
    LeakFreePartitions,
    Partitions,
    PartitionShare,
    SealedTestSet,
)
from data_contracts.use_case import TaskKind
from tasks.errors import DataError
from tasks.ledger import Ledger
from tasks.prompting.grid import expand
from tasks.steps import data_page, judging
from tasks.steps.data_page import shown_where_it_stops
from tasks.workspace import CURATED, Workspace

NO_PAIR = "Name its column as `mapping.rejected`, leave such rows out, or set fine_tune.method: supervised."

if TYPE_CHECKING:  # numba and what it compiles are loaded where rows are compared
    from tasks.partition.leaks.search import Context


@shown_where_it_stops
def validate(space: Workspace) -> list[ExpectationResult]:
    """Hold the contract against the curated rows. Raises ContractError where a critical expectation fails."""
    from tasks.curate.validate import examine, require

    contract = space.case.contract
    if not space.folder.has("contract.json"):
        found = examine(space.folder.checked(CURATED), contract)
        space.folder.write_json("contract.json", {"expectations": [result.model_dump() for result in found]})
    plain = json.loads(space.folder.read_bytes("contract.json"))
    results = [ExpectationResult.model_validate(result) for result in plain["expectations"]]
    require(results, contract)
    return results


@shown_where_it_stops
def partition(space: Workspace, ledger: Ledger) -> Partitions:
    """Give every row its partition: by group and near-duplicate cluster, the same one as in earlier trials."""
    if not space.folder.has("split.parquet"):
        from tasks.partition.sealed import Past
        from tasks.partition.split import split

        case = space.case.use_case
        past = Past.of(ledger, case.name, space.folder.run)
        near = space.folder.read_frame("near.parquet")
        found = split(space.keys, near, past.policy(case.split), past.history, case.gates.minimum_effect)
        space.place("split.parquet", found)
    return space.placed("split.parquet")


@shown_where_it_stops
def check_leakage(space: Workspace, ledger: Ledger) -> LeakageReport:
    """Stop where an evaluation row gives itself away in train or in a prompt; then write the training files.

    The report is on disk before the gate may stop the run.
    """
    if not space.folder.has("training_files.json"):
        clean = _through_the_gate(space, ledger)
        space.place("partitions.parquet", clean.partitions)
        space.folder.write_json("counts.json", _with_partitions(space))
        space.folder.write_json("sealed.json", _sealed(space, ledger))
        files = [_training_file(space, clean, "train"), _training_file(space, clean, "validation")]
        plain = [asdict(file) | {"path": Path(file.path).name} for file in files if file]
        data_page.write(space)
        space.folder.write_json("training_files.json", {"files": plain})
    return space.folder.read_json("leakage.json", LeakageReport)


def seal(space: Workspace, ledger: Ledger) -> None:
    """Fix each text's partition for ever, before the first row is sent: no later trial trains on a test row.

    Raises DataError where another trial has fixed one elsewhere since this run split its rows.
    """
    from tasks.partition import sealed as test_set

    name, run = space.case.use_case.name, space.folder.run
    test_set.seal(ledger, name, run, space.partitions, sealed(space))
    if space.options.train and space.case.use_case.fine_tune.enabled:
        _remember_texts(space, ledger)


def sealed(space: Workspace) -> SealedTestSet:
    """The test set by its hash, and what rests on it."""
    return space.folder.read_json("sealed.json", SealedTestSet)


def counts(space: Workspace) -> Counts:
    """Both sums in numbers, as far as the run has come."""
    return space.folder.read_json("counts.json", Counts)


def training_files(space: Workspace) -> tuple[TrainingFile, TrainingFile | None]:
    """The training file, and the validation file where there are rows for one, in the folder as it lies now."""
    plain = json.loads(space.folder.read_bytes("training_files.json"))["files"]
    files = [TrainingFile(**file | {"path": str(space.folder.file(file["path"]))}) for file in plain]
    return files[0], files[1] if len(files) > 1 else None


def digest(space: Workspace, name: str) -> str:
    """Identity of a partition: sha256 over the sorted (id, input, output) of its rows, one JSON array a line."""
    return digest_of(space.rows(name, ("id", "input", "output")))


def digest_of(rows: pd.DataFrame) -> str:
    """The same of rows with columns id, input and output."""
    lines = sorted(json.dumps(row) for row in rows.itertuples(index=False, name=None))
    return sha256("\n".join(lines).encode()).hexdigest()


def _through_the_gate(space: Workspace, ledger: Ledger) -> LeakFreePartitions:
    from tasks.partition import leakage
    from tasks.partition.leaks.prompt_texts import texts_in_prompts
    from tasks.partition.placing.sizes import require_sizes

    parts = space.placed("split.parquet")
    judging.set_aside(space, parts, ledger)
    inputs = space.folder.columns(CURATED, ["input"])["input"]
    found = leakage.find(parts, inputs, _leakage_policy(space), _context(space, ledger))
    _keep_leaks(space, found.report, found.pairs)
    _check_prompts(texts_in_prompts(_fixed_texts(space), parts, found.search))
    clean = leakage.check(parts, found, str(space.folder.file(found.report.pairs_file)))
    _keep_leaks(space, clean.report, clean.pairs)
    require_sizes(clean.partitions, space.case.use_case.split, 1, space.case.use_case.gates.minimum_effect)
    return clean


def _leakage_policy(space: Workspace) -> Leakage:
    """Nobody can mend a split drawn here: what still turns out alike leaves train, whatever stops given files."""
    case = space.case.use_case
    drawn = {"on_leak": "withhold"} if case.split.method != "given" else {}
    return case.leakage.model_copy(update=drawn)


def _context(space: Workspace, ledger: Ledger) -> "Context":
    from tasks.partition.fingerprints import unpack
    from tasks.partition.leaks.links import Uploaded
    from tasks.partition.leaks.search import Context

    case = space.case.use_case
    words, sketches = unpack(upload.fingerprints for upload in ledger.uploads(case.name))
    return Context(
        compare=space.case.contract.mapping.compare,
        by_time=case.split.method == "time",
        labelled=case.kind is TaskKind.CLASSIFICATION,
        folder=space.case.folder,
        uploaded=Uploaded(words, sketches) if words else None,
    )


def _sealed(space: Workspace, ledger: Ledger) -> SealedTestSet:
    from tasks.partition.sealed import Past

    case = space.case.use_case
    past = Past.of(ledger, case.name, space.folder.run)
    policy = past.policy(case.split)
    return past.sealed(space.partitions, digest(space, "test"), policy, case.gates.minimum_effect)


def _remember_texts(space: Workspace, ledger: Ledger) -> None:
    """Fingerprints of the train rows that no earlier trial has uploaded.

    Their boilerplate is what is common among all curated rows, as in the leakage check.
    """
    from tasks.partition.fingerprints import pack, unseen
    from tasks.similarity.phrases import RowCounts
    from tasks.similarity.sketch import sketches
    from tasks.similarity.texts import Texts

    case, train = space.case.use_case, space.partitions.train
    new = train[unseen(train["words"], (upload.fingerprints for upload in ledger.uploads(case.name)))]
    texts = Texts.of(space.folder.columns(CURATED, ["input"])["input"])
    uploaded = texts.take(new["position"].to_numpy())
    fingerprints = pack(new["words"].tolist(), sketches(uploaded, RowCounts.of(texts), case.leakage))
    ledger.record_upload(case.name, space.folder.run, training_files(space)[0].sha256, fingerprints, len(new))


def _keep_leaks(space: Workspace, report: LeakageReport, pairs: pd.DataFrame) -> None:
    space.folder.write_frame(report.pairs_file, pairs)
    space.folder.write_json("leakage.json", report)


def _fixed_texts(space: Workspace) -> dict[str, list[str]]:
    """What each prompt says whatever it is asked; label descriptions where it lists them."""
    described = space.case.contract.labels.values()
    return {
        name: [
            prompt.role,
            *prompt.rules,
            prompt.output_format,
            *(described if prompt.labels == "descriptions" else ()),
        ]
        for name, prompt in expand(space.prompts, space.case).items()
    }


def _check_prompts(told: pd.DataFrame) -> None:
    """Raises DataError where evaluation texts (columns prompt, id) stand in a prompt."""
    for name, rows in told.groupby("prompt"):
        raise DataError(
            f"prompt {name}",
            f"its text or the label descriptions hold {len(rows)} validation or test inputs "
            f"(first: row {rows['id'].iloc[0]})",
            "Take them out: a prompt must not be shown what it is tested on.",
        )


def _with_partitions(space: Workspace) -> Counts:
    counts = space.folder.read_json("counts.json", Counts)
    withheld = space.partitions.withheld["reason"].value_counts()
    reasons = {str(reason): int(rows) for reason, rows in withheld.items()}
    shares = {name: _share(space, name) for name in PARTITIONS}
    return counts.model_copy(update={**shares, "withheld": sum(reasons.values()), "withheld_reasons": reasons})


def _share(space: Workspace, name: str) -> PartitionShare:
    rows: pd.DataFrame = getattr(space.partitions, name)
    labelled = space.case.use_case.kind is TaskKind.CLASSIFICATION
    labels = {str(label): int(n) for label, n in rows["output"].value_counts().sort_index().items()} if labelled else {}
    return PartitionShare(rows=len(rows), sha256=digest(space, name), labels=labels)


def _training_file(
    space: Workspace, clean: LeakFreePartitions, which: Literal["train", "validation"]
) -> TrainingFile | None:
    """What the tune learns, asked with the minimal prompt. A provider wants ten validation rows or none."""
    from tasks.curate.reading.tokens import training_limit
    from tasks.finetune import training_file

    if which == "validation" and len(clean.partitions.validation) < training_file.MIN_EXAMPLES:
        return None
    name = {"train": "training.jsonl", "validation": "validation.jsonl"}[which]
    limit = training_limit(space.case.use_case)
    return training_file.build(clean, which, _records(space, which), space.folder.file(name), limit)


def _records(space: Workspace, which: str) -> Iterator[dict[str, Any]]:
    """What the tune learns from each row, as `fine_tune.method` has it."""
    prompt, render = space.prompts[space.case.use_case.prompts.minimal], space.renderer
    method = space.case.use_case.fine_tune.method
    for batch in space.batches(which, ("id", "messages", "output", "rejected", "tools")):
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        for row, messages, output, rejected, tools in rows:
            asked = json.loads(messages)
            if method == "reinforcement":
                yield render.graded_record(prompt, asked, output, tools)
            elif method == "supervised":
                yield render.training_record(prompt, asked, output, tools)
            elif rejected:
                yield render.preference_record(prompt, asked, (output, rejected), tools)
            else:
                raise DataError(f"{which} row {row}", "has no second answer, which a preference needs", NO_PAIR)
