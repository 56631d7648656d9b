"""The verdict on a trial that was disturbed: by the provider's log, the ledger, MLflow and exit codes alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.chaos.outcome import answered, disagreements, outcome, paid
from tests.chaos.person import DONE, Course
from tests.chaos.place import Place
from tests.chaos.processes import KILLED
from tests.chaos.virtual_time import slept_before

UNDER_WAY_S = 0.05  # what was sent before the client had the answer
IN_FLIGHT = 32  # answers that a kill may cost: 16 under way, and those that came since the last commit


@dataclass(frozen=True)
class Undisturbed:
    """The same trial when nothing happens to it."""

    outcome: Mapping[str, Any]
    answers: int
    seconds: float
    points: tuple[str, ...]


def problems(place: Place, course: Course, expected: Undisturbed, lenient: bool = False) -> list[str]:
    """All that is wrong with how it ended; empty: it was survived. `lenient`: the answers had a right to differ."""
    found = [
        f"{count} jobs paid for intent {intent[:8]}" for intent, count in paid(place.provider).items() if count > 1
    ]
    found += [line for said in course.said if (line := _traceback(said))]
    if course.exits[-1] != DONE:
        return [*found, f"lost: it ended with {course.exits[-1]}: {course.said[-1].strip().splitlines()[-1:]}"]
    if lenient:
        return found
    changed = outcome(place)
    found += [f"{key}: {changed[key]} instead of {was}" for key, was in expected.outcome.items() if changed[key] != was]
    surplus = answered(place.provider) - expected.answers
    lost = sum(line["fault"] is not None for line in place.provider.log("chat.create"))
    allowed = IN_FLIGHT * (len(course.exits) - 1 + course.provider_deaths) + lost
    if surplus > allowed:
        found.append(f"{surplus} answers were paid for twice, {allowed} may have been under way")
    return [*found, *disagreements(place)]


def endings(course: Course, first: Sequence[int], last: Sequence[int]) -> list[str]:
    """Whether the first start and the last ended as they may, each stop with one named error and no traceback."""
    found = [] if course.exits[0] in first else [f"the first start ended with {course.exits[0]}, not {first}"]
    found += [] if course.exits[-1] in last else [f"the last start ended with {course.exits[-1]}, not {last}"]
    found += [line for said in course.said if (line := _traceback(said))]
    stopped = [said for code, said in zip(course.exits, course.said, strict=True) if code not in (DONE, KILLED)]
    found += ["it stopped without a word" for said in stopped if not said.strip()]
    return found if not found else [*found, *(said.strip().splitlines()[-1] for said in stopped if said.strip())]


def early_requests(place: Place) -> list[str]:
    """Requests of a call that one process sent before the time that an answer to it had asked to wait for."""
    lines = [_Arrival.of(line, place) for line in place.provider.log()]
    found = []
    for told in lines:
        if told.line["wait_s"] is not None:
            under_way_s = UNDER_WAY_S * (10 if told.line["call"] == "chat.create" else 1)  # sixteen at a time
            known, until = told.at + told.line["ms"] / 1000 + under_way_s, told.at + told.line["wait_s"]
            early = [other for other in lines if told.is_like(other) and known < other.at < until]
            found += [f"{told.line['call']} asked again {until - other.at:.2f} s too early" for other in early]
    return found


@dataclass(frozen=True)
class _Arrival:
    """A request, when it arrived by the clock of the process that sent it, and which process that was."""

    line: Mapping[str, Any]
    process: int
    at: float

    @classmethod
    def of(cls, line: Mapping[str, Any], place: Place) -> Self:
        process = sum(start <= line["at"] for start in place.starts)
        return cls(line, process, line["at"] + slept_before(place.slept(process), line["at"]))

    def is_like(self, other: Self) -> bool:
        return (self.process, self.line["call"]) == (other.process, other.line["call"])


def _traceback(said: str) -> str:
    """The end of a traceback that a person got to see."""
    return f"traceback: {said.strip().splitlines()[-1]}" if "Traceback (most recent call last)" in said else ""
