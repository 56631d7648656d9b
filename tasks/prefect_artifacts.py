"""What a person sees while a trial runs: a bar in the terminal, artifacts and log lines in Prefect's UI.

Outside a Prefect run (`tunegate check`) artifacts are simply not made.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import FlowRunContext, TaskRunContext

from tasks.providers.redact import Redacting

SECONDS_BETWEEN_UPDATES = 2.0  # an update costs the server about 30 ms of CPU
SECONDS_BETWEEN_LINES = 10.0
log = logging.getLogger("tunegate")


def redact_logs() -> None:
    """No key in a log line, wherever it goes. The filter sits on handlers: loggers do not filter for their children."""
    for name in ("", "prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.extra", "tunegate"):
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(item, Redacting) for item in handler.filters):
                handler.addFilter(Redacting())


def in_a_run() -> bool:
    """Whether Prefect is watching."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """A table in the run's Artifacts tab."""
    if in_a_run():
        create_table_artifact(table=rows, key=key, description=description)


def counts(key: str, values: dict[str, Any], description: str) -> None:
    """Numbers by name as a table; what is no number is left out, nested numbers are spelt with a colon."""
    flat = {
        f"{name}: {inner}": value
        for name, item in values.items()
        if isinstance(item, dict)
        for inner, value in item.items()
    }
    rows = [
        {"what": name, "value": value} for name, value in {**values, **flat}.items() if isinstance(value, int | float)
    ]
    table(key, rows, description)


def markdown(key: str, text: str, description: str) -> None:
    """A page in the run's Artifacts tab."""
    if in_a_run():
        create_markdown_artifact(markdown=text, key=key, description=description)


def lines(stage: str, what: str) -> Callable[[int], None]:
    """`advance(done)` where nobody knows the total: a log line every ten seconds."""
    last = time.monotonic()

    def advance(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            log.info("%-10s %s %s", stage, f"{done:,}", what)

    return advance


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """`advance(done, total)` moves a bar in the terminal and a progress artifact in the UI."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    artifact: UUID | None = None
    if in_a_run():
        artifact = create_progress_artifact(progress=0.0, key=what.lower().replace(" ", "-"), description=what)  # type: ignore[assignment]
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        line = bar.add_task(what, total=None)
        last = time.monotonic()

        def advance(done: int, total: int) -> None:
            nonlocal last
            bar.update(line, completed=done, total=total)
            if artifact and time.monotonic() - last > SECONDS_BETWEEN_UPDATES:
                last = time.monotonic()
                update_progress_artifact(artifact, progress=100.0 * done / max(1, total))

        yield advance
    if artifact:
        update_progress_artifact(artifact, progress=100.0)
