"""What no kill of a process shows, but a power cut would: bytes are on disk before they count."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from tasks.ledger import Ledger
from tasks.run_folder import RunFolder


def test_a_files_bytes_are_flushed_to_disk_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: dict[int, int] = {}  # inode to size
    unflushed: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        flushed[found.st_ino] = found.st_size

    def watched_replace(source: Path, target: Path) -> None:
        found = Path(source).stat()
        if flushed.get(found.st_ino) != found.st_size or not stat.S_ISREG(found.st_mode):
            unflushed.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    folder = RunFolder(tmp_path / "run")
    folder.write_bytes("training.jsonl", b"rows\n" * 1000)
    folder.incoming("curated.parquet").write_bytes(b"large")
    folder.adopt("curated.parquet")
    assert unflushed == []
    assert len(flushed) == 4  # each file, and the manifest that names it


def test_a_commit_of_the_ledger_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.engine.connect() as connection:
        full = 2
        assert connection.scalar(text("PRAGMA synchronous")) == full
