"""One file that gathers the trials of any number of calls, a JSON line each; what is in it is not tried again."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

HEAD = (
    f"{'kind':8} {'trials':>7} {'survived':>9} {'failed':>7} {'duplicates':>11} {'lost':>5} {'kills':>6} {'s/trial':>8}"
)


@dataclass(frozen=True)
class Result:
    """One trial. `name` says which of its kind: a seed, a point, a cell."""

    kind: str
    name: str
    problems: list[str]
    exits: list[int | None]
    seconds: float
    about: str = ""
    seed: int | None = None
    answers: list[str] = field(default_factory=list)

    @property
    def duplicates(self) -> int:
        """Whether more than one job was paid for."""
        return any("jobs paid for" in problem or " jobs where " in problem for problem in self.problems)

    @property
    def lost(self) -> int:
        """Whether it never came to its end."""
        return any(problem.startswith("lost:") for problem in self.problems)


class Results:
    """The file. Each line is one write, flushed to disk; a torn last line is no result."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = {(result.kind, result.name): result for result in _read(path)}

    def __contains__(self, item: tuple[str, str]) -> bool:
        return item in self._known

    def add(self, result: Result) -> None:
        """Keep one more. It begins with a line of its own, whatever a kill left of the one before."""
        self._known[result.kind, result.name] = result
        text = f"\n{json.dumps(asdict(result), ensure_ascii=False)}\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, text.encode())
            os.fsync(file)
        finally:
            os.close(file)

    @property
    def failed(self) -> list[Result]:
        """Trials with a problem."""
        return [result for result in self._known.values() if result.problems]

    def table(self) -> str:
        """The totals, and how to repeat each failure."""
        kinds = dict.fromkeys(result.kind for result in self._known.values())
        rows = [_row(kind, [result for result in self._known.values() if result.kind == kind]) for kind in kinds]
        told = [line for result in self.failed for line in _told(result, self.path)]
        return "\n".join([HEAD, *rows, *told])


def _read(path: Path) -> Iterable[Result]:
    for line in path.read_text().split("\n") if path.exists() else ():
        try:
            yield Result(**json.loads(line))
        except ValueError:
            continue


def _row(kind: str, results: list[Result]) -> str:
    failed = sum(bool(result.problems) for result in results)
    codes = Counter(code for result in results for code in result.exits)
    seconds = sum(result.seconds for result in results) / len(results)
    duplicates, lost = sum(result.duplicates for result in results), sum(result.lost for result in results)
    counts = f"{len(results):7} {len(results) - failed:9} {failed:7} {duplicates:11} {lost:5} {codes[-9]:6}"
    return f"{kind:8} {counts} {seconds:8.1f}"


def _told(result: Result, path: Path) -> list[str]:
    again = f"python -m tests.chaos --kind {result.kind} --seeds {result.seed}..{result.seed} --result {path}.again"
    return [f"\nFAILED {result.kind} {result.name}: {result.about} exits {result.exits}", *result.problems, again]
