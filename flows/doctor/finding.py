"""What the doctor says about one thing, and how to mend it."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["fine", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """`note`: works, but know it. `broken`: mend it. Both have a fix, in one sentence."""

    what: str
    state: State
    finding: str
    fix: str = ""

    @property
    def plain(self) -> dict[str, str]:
        """As `tunegate doctor --json` shows it."""
        return asdict(self)


def fine(what: str, finding: str) -> Finding:
    """Nothing to do."""
    return Finding(what, "fine", finding)


def note(what: str, finding: str, fix: str) -> Finding:
    """Works, but know it."""
    return Finding(what, "note", finding, fix)


def broken(what: str, finding: str, fix: str) -> Finding:
    """Mend it."""
    return Finding(what, "broken", finding, fix)
