"""From source files to curated rows, in files all the way: what is held in memory are ids, labels and hashes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.curation import CurationReport, DataDiff
from data_contracts.records import Counts, Curated, RawExamples
from data_contracts.redaction import Barred
from data_contracts.use_case import TaskKind
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.run_folder import RunFolder
from tasks.steps.data_page import shown_where_it_stops
from tasks.workspace import CURATED, Workspace

RAW, QUARANTINE, EXCLUDED, DUPLICATES = "raw.parquet", "quarantine.jsonl", "excluded.jsonl", "duplicates.parquet"


@shown_where_it_stops
def curate(space: Workspace, ledger: Ledger, progress: Callable[[int], None] = lambda records: None) -> Counts:
    """Read the source, drop duplicates, quarantine what is wrong, count everything.

    `progress` gets the records read so far. Raises DataError where too little is left, or private data blocks the run.
    """
    from tasks.curate.clean import require_enough

    folder, policy = space.folder, space.case.use_case.curation
    if not folder.has("counts.json"):
        raw, curated, codes = _clean(space, barred(ledger, space.case.use_case.name), progress)
        folder.write_json("curation.json", _review(space, ledger, curated.report))
        folder.write_json("counts.json", _count(raw, curated, codes))
        raw.path.unlink()
    counts = folder.read_json("counts.json", Counts)
    require_enough(counts, report(space), policy, str(folder.file(QUARANTINE)))
    return counts


def report(space: Workspace) -> CurationReport:
    """What curation found, beyond which rows it kept."""
    return space.folder.read_json("curation.json", CurationReport)


def barred(ledger: Ledger, use_case: str) -> Barred:
    """The rows that somebody asked to have deleted: no trial takes them any more."""
    rows = ledger.forgotten(use_case)
    return Barred(frozenset(row.row for row in rows), frozenset(row.words for row in rows if row.words))


def _clean(
    space: Workspace, barred: Barred, progress: Callable[[int], None]
) -> tuple[RawExamples, Curated, Counter[str]]:
    """Every record as a file of its fate; the counts of the quarantine by code."""
    from tasks.curate.clean import clean, rejections
    from tasks.curate.quarantine import Quarantine
    from tasks.curate.read import read

    folder = space.folder
    turned_away, left_out = folder.incoming(QUARANTINE), folder.incoming(EXCLUDED)
    with Quarantine(turned_away, barred) as quarantine, Quarantine(left_out, barred) as excluded:
        raw = read(space.case, folder.incoming(RAW), quarantine, progress)
        curated = clean(raw, space.case, barred)
        for rejection in rejections(raw, curated.fates, "quarantined"):
            quarantine.add(rejection)
        for rejection in rejections(raw, curated.fates, "excluded"):
            excluded.add(rejection)
    _keep(raw.path, folder.incoming(CURATED), curated.fates, "curated")
    _keep(raw.path, folder.incoming(DUPLICATES), curated.fates, "duplicate")
    for name in (QUARANTINE, EXCLUDED, CURATED, DUPLICATES):
        folder.adopt(name)
    folder.write_frame("near.parquet", curated.near)
    return raw, curated, quarantine.codes


def _keep(raw: Path, target: Path, fates: pd.DataFrame, fate: str) -> None:
    """Copy the rows with this fate; a duplicate names the row that was kept."""
    source, start = pq.ParquetFile(raw), 0
    schema = source.schema_arrow if fate == "curated" else source.schema_arrow.append(pa.field("kept_id", pa.string()))
    chosen, kept = fates["fate"].to_numpy() == fate, fates["kept_id"].to_numpy(dtype=object)
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in source.iter_batches():
            inside = np.flatnonzero(chosen[start : start + len(batch)])
            rows = batch.take(pa.array(inside))
            if fate != "curated":
                rows = rows.append_column(schema.field("kept_id"), pa.array(kept[start + inside], pa.string()))
            writer.write_batch(rows)
            start += len(batch)


def _review(space: Workspace, ledger: Ledger, found: CurationReport) -> CurationReport:
    """With what only the curated rows as a whole, or an earlier trial, can tell."""
    return found.model_copy(update={"label_noise": _label_noise(space), "diff": _diff(space, ledger)})


def _label_noise(space: Workspace) -> int | None:
    case = space.case.use_case
    if case.kind is not TaskKind.CLASSIFICATION or not case.curation.label_noise:
        return None
    from tasks.curate.label_noise import suspects

    found = suspects(space.folder.checked(CURATED), case.split.seed)
    space.folder.write_frame(CurationReport().label_noise_file, found)
    return len(found)


def _diff(space: Workspace, ledger: Ledger) -> DataDiff | None:
    """Against the last trial of the use case whose rows are still here."""
    from tasks.curate.diff import diff

    name, run = space.case.use_case.name, space.folder.run
    for record in reversed(ledger.runs()):
        if record.use_case == name and record.run != run and run_path(record.run).is_dir():
            earlier = RunFolder(run_path(record.run))
            if earlier.has("partitions.parquet"):
                return diff(space.folder.checked(CURATED), earlier.checked(CURATED), record.run)
    return None


def _count(raw: RawExamples, curated: Curated, codes: Counter[str]) -> Counts:
    fates = Counter(curated.fates["fate"])
    counts = Counts(
        records_in=raw.records_in,
        curated=fates["curated"],
        duplicates=fates["duplicate"],
        quarantined=codes.total(),
        excluded=fates["excluded"],
        quarantine_codes=dict(codes.most_common()),
        sources=raw.sources,
        source_facts=raw.facts,
    )
    accounted = counts.curated + counts.duplicates + counts.quarantined + counts.excluded
    if accounted != raw.records_in:
        raise AssertionError(f"{raw.records_in} records came in, {accounted} are accounted for")
    return counts
