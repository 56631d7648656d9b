"""How often a waiting run asks, and how late it notices the end: simulated, so the clock jumps and nothing is slept.

Durations are lognormal around what tuning jobs take, minutes to a day. An estimated finish is wrong by a fifth at
first and gets better as the job goes on.
"""

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.table import Table

from data_contracts.money import Job
from tasks.finetune.wait import WaitPolicy, wait
from tests.bench.options import Options, console
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import ScriptedProvider

SEED, JOBS = 20_261_122, 300
MINUTE, DAY = 60.0, 86_400.0
KINDS = {"small jobs (10 min)": 10 * MINUTE, "usual jobs (40 min)": 40 * MINUTE, "large jobs (4 h)": 240 * MINUTE}
SPREAD, MISJUDGED = 0.6, 0.2


@dataclass(frozen=True)
class Waited:
    """Looks at the job, and seconds between its end and the look that saw it."""

    looks: int
    late_s: float


class _Simulated(ScriptedProvider):
    """A job that ends by the clock."""

    def __init__(self, clock: FakeClock, seconds: float, misjudged: float | None) -> None:
        super().__init__(clock)
        self.seconds, self.misjudged = seconds, misjudged
        self.add_job("intent")

    def job(self, job_id: str) -> Job:
        done, now = self.clock.elapsed >= self.seconds, self.clock.now()
        finish = None
        if self.misjudged is not None:
            left = max(0.0, self.seconds - self.clock.elapsed)
            finish = now + left * (1 + self.misjudged)
        end = {"state": "succeeded", "model": "ft:base-1"} if done else {}
        self.set_job(job_id, estimated_finish=finish, **end)
        return super().job(job_id)


def ours(seconds: float, misjudged: float | None, webhook: bool = False) -> Waited:
    """The chosen policy, through the very code that waits in a trial."""
    clock = FakeClock()
    provider = _Simulated(clock, seconds, misjudged)
    nudged_at = (lambda: seconds if clock.elapsed >= seconds else None) if webhook else None
    policy = replace(WaitPolicy(deadline_s=30 * DAY), nudged_at=nudged_at)
    wait("job-1", provider, policy, clock, lambda event: None)
    return Waited(provider.calls["job"], clock.elapsed - seconds)


def scheduled(seconds: float, pauses: Iterator[float]) -> Waited:
    """Looks at fixed moments, whatever the job says."""
    looks, now = 1, 0.0
    while now < seconds:
        now += next(pauses)
        looks += 1
    return Waited(looks, now - seconds)


def _fixed() -> Iterator[float]:
    while True:
        yield 10.0


def _doubling() -> Iterator[float]:
    pause = 1.0
    while True:
        yield pause
        pause *= 2


POLICIES: dict[str, Callable[[float, float], Waited]] = {
    "ours, with an estimated finish": ours,
    "ours, without": lambda seconds, _: ours(seconds, None),
    "ours, with webhooks": lambda seconds, _: ours(seconds, None, webhook=True),
    "every 10 s": lambda seconds, _: scheduled(seconds, _fixed()),
    "exponential, doubling": lambda seconds, _: scheduled(seconds, _doubling()),
}


def bench(options: Options) -> None:
    """Print looks and lateness by policy and kind of job."""
    table = Table("jobs", "policy", "looks a job", "mean late, s", "late at p95, s", "late, share of the job")
    for kind, median in KINDS.items():
        durations = _durations(median)
        for name, policy in POLICIES.items():
            waited = [policy(seconds, wrong) for seconds, wrong in durations]
            table.add_row(kind, name, *_figures(waited, [seconds for seconds, _ in durations]))
    console().print(table)


def _durations(median: float) -> list[tuple[float, float]]:
    draw = random.Random(SEED)
    return [(median * draw.lognormvariate(0, SPREAD), draw.uniform(-MISJUDGED, MISJUDGED)) for _ in range(JOBS)]


def _figures(waited: Sequence[Waited], durations: Sequence[float]) -> list[str]:
    late = [one.late_s for one in waited]
    shares = [one.late_s / seconds for one, seconds in zip(waited, durations, strict=True)]
    return [
        f"{statistics.mean(one.looks for one in waited):.0f}",
        f"{statistics.mean(late):.1f}",
        f"{statistics.quantiles(late, n=20)[-1]:.1f}",
        f"{100 * statistics.mean(shares):.1f} %",
    ]
