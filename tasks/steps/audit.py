"""A run checked again from its files: every hash, both sums, no evaluation row's words in train."""

from data_contracts.records import PARTITIONS, Counts
from tasks.run_folder import TamperedFileError
from tasks.steps.data import digest
from tasks.workspace import Workspace


def problems(space: Workspace) -> list[str]:
    """What does not add up, one sentence each; nothing where all is well."""
    try:
        changed = [f"{name} is missing or was changed after it was written." for name in space.folder.changed_files()]
        if changed or not space.folder.has("counts.json"):
            return changed
        counts = space.folder.read_json("counts.json", Counts)
        return [*_sums(space, counts), *(_partitions(space, counts) if counts.train else [])]
    except TamperedFileError as error:  # the manifest does not match the run
        return [str(error)]


def _sums(space: Workspace, counts: Counts) -> list[str]:
    stored = {
        "curated": len(space.folder.read_frame("curated.parquet")),
        "duplicates": len(space.folder.read_frame("duplicates.parquet")),
        "quarantined": _lines(space, "quarantine.jsonl"),
        "excluded": _lines(space, "excluded.jsonl"),
    }
    found = [
        f"counts.json says {getattr(counts, name)} {name}, the file holds {rows}."
        for name, rows in stored.items()
        if getattr(counts, name) != rows
    ]
    if counts.records_in != sum(stored.values()):
        found.append(f"{counts.records_in} records were read, {sum(stored.values())} are accounted for.")
    return found


def _partitions(space: Workspace, counts: Counts) -> list[str]:
    parts = space.partitions
    rows = {name: getattr(parts, name) for name in PARTITIONS}
    found = [
        f"The {name} partition does not have the hash that counts.json records."
        for name, part in rows.items()
        if digest(part) != getattr(counts, name).sha256
    ]
    placed = sum(len(part) for part in rows.values()) + len(parts.withheld)
    if placed != counts.curated:
        found.append(f"{counts.curated} rows are curated, {placed} have a place.")
    trained = set(rows["train"]["words"])
    told = {name: int(rows[name]["words"].isin(trained).sum()) for name in ("validation", "test")}
    return found + [f"{count} {name} rows have the words of a train row." for name, count in told.items() if count]


def _lines(space: Workspace, name: str) -> int:
    return space.folder.read_bytes(name).count(b"\n")
