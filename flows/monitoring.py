"""`tunegate monitor`: one look at the champion in production, what follows from it by policy, and how it is shown."""

import logging
from dataclasses import dataclass
from typing import Any

from data_contracts.monitoring import MonitorReport
from data_contracts.trial import TrialOptions
from data_contracts.use_case import ResolvedUseCase, UseCase
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger

log = logging.getLogger("tunegate")
COLOURS = {"healthy": "green", "degrade": "yellow", "roll back": "red", "too few answers": "cyan"}
STATES = {True: "broken", False: "holds", None: "too little to tell"}
BY = "monitor"
SIGHTED = "monitor"  # what the ledger calls the verdict of the last look


def monitor(use_case: str) -> dict[str, Any]:
    """Look once: the report as JSON. What its verdict leads to is done once a promotion, and is on record.

    Raises ConfigurationError without a champion or a source.
    """
    from data_contracts.load import load
    from data_contracts.records import as_json
    from flows.environment import prepare
    from tasks.register import monitored
    from tasks.register.mlflow_registry import Registry
    from tasks.steps.monitoring import look

    prepare()
    case, ledger = load(use_case), Ledger()
    registry = Registry(case.use_case.name)
    found = look(case, registry, ledger)
    run = monitored.opened(registry, found)
    report = found.model_copy(update={"action": _Answer(case, use_case, ledger, found, run).given()})
    monitored.keep(registry, run, report)
    _emit(f"monitor.{report.health.replace(' ', '-')}", report, _facts(report) | {"mlflow_run_id": run})
    return as_json(report)


def show(content: dict[str, Any]) -> None:
    """The verdict first, then every check as a line of a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel
    from rich.table import Table

    report, console = MonitorReport.model_validate(content), Console()
    title = f"[bold]{report.health.upper()}[/bold]: version {report.version}, {escape(report.model)}"
    console.print(Panel(escape(_about(report)), title=title, border_style=COLOURS[report.health], padding=(1, 2)))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("check", "state", "leads to", "figure"):
        table.add_column(name, overflow="fold", no_wrap=name != "figure")
    for row in rows(report):
        table.add_row(row["check"], row["state"], row["leads to"], escape(row["figure"]))
    console.print(table)
    for reason, times in report.skipped.items():
        console.print(f"passed over: {times:,} {reason}", soft_wrap=True, markup=False, highlight=False)


def rows(report: MonitorReport) -> list[dict[str, str]]:
    """A table's rows, one a check."""
    return [
        {
            "check": check.name,
            "state": STATES[check.broken],
            "leads to": check.leads_to,
            "limit": f"{check.limit:g}",
            "figure": check.figure,
        }
        for check in report.checks
    ]


def markdown(report: MonitorReport) -> str:
    """The verdict as a page."""
    lines = [f"| {' | '.join(row.values())} |" for row in rows(report)]
    skipped = [f"- passed over: {times:,} {reason}" for reason, times in report.skipped.items()]
    head = ["| check | state | leads to | limit | figure |", "|---|---|---|--:|---|"]
    about = _about(report).replace("\n", "\n\n")
    top = f"# {report.health}\n\nVersion {report.version}, `{report.model}`\n\n{about}\n"
    return "\n".join([top, *head, *lines, "", *skipped]) + "\n"


def _about(report: MonitorReport) -> str:
    days = (report.until - report.since) / 86_400
    over = "; its watch window is over" if report.window_over else ""
    told = [
        f"{report.answers:,} answers in {days:.1f} days since its promotion, {report.labelled:,} with a label{over}."
    ]
    told += [check.figure.capitalize() + "." for check in report.checks if check.broken]
    told += [f"{report.collected:,} labelled rows were collected for the next trial."] if report.collected else []
    return "\n".join([*told, report.action] if report.action else told)


@dataclass(frozen=True)
class _Answer:
    """What a verdict leads to, by `monitor.on_roll_back` and `monitor.on_degrade`."""

    case: ResolvedUseCase
    use_case: str  # as it was asked for
    ledger: Ledger
    report: MonitorReport
    run: str  # in MLflow

    def given(self) -> str:
        """What was done, in a sentence; empty where nothing has to be. The same is done once a promotion.

        A champion is moved back by two looks in a row: the window grows, and one look in many is wrong by chance.
        """
        report = self.report
        with self.ledger.lock(f"monitor {report.use_case}"):
            is_second = self._was_seen()
            if report.health not in ("degrade", "roll back"):
                return ""
            if report.window_over:
                return "The watch window is over: nothing is done by itself any more."
            if self.ledger.told(report.use_case, self._key):
                return "This was found before, and answered then."
            if self._would_move and not is_second:
                said = "A second look decides: nothing was moved yet."
            else:
                said = self._roll_back() if report.health == "roll back" else self._degrade()
                self.ledger.tell_once(report.use_case, self._key)  # once it is done: a look that dies is made up for
        _tell(self.case.use_case, report, said)
        return said

    @property
    def _would_move(self) -> bool:
        return self.report.health == "roll back" and self.case.use_case.monitor.on_roll_back == "act"

    def _was_seen(self) -> bool:
        """Whether the look before found the same; the next one will ask what this one found."""
        before = self.ledger.seen(self.report.use_case, SIGHTED) or {}
        self.ledger.see(self.report.use_case, SIGHTED, {"verdict": self._key})
        return before.get("verdict") == self._key

    @property
    def _key(self) -> str:
        """Of this verdict on this champion since its promotion."""
        return f"monitor {self.report.health}, version {self.report.version} since {self.report.since:.0f}"

    def _roll_back(self) -> str:
        from flows import moving
        from tasks.register.promotion import MovedMeanwhileError
        from tasks.steps.moving import Who

        if self.case.use_case.monitor.on_roll_back == "tell":
            return f"Policy is to say so: `tunegate rollback {self.use_case}` goes back to the champion before."
        try:
            who = Who(BY, "policy", self._why, self.run)
            moved = moving.rolled_back(self.case.use_case, None, who, expected=self.report.version)
        except MovedMeanwhileError:
            return f"Version {self.report.version} is champion no more: it was moved meanwhile, and nothing was done."
        except ConfigurationError as error:
            return f"There is nobody to go back to: {error.problem}. {self._degrade()}"
        return f"{_moved_back(moved)} A trial would find who answers best now: `tunegate run {self.use_case}`."

    def _degrade(self) -> str:
        if self.case.use_case.monitor.on_degrade == "tell":
            return f"Policy is to say so: `tunegate run {self.use_case}` asks anew who is best."
        options = TrialOptions(reason=self._why[:300]).model_dump()
        wanted = {"use_case": self.use_case, "options": options, "why": self._why}
        if not _server_is_named():
            return f"A trial is wanted, and no Prefect server is here to start one: `tunegate run {self.use_case}`."
        from tasks import wanted_trials

        wanted_trials.want(self.ledger, self.report.use_case, self._key, wanted)
        return "A trial was asked for."

    @property
    def _why(self) -> str:
        broken = "; ".join(f"{check.name}: {check.figure}" for check in self.report.checks if check.broken)
        return f"production, version {self.report.version}: {broken}"


def _moved_back(moved: dict[str, Any]) -> str:
    """To whom, and how that one did in the trial that it comes from."""
    evidence = moved["evidence"]
    scored = f" ({evidence['metric']:.3f} on the test cases of {evidence['run']})" if "metric" in evidence else ""
    notes = "".join(f" {warning}." for warning in moved["warnings"])
    return f"The champion was moved back to version {moved['move']['version']}{scored}.{notes}"


def _facts(report: MonitorReport) -> dict[str, Any]:
    """What an event says: names and figures."""
    broken = [check.name for check in report.checks if check.broken]
    figures = {"answers": report.answers, "labelled": report.labelled, "collected": report.collected}
    return {
        "version": report.version,
        "model": report.model,
        "health": report.health,
        "broken": broken,
        "action": report.action,
        **figures,
    }


def _emit(event: str, report: MonitorReport, payload: dict[str, Any]) -> None:
    """Tell Prefect, where a server is named; at the command line there need be none."""
    if _server_is_named():
        from tasks.prefect_events import emit

        emit(event, report.use_case, payload)


def _server_is_named() -> bool:
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


def _tell(case: UseCase, report: MonitorReport, said: str) -> None:
    if case.approvals.notify:
        from flows.notify import tell

        tell(case, f"{report.use_case}: {report.health}", f"{markdown(report)}\n{said}\n")
