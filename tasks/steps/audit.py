"""A run checked again from its files: every hash, every byte of the source, both sums, no evaluation words in train."""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data_contracts.lineage import Lineage
from data_contracts.records import PARTITIONS, Counts
from data_contracts.redaction import REDACTIONS, Redactions
from tasks import signing
from tasks.register.lineage import NAME
from tasks.run_folder import TamperedFileError
from tasks.steps.curation import DUPLICATES, EXCLUDED, QUARANTINE
from tasks.steps.data import digest
from tasks.workspace import CURATED, Workspace

FATES = {"curated": CURATED, "duplicates": DUPLICATES, "quarantined": QUARANTINE, "excluded": EXCLUDED}
SPAN = ["file", "offset", "length"]
WORST_FIRST: tuple[signing.Signature, ...] = ("bad", "none", "no key here", "good")
FORGED = f"{NAME} is not what its signature was given for, or another key gave it."


def problems(space: Workspace) -> list[str]:
    """What does not add up, one sentence each; nothing where all is well."""
    try:
        changed = [f"{name} is missing or was changed after it was written." for name in space.folder.changed_files()]
        if changed or not space.folder.has("counts.json"):
            return changed
        return [*adds_up(space), *_signed(space)]
    except TamperedFileError as error:  # the manifest does not match the run
        return [str(error)]


def adds_up(space: Workspace) -> list[str]:
    """Both sums, the place of every record in its source, the hash of every partition. Raises TamperedFileError."""
    counts = space.folder.read_json("counts.json", Counts)
    return [*_sums(space, counts), *(_partitions(space, counts) if counts.train else [])]


def signature(space: Workspace) -> signing.Signature:
    """How the run's lineage, which names all its files, and what was redacted since, stand to their signatures."""
    states = [
        signing.verify(space.folder.read_bytes(name), _bundle(space, name))
        for name in (NAME, REDACTIONS)
        if space.folder.has(name)
    ]
    return next((state for state in WORST_FIRST if state in states), "none")


def unlike(lineage: Lineage, manifest: Mapping[str, str]) -> Iterator[str]:
    """Files that a manifest no longer names as the lineage does. Files that came later are in no lineage."""
    for name, sha256 in lineage.files.items():
        if manifest.get(name) != sha256:
            yield f"manifest.json and {NAME} name other bytes of {name}."


def _signed(space: Workspace) -> Iterator[str]:
    if signature(space) == "bad":
        yield FORGED
    if space.folder.has(NAME):
        manifest = _redactions(space).before(space.folder.manifest())
        yield from unlike(space.folder.read_json(NAME, Lineage), manifest)


def _bundle(space: Workspace, name: str) -> bytes | None:
    bundle = signing.bundle_of(name)
    return space.folder.read_bytes(bundle) if space.folder.has(bundle) else None


def _redactions(space: Workspace) -> Redactions:
    if space.folder.has(REDACTIONS):
        return space.folder.read_json(REDACTIONS, Redactions)
    return Redactions(use_case=space.case.use_case.name, run=space.folder.run)


def _sums(space: Workspace, counts: Counts) -> list[str]:
    spans = {fate: _spans(space, name) for fate, name in FATES.items()}
    found = [
        f"counts.json says {getattr(counts, fate)} {fate}, the file holds {len(rows)}."
        for fate, rows in spans.items()
        if getattr(counts, fate) != len(rows)
    ]
    accounted = sum(map(len, spans.values()))
    if counts.records_in != accounted:
        found.append(f"{counts.records_in} records were read, {accounted} are accounted for.")
    return [*found, *_gaps(pd.concat(spans.values()), counts)]


def _spans(space: Workspace, name: str) -> pd.DataFrame:
    """Where each record of a file of the run stands in its source."""
    path = space.folder.checked(name)
    if name.endswith(".parquet"):
        spans: pd.DataFrame = pq.read_table(path, columns=SPAN).to_pandas()
        return spans
    with path.open("rb") as stream:
        records = [json.loads(line) for line in stream]
    return pd.DataFrame.from_records([[record.get(name) for name in SPAN] for record in records], columns=SPAN)


def _gaps(spans: pd.DataFrame, counts: Counts) -> Iterator[str]:
    """Text files whose bytes are not all in exactly one record; Parquet has no spans."""
    for file, records in spans.groupby("file"):
        facts = counts.source_facts.get(str(file))
        if facts is not None and facts.bytes >= 0:
            ordered = records.sort_values("offset")
            ends = (ordered["offset"] + ordered["length"]).to_numpy()
            starts = np.append(ordered["offset"].to_numpy(), facts.bytes)
            if not np.array_equal(starts, np.insert(ends, 0, facts.head)):
                yield f"The records of {file} do not cover each of its {facts.bytes} bytes exactly once."


def _partitions(space: Workspace, counts: Counts) -> list[str]:
    parts, redacted = space.partitions, _redactions(space).partitions
    found = [
        f"The {name} partition does not have the hash that {REDACTIONS if name in redacted else 'counts.json'} records."
        for name in PARTITIONS
        if digest(space, name) != redacted.get(name, getattr(counts, name).sha256)
    ]
    placed = sum(len(getattr(parts, name)) for name in (*PARTITIONS, "withheld"))
    if placed != counts.curated:
        found.append(f"{counts.curated} rows are curated, {placed} have a place.")
    trained = set(parts.train["words"])
    told = {name: int(getattr(parts, name)["words"].isin(trained).sum()) for name in ("validation", "test")}
    return found + [f"{count} {name} rows have the words of a train row." for name, count in told.items() if count]
