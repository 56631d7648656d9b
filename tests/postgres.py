"""A PostgreSQL server of a test's own, where the machine has one installed."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_USER = "postgres"  # PostgreSQL refuses to run as root


def installed() -> bool:
    return _programs() is not None and (os.getuid() != 0 or _may_switch_user())


@contextmanager
def postgres_server() -> Iterator[str]:
    """Address of an empty server; a database's name goes behind it."""
    programs = _programs()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        data, port = f"{folder}/data", _free_port()
        if os.getuid() == 0:
            shutil.chown(folder, SERVER_USER)
        _run(programs / "initdb", "-D", data, "-A", "trust", "-U", "tunegate", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(programs / "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://tunegate@127.0.0.1:{port}/"
        finally:
            _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def _programs() -> Path | None:
    """Folder of initdb and pg_ctl; Debian keeps it off the path."""
    found = [Path(program).resolve() for program in [shutil.which("pg_ctl")] if program]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return next((program.parent for program in found if (program.parent / "initdb").exists()), None)


def _may_switch_user() -> bool:
    return any(entry.pw_name == SERVER_USER for entry in pwd.getpwall())


def _run(program: Path, *arguments: str) -> None:
    user = SERVER_USER if os.getuid() == 0 else None
    subprocess.run([program, *arguments], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
