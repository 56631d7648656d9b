"""A backup, taken while nothing runs or while a trial does, works where it is put back, also at another path."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows import backup, commands
from tasks import workspace
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.run_folder import RunFolder
from tasks.workspace import Workspace, edge_of
from tests.embedded import RunningServer, embedded_server
from tests.small_use_case import small_use_case
from tests.stepwise import begin, registered, take_contest_steps, take_data_steps, take_money_steps


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("backup")
    with embedded_server(folder / "first" / "provider") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "first"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def folder(place: RunningServer) -> Path:
    return place.state.parents[1]


@pytest.fixture(scope="module")
def trial(folder: Path) -> Workspace:
    """A trial of prompts that has a champion."""
    path = small_use_case(folder / "case", 150, split={"min_test": 20})
    return workspace.reopen(registered(path, train=False).run)


@pytest.fixture(scope="module")
def stopped(folder: Path, trial: Workspace) -> Workspace:
    """Another one that was killed before its candidates had answered."""
    space = take_data_steps(begin(folder / "case" / "small.yaml", train=False))
    take_money_steps(space, edge_of(space))
    Ledger().record_run(space.folder.run, "small", "started", {})
    return space


@pytest.fixture(scope="module")
def copied(folder: Path, stopped: Workspace) -> Path:
    """What the README's first command leaves, while the second run is in progress."""
    stopped.folder.claim()
    command = [sys.executable, "-m", "flows.backup", str(folder / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    stopped.folder.release()
    assert done.returncode == 0, done.stderr
    return folder / "copy"


@pytest.fixture(scope="module")
def restored(folder: Path, copied: Path) -> Iterator[Path]:
    """TUNEGATE_HOME at another path, by the README's second command; the first one is out of reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "second"))
        (folder / "first").rename(folder / "lost")
        command = [sys.executable, "-m", "flows.backup", "--restore", str(copied)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        yield folder / "second"
        (folder / "lost").rename(folder / "first")


@pytest.mark.slow
def test_the_record_says_which_run_was_in_progress(copied: Path, stopped: Workspace) -> None:
    assert json.loads((copied / "backup.json").read_bytes())["in_progress"] == [stopped.folder.run]


@pytest.mark.slow
def test_no_key_no_lock_and_no_temporary_file_is_in_it(copied: Path) -> None:
    names = {path.name for path in copied.rglob("*")}
    assert not [name for name in names if name.endswith((".lock", ".holder", ".part", ".tmp"))]
    assert {"ledger.db", "mlflow.db", "identity"} <= names


@pytest.mark.slow
def test_what_is_private_stays_private(copied: Path, restored: Path) -> None:
    for place in (copied, restored):
        assert place.stat().st_mode & 0o077 == 0
        assert (place / "ledger.db").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_damaged_backup_is_not_put_back(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    content = (copied / "ledger.db").read_bytes()
    (copied / "ledger.db").write_bytes(content[:-1] + b"x")
    try:
        with pytest.raises(ConfigurationError, match=r"1 files are damaged: ledger\.db"):
            backup.restore(copied)
    finally:
        (copied / "ledger.db").write_bytes(content)


@pytest.mark.slow
def test_nothing_is_put_over_what_is_there(restored: Path, copied: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds something already"):
        backup.restore(copied)
    with pytest.raises(ConfigurationError, match="holds something already"):
        backup.backup(copied)


@pytest.mark.slow
def test_status_and_verify_work_on_the_restored_copy(restored: Path, trial: Workspace, stopped: Workspace) -> None:
    found = commands.status()
    assert str(restored) in found["ledger"]
    assert {row["run"] for row in found["runs"]} == {stopped.folder.run}
    assert commands.verify(trial.folder.run)["problems"] == []


@pytest.mark.slow
def test_the_champion_answers_from_the_restored_copy(restored: Path, trial: Workspace, folder: Path) -> None:
    import mlflow

    champion = Registry("small").champion()  # sets where MLflow looks
    assert champion.candidate.digest
    model = mlflow.pyfunc.load_model("models:/tunegate.small@champion")
    (answer,) = model.predict(["please bring the hammer and the chisel today"])
    assert answer
    assert not (folder / "first").exists()


@pytest.mark.slow
def test_a_run_that_was_in_progress_comes_to_its_end_from_the_restored_copy(restored: Path, stopped: Workspace) -> None:
    space = workspace.resumable(stopped.folder.run)
    assert space.folder.path.is_relative_to(restored)
    take_contest_steps(space, edge_of(space), Registry("small"))
    assert space.folder.has("verdict.json")
    assert commands.verify(space.folder.run)["problems"] == []


def test_a_path_that_ends_with_the_old_one_is_moved_once(tmp_path: Path) -> None:
    database, old, new = tmp_path / "mlflow.db", Path("/srv/tg"), Path("/mnt/restore/srv/tg")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE runs (artifact_uri TEXT)")
        values = [("file:///srv/tg/1",), ("/srv/tg/2",), ("s3://bucket/srv/tg/3",)]
        connection.executemany("INSERT INTO runs VALUES (?)", values)
    backup._move_addresses(database, old, new)
    with closing(sqlite3.connect(database)) as connection:
        found = [address for (address,) in connection.execute("SELECT artifact_uri FROM runs")]
    assert found == ["file:///mnt/restore/srv/tg/1", "/mnt/restore/srv/tg/2", "s3://bucket/srv/tg/3"]


def test_files_that_are_written_meanwhile_are_copied_with_their_manifest(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.write_json("a.json", {"a": 1})
    run.incoming("b.json").write_text("half")
    backup._copy_run(run.path, tmp_path / "copy")
    assert RunFolder(tmp_path / "copy").manifest() == run.manifest()
    assert [path.name for path in (tmp_path / "copy").iterdir() if "part" in path.name] == []
