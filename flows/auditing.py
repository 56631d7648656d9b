"""`tunegate audit`: the chain behind a use case's champion, printed link by link, what does not hold first."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from data_contracts.audit import AuditReport
from data_contracts.records import as_json

MARKS = {True: "[green]holds[/green]", False: "[red]broken[/red]", None: "[dim]info[/dim]"}
SIGNATURES = {
    "none": "not signed: set TUNEGATE_SIGNING_KEY where trials run",
    "good": "good, by the key of TUNEGATE_VERIFY_KEY",
    "bad": "[red]bad[/red]",
    "no key here": "there is one: set TUNEGATE_VERIFY_KEY to the public key to check it",
}
SHORT = 12


def audit(use_case: str) -> dict[str, Any]:
    """The report of a use case's champion, every hash made again. `use_case` is a name or a path, as everywhere."""
    from data_contracts.load import load
    from tasks.ledger import Ledger
    from tasks.register.mlflow_registry import Registry
    from tasks.steps import chain

    name = load(use_case).use_case.name
    return as_json(chain.audit(Registry(name), Ledger()))


def problems(found: dict[str, Any]) -> Sequence[str]:
    """What does not hold; nothing where all of the chain that is here does."""
    return AuditReport.model_validate(found).problems


def show(found: dict[str, Any]) -> None:
    """Problems first, then the chain from the alias to the code, then the moves of the alias."""
    report, console = AuditReport.model_validate(found), Console()
    if report.problems:
        told = escape("\n".join(f"• {problem}" for problem in report.problems))
        console.print(Panel(told, title="[bold]DOES NOT HOLD[/bold]", border_style="red", padding=(1, 2)))
    unseen = sum(link.holds is None for link in report.links)
    checked = len(report.links) - unseen
    console.print(f"Champion: version {report.version}, {escape(report.model)}", highlight=False, soft_wrap=True)
    console.print(_chain(report))
    console.print(f"{checked} links checked, {len(report.problems)} broken, {unseen} for information or not here.")
    console.print(f"Signature: {SIGNATURES[report.signature]}", soft_wrap=True)


def _chain(report: AuditReport) -> Table:
    table = Table(title=f"Why this model: {report.use_case}", title_justify="left", box=None, expand=True)
    table.add_column("link", max_width=20, overflow="fold")
    table.add_column("", width=6)
    table.add_column("says", overflow="fold", ratio=1)
    table.add_column("sha256", style="dim", width=SHORT)
    for link in report.links:
        table.add_row(escape(link.name), MARKS[link.holds], escape(link.says), link.sha256[:SHORT])
    return table
