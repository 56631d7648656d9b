"""What happens to a random trial, drawn from its seed: kills, faults of the provider, deaths of the provider."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.grid import CALLS
from tests.chaos.judge import Undisturbed, early_requests, problems
from tests.chaos.person import Attempt, Course, see_through
from tests.chaos.place import make_place
from tests.chaos.processes import Forks

FAULTS = (
    *("reset", "lost_answer", "hang", "hang_after", "trickle", "cut_body", "cut_json", "html", "sign_in_page", "empty"),
    *("null_body", "killed", "killed_after", "retry_after_1", "retry_after_ms", "bare_429", "no_retry", "error_500"),
    *("error_502", "overloaded", "error_504", "error_500_after", "overloaded_after", "conflict", "timeout_408"),
)  # those that pass
OF_THE_JOB = ("list_lag", "model_late", "model_unlisted", "model_unnamed", "wrong_id", "status_null")
OF_LISTS = ("overlapping", "empty_list", "reordered", "repeated", "filter_ignored")


@dataclass(frozen=True)
class Disturbance:
    """All that happens to one trial."""

    rules: list[dict[str, Any]]
    attempts: list[Attempt]

    def __str__(self) -> str:
        kills = [
            attempt.order or f"kill after {attempt.kill_after_s:.2f} s" for attempt in self.attempts if _kills(attempt)
        ]
        deaths = sum(attempt.provider_dies_after_s is not None for attempt in self.attempts)
        faults = [f"{rule['call']} {rule['happens']} after {rule['after']}" for rule in self.rules]
        return "; ".join(map(str, [*faults, *kills, *["the provider is killed"] * deaths]))


def drawn(seed: int, expected: Undisturbed) -> Disturbance:
    """The disturbance of a seed: the same one each time, but for the moments of kills by the clock."""
    draw = random.Random(seed)
    rules = [_rule(draw) for _ in range(draw.choice((0, 1, 1, 2)))]
    kills = draw.choice((0, 1, 1, 2) if rules else (1, 1, 2))
    attempts = [_kill(draw, expected) for _ in range(kills)]
    if draw.random() < 0.2:
        dies = Attempt(provider_dies_after_s=draw.uniform(0.1, expected.seconds), provider_away_s=draw.uniform(0.1, 1))
        attempts.append(dies)
    return Disturbance(rules, attempts)


def try_random(
    forks: Forks, folder: Path, use_case: Path, seed: int, expected: Undisturbed
) -> tuple[list[str], Course]:
    """What is wrong with how a trial took the disturbance of a seed (nothing: survived), and its course."""
    disturbance = drawn(seed, expected)
    place = make_place(forks, folder, use_case, disturbance.rules)
    course = see_through(place, disturbance.attempts)
    found = problems(place, course, expected) + early_requests(place)
    place.close(keep=bool(found))
    return found, course


def _rule(draw: random.Random) -> dict[str, Any]:
    call = draw.choice((*CALLS, "jobs.create", "jobs.create"))
    faults = [*FAULTS, *(OF_THE_JOB if call == "jobs.create" else ()), *(OF_LISTS if call == "jobs.list" else ())]
    after = draw.randrange(60) if call == "chat.create" else draw.randrange(3) if call != "jobs.create" else 0
    return {"call": call, "after": after, "times": draw.choice((1, 1, 2)), "happens": draw.choice(faults)}


def _kill(draw: random.Random, expected: Undisturbed) -> Attempt:
    if draw.random() < 0.5:
        return Attempt(kill_after_s=draw.uniform(0.1, expected.seconds))
    return Attempt(order={"die_after": draw.randint(1, len(expected.points))})


def _kills(attempt: Attempt) -> bool:
    return bool(attempt.order) or attempt.kill_after_s is not None
