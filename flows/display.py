"""What the terminal shows: one function a command, tables by rich."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from data_contracts.money import Estimate, usd

COLOURS = {"promote": "green", "keep": "cyan", "not enough evidence": "yellow"}
LEAKS = {"found": "Leaks between train and evaluation rows", "review": "Pairs to look at"}
MAX_ROWS = 20
SHORT = 12  # characters of an intent's key


def log_to_terminal() -> None:
    """The trial's own lines on standard error as they happen; Prefect's, tracebacks included, are for the UI only."""
    from prefect.logging.handlers import PrefectConsoleHandler

    from tasks.providers.redact import Redacting

    handler = logging.StreamHandler()
    handler.addFilter(Redacting())
    handler.setFormatter(logging.Formatter("  %(message)s"))
    logger = logging.getLogger("tunegate")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False  # else Prefect's console prints every line once more
    for name in ("", "prefect", "prefect.flow_runs", "prefect.task_runs"):
        for item in logging.getLogger(name).handlers:
            if isinstance(item, PrefectConsoleHandler):
                item.setLevel(logging.CRITICAL)


@contextmanager
def reading() -> Iterator[Callable[[int], None]]:
    """`advance(records)` moves a line on standard error while files are read."""
    with Console(stderr=True).status("Reading ...") as status:
        yield lambda records: status.update(f"Reading: {records:,} records")


def verdict(content: dict[str, Any]) -> None:
    """The verdict, where its evidence is, and what to try next."""
    console = Console()
    reasons = escape("\n".join(f"• {reason}" for reason in content["reasons"]))
    title = f"[bold]{content['decision'].upper()}[/bold]: {content['winner']}"
    console.print(Panel(reasons, title=title, border_style=COLOURS[content["decision"]], padding=(1, 2)))
    if content["declined"]:
        console.print(f"The champion stays: {escape(content['declined'])}", soft_wrap=True, highlight=False)
    if content["recommendation"]:
        console.print(f"What to do next: {escape(content['recommendation'])}", soft_wrap=True, highlight=False)
    for name in ("winner_model", "model_uri", "mlflow_run_id", "run_folder", "report"):
        console.print(f"{name.replace('_', ' '):14} {content[name]}", soft_wrap=True, highlight=False, markup=False)
    bought = ", training found paid" if content["attached"] else ""
    console.print(f"{'spent':14} ${content['spent']:.4f} in this run{bought}", highlight=False)
    console.print(f"Next: [bold]{_command()} up[/bold] shows all of it in the browser.", soft_wrap=True)


def check(content: dict[str, Any]) -> None:
    """What became of the rows."""
    console = Console()
    counts = content["counts"]
    sums = _table("Rows", "what", "rows")
    for name in ("records_in", "curated", "duplicates", "quarantined", "excluded"):
        sums.add_row(name.replace("_", " "), str(counts[name]))
    for code, rows in counts["quarantine_codes"].items():
        sums.add_row(f"  quarantined: {code}", str(rows))
    for name in ("train", "validation", "test"):
        sums.add_row(name, str(counts[name]["rows"]))
    sums.add_row("withheld", str(counts["withheld"]))
    for reason, rows in counts["withheld_reasons"].items():
        sums.add_row(f"  withheld: {reason}", str(rows))
    console.print(sums)
    failed = [item for item in content["expectations"] if not item["success"]]
    console.print(f"Contract: {len(content['expectations'])} expectations, {len(failed)} failed.")
    for item in failed:
        console.print(f"  {item['severity']}: {item['type']} on {item['column']}, {item['unexpected']} rows")
    for warning in content["curation"]["warnings"]:
        console.print(f"  {escape(warning)}", soft_wrap=True)
    console.print(f"Sealed: {content['sealed_sentence']}.", soft_wrap=True)
    for name in ("found", "review"):
        told = _leaks(content["leakage"][name])
        console.print(f"{LEAKS[name]}: {told or 'none'}", soft_wrap=True)
    for corpus, rows in content["leakage"]["corpora"].items():
        console.print(f"Evaluation rows found in {corpus}: {rows}", soft_wrap=True)
    console.print(f"Page for the data's owner: {content['page']}", soft_wrap=True, highlight=False)


def _leaks(by_partition: dict[str, dict[str, int]]) -> str:
    return ", ".join(
        f"{rows} {partition} rows ({kind})"
        for partition, kinds in by_partition.items()
        for kind, rows in kinds.items()
        if rows
    )


def estimate(content: dict[str, Any]) -> None:
    """The cost before anything is sent, part by part, and what it would show."""
    found = Estimate.model_validate(content)
    console = Console()
    columns = ("part", "model", "requests", "tokens", "price", "cost")
    table = _table("Estimate", *columns)
    for name in ("requests", "tokens", "cost"):
        table.columns[columns.index(name)].justify = "right"
    for row in found.rows:
        table.add_row(*(escape(row[name]) for name in columns))
    table.add_section()
    table.add_row("total", "", "", "", "", f"[bold]{usd(found.total_cost)}[/bold]")
    console.print(table)
    _lines(*_about(found))
    for warning in found.warnings:
        console.print(warning, style="yellow", markup=False, soft_wrap=True)


def _about(found: Estimate) -> Iterator[str]:
    if found.already_paid:
        yield "The training job is paid already: a run attaches to it."
    if found.hours:
        yield f"It takes about {found.hours:.1f} hours."
    yield f"This test set shows differences of {100 * found.detectable_difference:.1f} points or more."
    yield f"Prices: {'; '.join(sorted({row['source'] for row in found.rows})) or 'none needed'}."


def purge(content: dict[str, Any]) -> None:
    """What was deleted at the provider, and whether it is known to be gone."""
    for item in content["deleted"]:
        proof = "gone, looked for afterwards" if item["proven"] else "asked to delete; whether it is gone is unknown"
        _lines(f"{item['kind']:10} {item['id']}: {proof}")
    for item in content["stays"]:
        _lines(f"{item['kind']:10} {item['id']}: stays; it can only be deleted in the provider's portal")
    if not content["deleted"] and not content["stays"]:
        _lines("The provider holds nothing of this run.")


def status(content: dict[str, Any]) -> None:
    """Runs and purchases, as text that survives a narrow terminal and a pipe."""
    _lines(f"Ledger: {content['ledger']}")
    _lines("Champions:" if content["champions"] else "Champions: none yet.", *map(_champion, content["champions"]))
    _newest("Runs", [_run(item) for item in content["runs"]])
    _newest("Purchases", [_purchase(item) for item in content["purchases"]])


def verify(content: dict[str, Any]) -> None:
    """What does not add up."""
    console = Console()
    for problem in content["problems"]:
        console.print(problem, style="red", markup=False, soft_wrap=True)
    if not content["problems"]:
        console.print(f"{content['files']} files are as they were written, and both sums hold.")
    if content["redacted"]:
        console.print(content["redacted"], markup=False, soft_wrap=True)


def doctor(content: dict[str, Any]) -> None:
    """Findings, each with its fix."""
    console = Console()
    colours = {"fine": "green", "note": "yellow", "broken": "red"}
    for item in content["findings"]:
        console.print(
            f"[{colours[item['state']]}]{item['state']:7}[/] {item['what']}: {item['finding']}", soft_wrap=True
        )
        if item["fix"]:
            console.print(f"        {item['fix']}", soft_wrap=True, markup=False)


def _command() -> str:
    """How this very command can be called again from here."""
    if shutil.which("tunegate"):
        return "tunegate"
    called = Path(sys.argv[0])
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def _run(item: dict[str, Any]) -> str:
    lines = [item["run"], f"  {item['use_case']}, {item['state']}, ${item['spent']:.4f} spent"]
    lines += [f"  {item['outcome']}"] if item["outcome"] else []
    lines += [f"  job {item['job']}, {item['job_state'] or 'its state unknown'}"] if item["job"] else []
    lines += [f"  Go on with: {command.replace('tunegate', _command(), 1)}" for command in item["go_on"]]
    return "\n".join(lines)


def _champion(item: dict[str, Any]) -> str:
    return (
        f"{item['use_case']}: version {item['version']} since {item['since'][:10]}, "
        f"{item['action']} by {item['by']}: {item['reason']}"
    )


def _purchase(item: dict[str, Any]) -> str:
    bought = (item[name] for name in ("use_case", "state", "job", "job_state", "model") if item[name])
    return f"{item['intent'][:SHORT]}  {'  '.join(bought)}"


def _newest(title: str, entries: list[str]) -> None:
    _lines(f"{title}:" if entries else f"{title}: none yet.", *entries[:MAX_ROWS])
    if len(entries) > MAX_ROWS:
        _lines(f"and {len(entries) - MAX_ROWS} older ones: --json lists all.")


def _lines(*lines: str) -> None:
    console = Console()
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _table(title: str | None, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=bool(columns), box=None, padding=(0, 2, 0, 0))
    headers = columns or ("", "")
    for name in headers:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name == headers[0])
    return table
