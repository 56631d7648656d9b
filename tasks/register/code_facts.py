"""Which code is at work here: its version, its commit where it is a checkout, its lock, its libraries."""

import hashlib
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from data_contracts.lineage import CodeLineage

ROOT = Path(__file__).parents[2]
PACKAGES = ("data_contracts", "tasks", "flows")
LOCK = "requirements.lock"
LIBRARIES = (
    *("mlflow", "prefect", "great_expectations", "pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "statsmodels"),
    *("pydantic", "sqlalchemy", "openai", "aiohttp", "boto3"),
)
GIT_S = 10


def code_facts(root: Path = ROOT) -> CodeLineage:
    """The code as it lies on this disk now."""
    commit = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no") if commit else None
    lock = root / LOCK
    return CodeLineage(
        tunegate=_version("tunegate"),
        python=platform.python_version(),
        commit=commit or "",
        dirty=None if changes is None else bool(changes),
        sources_sha256=_sources(root),
        lock_sha256=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "",
        libraries={name: found for name in LIBRARIES if (found := _version(name))},
    )


def _git(root: Path, *question: str) -> str | None:
    """What git says; None where it cannot."""
    try:
        asked = subprocess.run(  # noqa: S603 - no word of it comes from outside
            ["git", "-C", str(root), *question],  # noqa: S607 - whichever git the machine has
            capture_output=True,
            text=True,
            timeout=GIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def _sources(root: Path) -> str:
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return hashlib.sha256("".join(_lines(root, files)).encode()).hexdigest()


def _lines(root: Path, files: list[Path]) -> Iterator[str]:
    for path in files:
        yield f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
