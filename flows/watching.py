"""`tunegate watch`: one pass of the base-model watch, the events that follow from it, and how it is shown."""

import logging
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_contracts.lifetimes import Finding, WatchReport
from data_contracts.load import bundled, load
from data_contracts.records import as_json
from flows import notify
from flows.environment import answers, prepare
from flows.wanting import want, with_what_holds_back
from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.steps.listings import Listings
from tasks.steps.watching import Looked, look

COLOURS = ((1, "bold red"), (7, "red"), (30, "dark_orange"), (90, "yellow"))  # up to so many days left
UNTOLD = "The Prefect server at {api} does not answer: no event was sent, the next pass tells what is new"
log = logging.getLogger("tunegate.watch")


def watch(use_case: str | None) -> dict[str, Any]:
    """watch.json of one use case, or of all under deployments/. Events go out only where a Prefect server is set."""
    prepare()
    return as_json(one_pass(use_case or "", Ledger()))


def one_pass(use_case: str, ledger: Ledger) -> WatchReport:
    """Look at one use case (empty: at all of them), and tell what is new; a broken one does not stop the others.

    Raises ConfigurationError where the one that was asked for is broken.
    """
    listings, unreachable = Listings(), list[str]()
    looked: dict[str, Looked] = {}
    for name in [use_case] if use_case else bundled():
        try:
            looked[name] = with_what_holds_back(look(name, ledger, listings), ledger)
        except TunegateError as error:
            if use_case:
                raise
            unreachable.append(f"{name}: {error}")
    unreachable += _tell_all(looked, ledger)
    return _merged([one.report for one in looked.values()], unreachable, ledger.clock.now())


# ---------------------------------------------------------------- told


def _tell_all(looked: dict[str, Looked], ledger: Ledger) -> list[str]:
    """Events of what is new, if anybody may listen; why they could not be sent."""
    if not any(one.report.findings for one in looked.values()):
        return []
    from prefect.settings import PREFECT_API_URL

    api = PREFECT_API_URL.value()
    if not api:
        return []
    if not answers(f"{api}/health"):
        return [UNTOLD.format(api=api)]
    problems = []
    for name, one in looked.items():
        try:
            tell(name, one, ledger)
        except Exception as error:
            problems.append(f"{name}: telling Prefect failed ({type(error).__name__}); the next pass tells it again")
    return problems


def tell(name: str, looked: Looked, ledger: Ledger) -> None:
    """An event for each finding that the server does not have yet, a message, and at most one trial that is wanted."""
    news: list[str] = []
    try:
        for key, finding in zip(looked.keys, looked.report.findings, strict=True):
            if not ledger.told(finding.use_case, f"heard {key}") and _tell_until_heard(key, finding, ledger):
                news.append(finding.says)
        want(name, looked, ledger)
    finally:
        _notify(name, news)


def _notify(name: str, news: Sequence[str]) -> None:
    """One message to whoever `approvals.notify` names; an event may find nobody who listens."""
    if not news:
        return
    try:
        case = load(name).use_case
        notify.tell(case, f"{case.name}: {_count(len(news))} about its champion's model", "\n".join(news))
    except TunegateError as error:
        log.warning("notify     nobody was told: %s", error)


def _count(findings: int) -> str:
    return "a finding" if findings == 1 else f"{findings} findings"


def _tell_until_heard(key: str, finding: Finding, ledger: Ledger) -> bool:
    """Whether it is told for the first time.

    An event goes its way unconfirmed: whether it came is seen at the next pass, which else sends it again.
    """
    from tasks.prefect_events import emit, is_heard

    event = f"base-model.{finding.kind}"
    if ledger.told(finding.use_case, key) and is_heard(event, finding.use_case, key):
        ledger.tell_once(finding.use_case, f"heard {key}")
        return False
    emit(event, finding.use_case, as_json(finding), key=key)
    new = ledger.tell_once(finding.use_case, key)
    if new:
        log.info("found      %s", finding.says)
    return new


def _merged(reports: Sequence[WatchReport], unreachable: Sequence[str], now: float) -> WatchReport:
    findings = [finding for report in reports for finding in report.findings]
    return WatchReport(
        checked_at=now,
        findings=sorted(findings, key=lambda finding: finding.deadline or "9999"),
        inventory=[line for report in reports for line in report.inventory],
        unreachable=[*dict.fromkeys([*(one for report in reports for one in report.unreachable), *unreachable])],
    )


# ---------------------------------------------------------------- shown


def show(content: dict[str, Any]) -> None:
    """The inventory as a table, then the findings, the soonest deadline first."""
    found, console = WatchReport.model_validate(content), Console()
    if found.inventory:
        console.print(_inventory(found))
    else:
        console.print("No champion and no tuned model yet: `tunegate run USE_CASE` makes the first one.")
    for finding in found.findings:
        console.print(_line(finding), soft_wrap=True, highlight=False)
    if found.inventory and not found.findings:
        console.print("Nothing changed under them.", style="green")
    for problem in found.unreachable:
        console.print(f"Not asked: {escape(problem)}", style="magenta", soft_wrap=True, highlight=False)


def _inventory(found: WatchReport) -> Table:
    table = Table(title="Models in use", title_justify="left", title_style="bold", show_lines=True)
    table.add_column("use case")
    table.add_column("model, its base, what would replace it", overflow="fold", ratio=1)
    table.add_column("days left", justify="right")
    for line in found.inventory:
        unknown = ["training data unknown"] if line.training_data == "unknown" else []
        base = [] if line.model == line.base_model else [f"on {line.base_model}"]
        instead = [f"replaced by {line.replacement}"] if line.replacement else []
        days = [] if line.days_left is None else [str(line.days_left), str(line.shutdown_date)]
        cells = ([line.use_case, line.role, *unknown], [line.model, *base, f"at {line.provider}", *instead], days)
        table.add_row(*(escape("\n".join(cell)) for cell in cells), style=colour(line.days_left))
    return table


def _line(finding: Finding) -> str:
    left = colour(finding.days_left) or "cyan"
    trial = " A trial is wanted." if finding.wanted and finding.new else ""
    told = "" if finding.new else " (told before)"
    return f"[{left}]{finding.kind}[/{left}] {finding.use_case}: {escape(finding.says)}{trial}{told}"


def colour(days_left: int | None) -> str:
    """How urgent so many days are; empty where nobody announced any, or they are far."""
    if days_left is None:
        return ""
    return next((name for days, name in COLOURS if days_left <= days), "")
