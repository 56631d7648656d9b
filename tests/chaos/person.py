"""The person at the terminal: starts a trial, resumes it when it stops, answers what a parked purchase asks."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.outcome import intents, runs
from tests.chaos.place import Place
from tests.chaos.processes import KILLED, Child

ATTEMPTS = 12
ATTEMPT_S = 180.0  # a trial that hangs for so long counts as lost
LOOK_S = 0.1
DONE, STOPPED, RESUMABLE = 0, (2, 3, 4, 5), 75


@dataclass(frozen=True)
class Attempt:
    """What happens to one start of the command: told to the child, or done to it and its provider from outside."""

    order: dict[str, Any] = field(default_factory=dict)
    kill_after_s: float | None = None
    provider_dies_after_s: float | None = None
    provider_away_s: float = 0.2
    outside: Callable[[], None] | None = None  # what else happens, and when
    outside_after_s: float = 0.0


@dataclass
class Course:
    """How a trial went: the exit code and the message of each attempt."""

    exits: list[int | None] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    provider_deaths: int = 0
    seconds: float = 0.0


def see_through(place: Place, attempts: Sequence[Attempt], mend: Callable[[], None] | None = None) -> Course:
    """Start, and resume until the end. `mend` is what the person does about the first stop that was no kill."""
    course, since, parked, left = Course(), time.monotonic(), False, deque(attempts)
    for _ in range(ATTEMPTS):
        attempt = left[0] if left else Attempt()
        arguments = _arguments(place, course) if parked else _arguments(place, None)
        code = _one(place, arguments, attempt, course)
        course.exits.append(code)
        course.said.append(place.said()[-2000:])
        if left and (code == KILLED or not attempt.order):  # a point that was not reached waits for the next start
            left.popleft()
        if code == DONE or code not in (KILLED, RESUMABLE, *STOPPED):
            break
        if code in (RESUMABLE, *STOPPED) and mend is not None:
            mend()
            mend = None
        elif code in STOPPED:
            break
        parked = code == RESUMABLE and is_parked(place)
    course.seconds = time.monotonic() - since
    return course


def is_parked(place: Place) -> bool:
    """Whether a purchase waits for a person's word."""
    return any(intent.state == "SUBMITTING" for intent in intents(place))


def _arguments(place: Place, answering: Course | None) -> list[str]:
    """Resume the last run that the ledger knows; a kill before that leaves nothing to resume."""
    known = runs(place)
    if not known:
        return ["run", str(place.use_case), "--yes", "--json"]
    answer = _answer(place) if answering else []
    if answering:
        answering.answers.append(" ".join(answer))
    return ["resume", known[-1].run, "--yes", "--json", *answer]


def _answer(place: Place) -> list[str]:
    """What the person sees at the provider."""
    parked = next(intent for intent in intents(place) if intent.state == "SUBMITTING")
    jobs = [job["id"] for job in place.provider.jobs() if job["metadata"].get("intent") == parked.key]
    return ["--found", jobs[0]] if jobs else ["--absent"]


def _one(place: Place, arguments: list[str], attempt: Attempt, course: Course) -> int | None:
    """One start, to its end or to its kill. A provider that dies meanwhile comes back."""
    child = place.start(*arguments, **attempt.order)
    since, provider_dies_after_s, outside = time.monotonic(), attempt.provider_dies_after_s, attempt.outside
    while child.wait(LOOK_S) is None:
        elapsed = time.monotonic() - since
        if elapsed > (attempt.kill_after_s or ATTEMPT_S):
            child.kill()
        if provider_dies_after_s is not None and elapsed > provider_dies_after_s:
            provider_dies_after_s = None
            place.provider.kill()
        if outside is not None and elapsed > attempt.outside_after_s:
            outside, _ = None, outside()
        _look_after(place, child, attempt, course)
    if child.exit == KILLED and attempt.kill_after_s is None and not attempt.order:
        return None  # it hung
    _look_after(place, child, attempt, course)
    return child.exit


def _look_after(place: Place, child: Child, attempt: Attempt, course: Course) -> None:
    if place.provider.is_dead:
        child.wait(attempt.provider_away_s)
        place.provider.start()
        course.provider_deaths += 1
