"""Which deployments there are: four a use case, and one watch for all. How their runs are executed is said elsewhere.

`flows.serve` serves them from one process; `deployments/prefect.yaml` gives the same ones to a work pool.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from data_contracts.load import bundled, load
from data_contracts.use_case import UseCase
from tasks.errors import TunegateError

SLUG = "use-case-file"  # of a schedule: with one, deploying again changes the schedule instead of adding another
WATCH_CRON = "15 4 * * *"
TRIAL = """{about}

**Run** starts a whole trial: the rows are checked and partitioned, the best prompt is found, a model is tuned on
`{base_model}`, and all candidates answer the same sealed test set. The champion in MLflow changes only if a candidate
beats it there. Leave the form as it is for a normal trial; tick *Approve the estimated cost* if the run says that it
needs an approval (above ${approval_above:,.2f}).
"""
MONITOR = """{about}

**Run** holds what production says about the champion against the figures of its test set: drift, format, latency,
cost, and quality where rows come with labels. The result is *healthy*, *degrade* or *roll back*; on the last one
{on_roll_back}. {sources}
"""
PROMOTE = """{about}

**Run** makes a registered version champion: the challenger, unless a version is given. Whoever loads
`models:/tunegate.{name}@champion` is answered by it from then on. Name and reason go on record.
"""
ROLLBACK = """{about}

**Run** makes the champion before the present one champion again, or a version that was champion once. Whoever loads
`models:/tunegate.{name}@champion` is answered by it from then on. Name and reason go on record.
"""
WATCH = """Looks once at the base models under all champions: which retire and when, which have a successor, which
answer differently than they did. What it finds is an event; where `watch.start_trials` says so, a trial follows.

Leave the use case empty to look at all of them.
"""


@dataclass(frozen=True)
class Timetable:
    """When a deployment runs by itself."""

    cron: str
    timezone: str = "UTC"
    slug: str = SLUG


@dataclass(frozen=True)
class Deployable:
    """One deployment `flow/name`. One run of it goes at a time; the others wait for it, none is lost."""

    flow: str
    name: str
    about: str
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    timetable: Timetable | None = None

    @property
    def path(self) -> str:
        """As `prefect deployment run` takes it."""
        return f"{self.flow}/{self.name}"

    @property
    def entrypoint(self) -> str:
        """Where the flow is, for a process that has tunegate installed."""
        return f"{MODULES[self.flow]}.{self.flow}"

    def load(self) -> Any:  # noqa: ANN401 - Prefect's Flow, which is imported late
        """The flow itself."""
        return getattr(import_module(MODULES[self.flow]), self.flow)


MODULES = {
    "trial": "flows.trial",
    "monitor": "flows.monitor",
    "promote": "flows.promotion",
    "rollback": "flows.promotion",
    "watch": "flows.watch_base_models",
}


def deployables() -> list[Deployable]:
    """All of them, by use case. A broken use-case file is named on standard error and does not take others down."""
    found: list[Deployable] = []
    for name in bundled():
        try:
            found += _of(load(name).use_case, name)
        except TunegateError as error:
            sys.stderr.write(f"{name} is not deployed. {error}\n")
    watch = Deployable("watch", "all", WATCH, ("tunegate",), {}, Timetable(WATCH_CRON, slug="daily"))
    return [*found, watch]


def _of(case: UseCase, name: str) -> Iterator[Deployable]:
    told, tags, fixed = _told(case, name), ("tunegate", name, case.kind.value), {"use_case": name}
    schedule = case.schedule
    zone = schedule.timezone if schedule else "UTC"
    when = Timetable(schedule.cron, zone) if schedule else None
    looks = Timetable(case.monitor.cron, zone) if case.monitor.cron else None
    yield Deployable("trial", name, TRIAL.format(**told), tags, fixed, when)
    yield Deployable("monitor", name, MONITOR.format(**told), tags, fixed, looks)
    yield Deployable("promote", name, PROMOTE.format(**told), tags, fixed)
    yield Deployable("rollback", name, ROLLBACK.format(**told), tags, fixed)


def _told(case: UseCase, name: str) -> dict[str, Any]:
    moves = case.monitor.on_roll_back == "act"
    return {
        "name": name,
        "about": case.description or case.title or case.name,
        "base_model": case.fine_tune.base_model,
        "approval_above": case.budget.approval_above,
        "on_roll_back": "the champion moves back by itself" if moves else "somebody has to act",
        "sources": ""
        if case.monitor.sources
        else "It says nothing until `monitor.sources` says where the answers are.",
    }
