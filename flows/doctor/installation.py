"""Python, packages, and the state folder: nothing is imported that could break."""

import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flows.doctor.finding import Finding, State, broken, fine, note
from tasks.home import home

GB = 1_000_000_000
OLDEST, NEWEST = (3, 11), (3, 14)


@dataclass(frozen=True)
class Limit:
    """From which version on a package is known to break something, or has never been tried."""

    package: str
    below: tuple[int, int]
    state: State
    consequence: str

    def finding(self, installed: str) -> Finding | None:
        """What is wrong with the installed version, if anything is."""
        if _release(installed) < self.below:
            return None
        bound = f"{self.package}<{'.'.join(map(str, self.below))}"
        fix = f"Install '{bound}' (`make setup` installs exactly the tested versions)."
        return Finding("packages", self.state, f"{self.package} {installed}: {self.consequence}", fix)


LIMITS = (
    Limit("fastapi", (0, 155), "broken", "Prefect 3.8's server dies when it is imported"),
    Limit("sqlalchemy", (2, 1), "broken", "Prefect's scheduler creates no run at all, without a word in the UI"),
    Limit("prefect", (3, 9), "note", "nobody has tried it with tunegate"),
    Limit("mlflow", (3, 18), "note", "nobody has tried it with tunegate"),
    Limit("great-expectations", (1, 25), "note", "the shape of its results changes between minor versions"),
)


def python(running: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    """The interpreter's version."""
    name = f"Python {running[0]}.{running[1]}"
    fix = "Use one from 3.11 to 3.14: `make setup PYTHON=python3.13`."
    if running < OLDEST:
        yield broken("python", f"{name} is too old", fix)
    elif running > NEWEST:
        yield note("python", f"nobody has tried {name} with tunegate", fix)
    else:
        yield fine("python", name)


def packages(installed: Callable[[str], str] = version) -> Iterator[Finding]:
    """Versions that are known to break; read from their metadata."""
    present = {}
    for limit in LIMITS:
        try:
            present[limit] = installed(limit.package)
        except PackageNotFoundError:
            yield broken("packages", f"{limit.package} is not installed", "Run `make setup`.")
    found = [finding for limit, release in present.items() if (finding := limit.finding(release))]
    yield from found
    if not found:
        yield fine("packages", ", ".join(f"{limit.package} {release}" for limit, release in present.items()))


def home_is_private() -> Iterator[Finding]:
    """The state folder holds rows, answers and prices: its owner's alone."""
    paths = [home(), *home().glob("ledger.db*")]
    open_ones = [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in open_ones:
        yield broken("permissions", f"others on this machine may read {path}", f"Run: chmod {_wanted(path)} {path}")
    if not open_ones:
        yield fine("permissions", f"{home()} is private to you")


def room_on_disk() -> Iterator[Finding]:
    """Whether a run fits: some 50 MB each, as much again in MLflow, and the databases."""
    free = shutil.disk_usage(home()).free / GB
    finding, fix = f"{free:.1f} GB free under {home()}", "Make room, or set TUNEGATE_HOME to a larger disk."
    if free < 0.2:
        yield broken("disk", finding, fix)
    else:
        yield note("disk", finding, fix) if free < 1 else fine("disk", finding)


def _wanted(path: Path) -> str:
    return "700" if path.is_dir() else "600"


def _release(text: str) -> tuple[int, int]:
    numbers = [int(number) for number in re.findall(r"\d+", text)[:2]]
    return numbers[0], numbers[1] if len(numbers) > 1 else 0
