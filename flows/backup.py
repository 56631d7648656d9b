"""Copy all that must not be lost, also while a trial runs, and put it back, also into another folder.

`python -m flows.backup FOLDER` and `python -m flows.backup --restore FOLDER`; TUNEGATE_HOME says of what, and where to.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tasks.errors import ConfigurationError, ResumableError, TunegateError
from tasks.home import home
from tasks.ledger import Ledger
from tasks.run_folder import RunFolder, in_progress
from tasks.storage import replace_file
from tasks.storage.sqlite_file import copy

FORMAT, RECORD = 1, "backup.json"
# Run folders come first and the ledger after them, so that a run that is taken up again finds what it registered in
# MLflow and what it paid in the ledger, or does it again; MLflow's database names no artifact that is not copied yet.
PROVIDER = "provider"
PRODUCTION = "production"  # where the served model may write its answers
PASSING = (".lock", ".holder", ".part", ".tmp", "server.json")  # of processes, and of files half written
PLACES = {  # where MLflow keeps absolute addresses
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
    "datasets": "dataset_source",
}
ATTEMPTS = 5


def backup(target: Path) -> dict[str, Any]:
    """Copy TUNEGATE_HOME into a new folder; its record with the sha256 of each file.

    Raises ConfigurationError where the folder holds something already, ResumableError where trials end faster than
    they can be copied.
    """
    _require_empty(target, "Name a new folder for each backup.")
    for _ in range(ATTEMPTS):
        before = _finished()
        _copy_all(target)
        if _finished() == before:
            return _record(target)
        shutil.rmtree(target)
    raise ResumableError("The backup", "trials ended while they were copied", "Take it when fewer run.")


def restore(source: Path) -> dict[str, Any]:
    """Put a backup into an empty TUNEGATE_HOME, wherever that is; its record.

    Raises ConfigurationError where the backup is damaged, or something is at home already.
    """
    record: dict[str, Any] = json.loads(_readable(source / RECORD))
    damaged = [name for name, sha256 in record["files"].items() if _sha256(source / name) != sha256]
    if damaged:
        raise ConfigurationError(str(source), f"{len(damaged)} files are damaged: {damaged[0]}", "Use another backup.")
    _require_empty(home(), "Move away what is there, or set TUNEGATE_HOME to a new folder.")
    for name in record["files"]:
        (home() / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source / name, home() / name)
    if (home() / "mlflow.db").is_file():
        _move_addresses(home() / "mlflow.db", Path(record["home"]), home())
    return record


def _copy_all(target: Path) -> None:
    """Run folders, what MLflow holds, the ledger, the provider: see the order's reason at the top."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for run in sorted((home() / "runs").glob("*")):
        _copy_run(run, target / "runs" / run.name)
    _copy_database(target, "mlflow.db")
    _copy_folder(home() / "mlartifacts", target / "mlartifacts")
    _copy_database(target, "ledger.db")
    _copy_folder(home() / PROVIDER, target / PROVIDER)
    _copy_folder(home() / PRODUCTION, target / PRODUCTION)


def _copy_run(run: Path, target: Path) -> None:
    """A manifest with the files that it names, and maybe more: those are written again by whoever takes the run up."""
    for _ in range(ATTEMPTS):
        _copy_folder(run, target)
        changed = RunFolder(target).changed_files()
        if not changed or changed == RunFolder(run).changed_files():
            return
    raise ResumableError(f"The backup of run {run.name}", "its files change faster than they are copied", "Try again.")


def _copy_database(target: Path, name: str) -> None:
    if (home() / name).is_file():
        copy(home() / name, target / name)


def _copy_folder(source: Path, target: Path) -> None:
    """Every file, old or new where it is replaced meanwhile; what goes meanwhile was passing. A manifest goes first."""
    paths = [path for path in source.rglob("*") if path.is_file() and not path.name.endswith(PASSING)]
    for path in sorted(paths, key=lambda path: (path.name != "manifest.json", path)):
        made = target / path.relative_to(source)
        made.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy2(path, made)


def _finished() -> tuple[int, int]:
    """How many trials have come to their end, and how often a champion has moved."""
    ledger = Ledger()
    runs = ledger.runs()
    names = {row.use_case for row in runs}
    return sum(row.state == "finished" for row in runs), sum(len(ledger.moves(name)) for name in names)


def _record(target: Path) -> dict[str, Any]:
    files = {str(path.relative_to(target)): _sha256(path) for path in sorted(target.rglob("*")) if path.is_file()}
    running = [path.name for path in sorted((home() / "runs").glob("*")) if path.is_dir() and in_progress(path)]
    record = {
        "format": FORMAT,
        "home": str(home()),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "in_progress": running,
        "elsewhere": [name for name in ("TUNEGATE_LEDGER_URL", "MLFLOW_TRACKING_URI") if os.environ.get(name)],
        "files": files,
    }
    replace_file(target / RECORD, json.dumps(record, indent=2).encode() + b"\n")
    return record


def _move_addresses(database: Path, old: Path, new: Path) -> None:
    """In one pass over each value: the new path may hold the old one, which must not be moved once more."""
    places = {f"{old.as_uri()}/": f"{new.as_uri()}/", f"{old}/": f"{new}/"}
    known = re.compile(rf"{re.escape(old.as_uri())}/|(?<![^\"'\s]){re.escape(str(old))}/")

    def moved(value: str | None) -> str | None:
        return None if value is None else known.sub(lambda found: places[found.group()], value)

    with closing(sqlite3.connect(database)) as connection, connection:
        connection.create_function("moved", 1, moved, deterministic=True)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, column in PLACES.items():
            if table in tables:
                connection.execute(f"UPDATE {table} SET {column} = moved({column})")  # noqa: S608 - names of our own


def _require_empty(folder: Path, remedy: str) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigurationError(str(folder), "holds something already", remedy)


def _readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), "cannot be read", "Name a folder that a backup was made in.") from error


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--restore", "back", is_flag=True, help="Put the backup in FOLDER into an empty TUNEGATE_HOME.")
def main(folder: Path, back: bool) -> None:
    """Copy TUNEGATE_HOME to FOLDER, also while a trial runs; or put such a copy back."""
    try:
        record = restore(folder) if back else backup(folder)
    except TunegateError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(f"{len(record['files'])} files of {record['home']}, {record['made_at']}")
    for name in record["elsewhere"]:
        click.echo(f"{name} is set: that database is not in it; copy it by its own means (pg_dump) right after this.")


if __name__ == "__main__":
    main()
