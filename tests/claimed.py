"""A run that another process works on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claimed_elsewhere(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that has claimed the run of this folder; it ends with the block."""
    claim = f"from pathlib import Path; from tasks.run_folder import RunFolder; RunFolder(Path({str(path)!r})).claim()"
    command = [sys.executable, "-c", f"{claim}; print('claimed', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield other
        other.kill()
