"""The named points at which a trial is killed, and what it has to come to all the same."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.judge import Undisturbed, problems
from tests.chaos.outcome import answered, outcome
from tests.chaos.person import DONE, Attempt, Course, see_through
from tests.chaos.place import make_place
from tests.chaos.processes import KILLED, Forks


def undisturbed(forks: Forks, folder: Path, use_case: Path) -> Undisturbed:
    """A trial that nothing happens to, and the points that it passes."""
    place = make_place(forks, folder, use_case)
    record = folder / "points.txt"
    course = see_through(place, [Attempt({"record": str(record)})])
    assert course.exits == [DONE], course.said
    points = tuple(record.read_text().splitlines())
    found = Undisturbed(outcome(place), answered(place.provider), course.seconds, points)
    wrong = problems(place, course, found)
    assert not wrong, wrong
    place.close()
    return found


def chosen(points: Sequence[str]) -> list[str]:
    """Of what happens often, the first and the last time; each file and each step of the ledger has its own name."""
    by_name: dict[str, list[str]] = {}
    for point in points:
        by_name.setdefault(re.sub(r" #\d+ ", " ", point), []).append(point)
    return [point for found in by_name.values() for point in dict.fromkeys((found[0], found[-1]))]


def try_point(
    forks: Forks, folder: Path, use_case: Path, point: str, expected: Undisturbed
) -> tuple[list[str], Course]:
    """What is wrong with how a trial goes on that dies at this point (nothing: it ends as if it had not)."""
    place = make_place(forks, folder, use_case)
    course = see_through(place, [Attempt({"die_at": point})])
    found = problems(place, course, expected)
    if course.exits[0] != KILLED:
        found.append(f"it never came to {point}")
    place.close(keep=bool(found))
    return found, course
