"""What a run folder promises: a name in its manifest is a whole file, and it is the one that was written."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.candidate import Prompt
from tasks.errors import FormatVersionError, ResumableError
from tasks.run_folder import FORMAT, RunFolder, TamperedFileError, in_progress
from tests.claimed import claimed_elsewhere
from tests.dying_disk import KilledError, dying_after

WRITE_FOR_EVER = """
import sys
from pathlib import Path
from tasks.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**9):
    folder.write_bytes(f"file-{number % 3}", bytes([number % 256]) * 300_000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "run-1")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_was_written_comes_back(folder: RunFolder) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "score": [0.5, 1.0]})
    folder.write_frame("frame.parquet", frame)
    folder.write_json("prompt.json", Prompt(name="minimal", role="Größe"))
    folder.write_lines("lines.jsonl", [{"a": 1}, {"a": "two\nlines"}])
    again = RunFolder(folder.path)
    pd.testing.assert_frame_equal(again.read_frame("frame.parquet"), frame)
    assert again.read_json("prompt.json", Prompt) == Prompt(name="minimal", role="Größe")
    assert [json.loads(line) for line in again.read_bytes("lines.jsonl").splitlines()] == [
        {"a": 1},
        {"a": "two\nlines"},
    ]


def test_a_file_counts_only_once_the_manifest_names_it(folder: RunFolder) -> None:
    with dying_after(1), pytest.raises(KilledError):
        folder.write_bytes("answers.parquet", b"all of it")
    assert folder.file("answers.parquet").exists()
    assert not folder.has("answers.parquet")
    with pytest.raises(TamperedFileError, match=r"answers\.parquet is missing"):
        folder.read_bytes("answers.parquet")


def test_half_a_file_left_by_a_kill_is_no_file(folder: RunFolder) -> None:
    folder.file(".answers.parquet.4711.tmp").write_bytes(b"half of")
    assert not folder.has("answers.parquet")
    folder.write_bytes("answers.parquet", b"all of it")
    assert folder.read_bytes("answers.parquet") == b"all of it"


@pytest.mark.parametrize("files_written", range(3))
def test_a_file_killed_while_it_is_replaced_is_the_old_one_or_the_new_one(
    folder: RunFolder, files_written: int
) -> None:
    folder.write_bytes("counts.json", b"old")
    with dying_after(files_written), pytest.raises(KilledError):
        folder.write_bytes("counts.json", b"new")
    assert folder.read_bytes("counts.json") == (b"new" if files_written == 2 else b"old")
    assert folder.changed_files() == []
    folder.write_bytes("counts.json", b"newest")
    assert folder.read_bytes("counts.json") == b"newest"
    assert len(folder.manifest()["counts.json"]) == 64


def test_a_process_killed_while_it_writes_leaves_only_whole_files(folder: RunFolder) -> None:
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while len(folder.manifest()) < 3:
            assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
    assert folder.changed_files() == []


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_is_found_wherever_it_is(folder: RunFolder, position: int) -> None:
    folder.write_bytes("kept.json", b"{}")
    folder.write_bytes("verdict.json", b"x" * 200)
    content = bytearray(b"x" * 200)
    content[position] ^= 1
    folder.file("verdict.json").write_bytes(content)
    assert folder.changed_files() == ["verdict.json"]
    with pytest.raises(TamperedFileError, match=r"verdict\.json was changed after it was written"):
        folder.read_bytes("verdict.json")


def test_a_file_that_is_gone_is_found(folder: RunFolder) -> None:
    folder.write_bytes("verdict.json", b"{}")
    folder.file("verdict.json").unlink()
    assert folder.changed_files() == ["verdict.json"]


def test_a_folder_of_a_newer_release_is_refused(folder: RunFolder) -> None:
    folder.file("manifest.json").write_text(json.dumps({"format": FORMAT + 1, "files": {}, "new": "things"}))
    with pytest.raises(FormatVersionError, match="Install a newer tunegate") as refused:
        folder.manifest()
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": "x", "files": {}}', b"\xff"])
def test_a_manifest_that_is_none_is_found(folder: RunFolder, content: bytes) -> None:
    folder.file("manifest.json").write_bytes(content)
    with pytest.raises(TamperedFileError, match=r"manifest\.json is no manifest"):
        folder.manifest()


@pytest.mark.usefixtures("no_umask")
def test_only_the_user_may_look_inside(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "home" / "runs" / "run-1")
    folder.write_bytes("curated.parquet", b"rows")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}


def test_a_run_belongs_to_one_process_until_that_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with claimed_elsewhere(path) as other:
        assert in_progress(path)
        with pytest.raises(ResumableError, match=f"in progress in process {other.pid}"):
            RunFolder(path).claim()
        other.kill()
    assert not in_progress(path)
    assert not RunFolder(path).claim(), "nobody to wait for"
    RunFolder(path).release()


def test_whoever_is_patient_gets_a_run_as_soon_as_its_process_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with claimed_elsewhere(path) as other:
        threading.Timer(0.7, other.kill).start()  # later than an impatient one gives up
        assert RunFolder(path).claim(patiently=True)
    assert in_progress(path)
    RunFolder(path).release()
