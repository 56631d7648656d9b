"""One run folder without the rows: every file of it, each on record in redactions.json before it changes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_contracts.records import PARTITIONS
from data_contracts.redaction import (
    EMPTIED,
    REDACTIONS,
    RedactedArtifact,
    RedactedFile,
    RedactionRequest,
    Redactions,
    sha256_of,
)
from tasks.run_folder import RunFolder, TamperedFileError
from tasks.steps.curation import DUPLICATES, EXCLUDED, QUARANTINE
from tasks.steps.data import digest_of
from tasks.steps.forgotten.contents import KINDS, Eraser
from tasks.workspace import CURATED, Workspace

TRAINING = {"training.jsonl": "train", "validation.jsonl": "validation"}
SOURCES = ("partitions.parquet", "split.parquet", QUARANTINE, EXCLUDED, DUPLICATES, CURATED)  # what a row is found by
OWN = ("manifest.json", REDACTIONS)


@dataclass
class RunFiles:
    """The files of one run. What the rows are found by is emptied last, so that a kill in between can be repeated."""

    use_case: str
    folder: RunFolder
    eraser: Eraser
    request: RedactionRequest

    def derived(self) -> Iterator[str]:
        """Empty what was made of the rows, reports first; the names of the files that held them."""
        for path in self.folder.path.glob(".*.part"):
            path.unlink()  # left by a kill; whoever goes on writes it again
        names = {path.name for path in self.folder.path.glob("[!.]*") if path.suffix in KINDS}
        for name in sorted(names - {*OWN, *SOURCES}, key=lambda name: (not name.endswith(".html"), name)):
            if self._rewritten(name):
                yield name

    def sources(self) -> Iterator[str]:
        """Empty what they were found by."""
        for name in SOURCES:
            if self.folder.file(name).is_file() and self._rewritten(name):
                yield name

    def artifact(self, changed: RedactedArtifact) -> None:
        """Put on record that MLflow holds another file in the place of one."""
        known = self._opened()
        others = [item for item in known.artifacts if (item.place, item.name, item.before) != _key(changed)]
        self._keep(known.model_copy(update={"artifacts": [*others, changed]}))

    def _rewritten(self, name: str) -> bool:
        made = self.folder.incoming(name)
        if not self._without(name, made):
            return False
        try:
            before = _sha256(self.folder.checked(name))
        except TamperedFileError:  # not what the trial wrote: it is emptied, and stays known as changed
            made.replace(self.folder.file(name))
            return True
        self._note(RedactedFile(name=name, before=before, after=_sha256(made)))
        self.folder.adopt(name)
        return True

    def _without(self, name: str, target: Path) -> bool:
        path = self.folder.file(name)
        if name in TRAINING and self.folder.file("partitions.parquet").is_file():
            return self._training(name, target)
        return self.eraser.file(path, target)

    def _training(self, name: str, target: Path) -> bool:
        """Lines stand in the order of the hashes of their rows' ids; those of emptied rows have gone before."""
        places = pd.read_parquet(self.folder.file("partitions.parquet"), columns=["id", "partition"])
        ids = places.loc[places["partition"] == TRAINING[name], "id"]
        ids = sorted((id_ for id_ in ids if not id_.startswith(EMPTIED)), key=sha256_of)
        lines = self.folder.file(name).read_bytes().splitlines(keepends=True)
        if len(lines) != len(ids):  # a kill came after this file, and before the partitions
            return False
        kept = [line for id_, line in zip(ids, lines, strict=True) if id_ not in self.eraser.ids]
        if len(kept) < len(lines):
            target.write_bytes(b"".join(kept))
        return len(kept) < len(lines)

    def _partitions(self) -> dict[str, str]:
        """What the digests of the partitions will be."""
        if not self.folder.has("training_files.json"):
            return {}
        space, columns = Workspace(self.folder), ("id", "input", "output")
        return {name: digest_of(self.eraser.emptied(space.rows(name, columns))) for name in PARTITIONS}

    def _note(self, file: RedactedFile) -> None:
        known = self._opened()
        others = [item for item in known.files if (item.name, item.before) != (file.name, file.before)]
        self._keep(known.model_copy(update={"files": [*others, file]}))

    def _opened(self) -> Redactions:
        """The record with this request in it, once, and with what the partitions will be."""
        known = self._record() or Redactions(use_case=self.use_case, run=self.folder.run)
        if any(set(one.ids) == set(self.request.ids) for one in known.requests):
            return known
        requests = [*known.requests, self.request]
        return known.model_copy(update={"requests": requests, "partitions": self._partitions()})

    def _record(self) -> Redactions | None:
        return self.folder.read_json(REDACTIONS, Redactions) if self.folder.has(REDACTIONS) else None

    def _keep(self, redactions: Redactions) -> None:
        self.folder.write_json(REDACTIONS, redactions)


def _key(changed: RedactedArtifact) -> tuple[str, str, str]:
    return changed.place, changed.name, changed.before


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
