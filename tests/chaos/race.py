"""Many processes at once that want the same, or not the same, and one that dies while the others wait."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests import postgres
from tests.chaos.outcome import intents, paid
from tests.chaos.person import Course
from tests.chaos.place import Place, make_place
from tests.chaos.processes import Child, Forks

PROCESSES = 8
NEXT_START_S = 10.0
PATIENCE_S = 300.0
CHAMPION_MOVED = "another run moved it meanwhile"  # rightly: it was judged against a champion that is none any more
SLOW_CREATE = [{"call": "jobs.create", "times": None, "happens": {"kind": "delay", "seconds": 0.5}}]
HANGING_CREATE = [{"call": "jobs.create", "happens": {"kind": "hang", "accepted": True}}]


def race(place: Place, settings: list[str]) -> list[str]:
    """Start one trial a setting, all at once; what is wrong once all have ended (nothing: one job an intent)."""
    children = [place.start("run", str(place.use_case), "--yes", "--json", "--set", one) for one in settings]
    exits = [child.wait(PATIENCE_S) for child in children]
    said = [path.read_text() for path in place.errors]
    found = [
        f"process {number} ended with {code}: {text[-300:]}"
        for number, (code, text) in enumerate(zip(exits, said, strict=True))
        if code != 0 and (code, CHAMPION_MOVED in text) != (75, True)
    ]
    bought = paid(place.provider)
    if len(bought) != len(set(settings)) or set(bought.values()) != {1}:
        found.append(f"{dict(bought)} jobs where {len(set(settings))} intents were wanted")
    if len(intents(place)) != len(set(settings)):
        found.append(f"the ledger has {len(intents(place))} purchases of {len(set(settings))}")
    return found


def same_intent() -> list[str]:
    """Settings of processes that all want the same."""
    return ["fine_tune.generation=1"] * PROCESSES


def other_intents() -> list[str]:
    """Settings of processes that each want something else."""
    return [f"fine_tune.generation={number + 1}" for number in range(PROCESSES // 2)]


def takes_over(place: Place) -> tuple[list[str], float]:
    """Kill who holds the lock in its paid request, a second process waiting for it: seconds until that one asks on."""
    holder = place.start("run", str(place.use_case), "--yes", "--json")
    _await(lambda: bool(place.provider.jobs()), holder)
    waiting = place.start("run", str(place.use_case), "--yes", "--json")
    _await(lambda: "waiting to attach" in place.said(), waiting)
    holder.kill()
    killed = time.monotonic()
    before = len(place.provider.log("jobs.list"))
    _await(lambda: len(place.provider.log("jobs.list")) > before, waiting)
    seconds = time.monotonic() - killed
    code = waiting.wait(PATIENCE_S)
    found = [] if code == 0 else [f"the second process ended with {code}: {place.said()[-300:]}"]
    found += [] if seconds <= NEXT_START_S else [f"it went on after {seconds:.1f} s only"]
    found += [] if set(paid(place.provider).values()) == {1} else [f"{dict(paid(place.provider))} jobs"]
    return found, seconds


def round_of(seed: int, forks: Forks, use_case: Path, folder: Path) -> tuple[list[str], Course]:
    """One of the races, by turns; every second turn on PostgreSQL where the machine has it."""
    since = time.monotonic()
    kind = ("same", "other", "dies")[seed % 3]
    with ExitStack() as stack:
        on_postgres = seed % 2 == 0 and postgres.installed()
        ledger = f"{stack.enter_context(postgres.postgres_server())}postgres" if on_postgres else ""
        faults = HANGING_CREATE if kind == "dies" else SLOW_CREATE
        place = stack.enter_context(arena(forks, folder, use_case, faults, ledger))
        if kind == "dies":
            found, took = takes_over(place)
            said = f"went on after {took:.1f} s"
        else:
            found, said = race(place, same_intent() if kind == "same" else other_intents()), kind
    said += " on PostgreSQL" if on_postgres else ""
    return found, Course([1 if found else 0], [said], seconds=time.monotonic() - since)


@contextmanager
def arena(
    forks: Forks, folder: Path, use_case: Path, faults: list[dict[str, Any]], ledger: str = ""
) -> Iterator[Place]:
    """A place for several processes; `ledger` is the address of another ledger than the one at home."""
    place = make_place(forks, folder, use_case, faults)
    if ledger:
        place.environment["TUNEGATE_LEDGER_URL"] = ledger
    try:
        yield place
    finally:
        place.close()


def _await(condition: Any, child: Child) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert child.wait(0.05) is None, "it ended before it came so far"
        assert time.monotonic() < deadline, "it never came so far"
