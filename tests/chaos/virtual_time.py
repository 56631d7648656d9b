"""A child's clock on which waiting takes no time: who is told to come back in 300 seconds is there at once.

Whoever judges adds what was slept until then to the moment at which a request arrived.
"""

import json
import time
from pathlib import Path

REAL_S = 0.03  # of each wait, so that a server gets on with its work meanwhile


def install(path: Path) -> None:
    """Let `SystemClock` of this process run ahead instead of sleeping; `path` gets a line `[moment, slept]` a wait."""
    from tasks import clock

    slept = 0.0
    real_sleep, real_now, real_monotonic = time.sleep, time.time, time.monotonic

    def sleep(_: object, seconds: float) -> None:
        nonlocal slept
        slept += seconds
        real_sleep(min(seconds, REAL_S))
        with path.open("a") as lines:
            lines.write(json.dumps([real_now(), slept]) + "\n")

    clock.SystemClock.sleep = sleep  # type: ignore[method-assign]
    clock.SystemClock.now = lambda _: real_now() + slept  # type: ignore[method-assign]
    clock.SystemClock.monotonic = lambda _: real_monotonic() + slept  # type: ignore[method-assign]


def slept_before(path: Path, moment: float) -> float:
    """Seconds that the process had slept before a moment of the real clock."""
    lines = path.read_text().splitlines() if path.exists() else []
    waits = [json.loads(line) for line in lines]
    return max((slept for at, slept in waits if at <= moment), default=0.0)
