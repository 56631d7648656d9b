"""Where a training was when it was killed. Checkpoints hold pickles: they stay in the job's folder and go with it."""

import hashlib
import shutil
from pathlib import Path

_WHOLE = "whole"  # in a checkpoint that was written to its end
_PURPOSE = "purpose"


class Checkpoints:
    """The checkpoints of one job. Those of another purpose (other rows, another recipe) are thrown away."""

    def __init__(self, folder: Path, purpose: bytes) -> None:
        self.folder = folder
        digest = hashlib.sha256(purpose).hexdigest()
        mark = folder / _PURPOSE
        if folder.exists() and not (mark.exists() and mark.read_text() == digest):
            self.discard()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.write_text(digest)

    def latest(self) -> Path | None:
        """The last whole one; what a kill left half written is removed."""
        found = sorted(self.folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
        for torn in (path for path in found if not (path / _WHOLE).exists()):
            shutil.rmtree(torn)
        return next((path for path in reversed(found) if path.exists()), None)

    def mark_whole(self, step: int) -> None:
        """Say that the one of this step is complete."""
        (self.folder / f"checkpoint-{step}" / _WHOLE).touch()

    def discard(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)
