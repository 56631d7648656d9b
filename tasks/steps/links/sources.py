"""The source files behind a run: hashed again where they can be reached. They may grow; the run holds its records."""

import hashlib
from collections.abc import Iterator

from data_contracts.audit import AuditLink
from data_contracts.records import Counts
from tasks.errors import TunegateError
from tasks.steps.links.evidence import Evidence, differing, not_here, said
from tasks.storage import Storage
from tasks.workspace import Workspace


def sources(evidence: Evidence, space: Workspace) -> Iterator[AuditLink]:
    """Each source file: the same, grown, changed since, or out of reach. None of it is a break: the records of the run
    are in its folder, and the link `rows` says whether they cover the file as it was.
    """
    counts = space.folder.read_json("counts.json", Counts)
    told = evidence.lineage.data.sources if evidence.lineage else {}
    storage = Storage(space.case.use_case.source.endpoint_url)
    for file, sha256 in counts.sources.items():
        if file in told and told[file].sha256 != sha256:
            yield said("source", file, differing(f"Source {file}", told[file].sha256, sha256), sha256)
            continue
        facts = counts.source_facts.get(file)
        yield _source(file, sha256, facts.bytes if facts else -1, storage)


def _source(file: str, sha256: str, size: int, storage: Storage) -> AuditLink:
    try:
        whole, first = _hashes(file, size, storage)
    except TunegateError as error:
        return not_here("source", f"out of reach: {error}", sha256)
    if whole == sha256:
        return said("source", f"{file}: as it was read", (), sha256)
    if first == sha256:
        return said("source", f"{file}: has grown, its first {size} bytes are as they were read", (), sha256)
    return not_here("source", f"{file}: changed since; its records of that day are in the run folder", sha256)


def _hashes(file: str, size: int, storage: Storage) -> tuple[str, str]:
    """sha256 of the file, and of its first `size` bytes."""
    whole, first, left = hashlib.sha256(), hashlib.sha256(), max(0, size)
    with storage.open(file) as opened:
        for block in opened.blocks():
            whole.update(block)
            first.update(block[:left])
            left = max(0, left - len(block))
    return whole.hexdigest(), first.hexdigest()
