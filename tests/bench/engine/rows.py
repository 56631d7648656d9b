"""What is measured: so many cases at such concurrency against an endpoint that behaves so."""

from dataclasses import dataclass
from typing import Literal

from tests.bench.engine.behaviour import Behaviour
from tests.bench.engine.contenders import BARE, CONTENDERS, OURS

STEADY = Behaviour()
SPREAD = Behaviour(sigma=0.5)
RATIONED = Behaviour(per_minute=1500, burst=25)  # a second's worth at once
FAULTY = Behaviour(errors=0.02)
AWAY = Behaviour(outage_from_s=2, outage_s=15)


@dataclass(frozen=True)
class Row:
    """`full`: left out where only a quick look is asked for."""

    name: str
    kind: Literal["speed", "ration", "faults", "kill"]
    cases: int
    concurrency: int
    behaviour: Behaviour
    contenders: tuple[str, ...] = tuple(CONTENDERS)
    full: bool = False

    @property
    def least_s(self) -> float:
        """What no contender can stay below."""
        return self.behaviour.least_s(self.cases, self.concurrency)


RATION_CONTENDERS = tuple(name for name in CONTENDERS if name != BARE)  # which loses all that it is refused
KILL_CONTENDERS = RATION_CONTENDERS  # which has nothing to go on from
ROWS = (
    Row("200 ms, 32 at once", "speed", 1000, 32, STEADY),
    Row("200 ms, 128 at once", "speed", 1000, 128, STEADY),
    Row("lognormal, 32 at once", "speed", 1000, 32, SPREAD, full=True),
    Row("lognormal, 128 at once", "speed", 1000, 128, SPREAD, full=True),
    Row("5,000 cases, 128 at once", "speed", 5000, 128, STEADY, (OURS,), full=True),
    Row("1,500 a minute, 300 cases", "ration", 300, 32, RATIONED, RATION_CONTENDERS),
    Row("1,500 a minute, 1,000 cases", "ration", 1000, 32, RATIONED, RATION_CONTENDERS, full=True),
    Row("2 % errors and resets", "faults", 1000, 32, FAULTY),
    Row("15 s outage", "faults", 1000, 32, AWAY),
    Row("kill -9 half-way, again", "kill", 1000, 32, STEADY, KILL_CONTENDERS),
)
