"""What a person sees while a trial runs: a bar in the terminal, artifacts and log lines in Prefect's UI.

Outside a Prefect run (`tunegate check`) artifacts are simply not made.
"""

import contextlib
import functools
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL
from prefect.states import Cancelled

from data_contracts.contest import Comparison, Verdict
from data_contracts.money import Estimate, Job, JobEvent, usd
from tasks.clock import Clock
from tasks.providers.redact import Redacting

SECONDS_BETWEEN_UPDATES = 2.0  # an update costs the server about 30 ms of CPU
SECONDS_WITHOUT_SERVER = 60.0  # until it is told again; Prefect's client tries for most of a minute by itself
SECONDS_BETWEEN_LINES = 10.0
NAMES = {"train_loss": "loss", "valid_loss": "validation loss", "full_valid_loss": "full validation loss"}
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
        with _for_show():
            if not _made_before(key, rows):
                create_table_artifact(table=rows, key=_key(key), description=description)


def counts(key: str, values: dict[str, Any], description: str) -> None:
    """Numbers by name as a table; what is no number is left out, nested numbers are spelt with a colon."""
    flat = {
        f"{name}: {inner}": value
        for name, item in values.items()
        if isinstance(item, dict)
        for inner, value in item.items()
    }
    rows = [
        {"what": name, "value": f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"}
        for name, value in {**values, **flat}.items()
        if isinstance(value, int | float)
    ]
    table(key, rows, description)


def estimate(found: Estimate) -> str:
    """The cost, part by part, as a page."""
    columns = ("part", "model", "requests", "tokens", "price", "cost")
    lines = ["| " + " | ".join(columns) + " |", "|---|---|--:|--:|---|--:|"]
    lines += ["| " + " | ".join(row[name] for name in columns) + " |" for row in found.rows]
    paid = "\nThe training job is paid already: the run attaches to it." if found.already_paid else ""
    hours = "" if found.hours is None else f"\nIt takes about {duration(3600 * found.hours)}."
    shows = f"The test set shows differences of {100 * found.detectable_difference:.1f} points or more."
    warnings = "".join(f"\n- {warning}" for warning in found.warnings)
    prices = sorted({row["source"] for row in found.rows})
    return "\n".join(
        [f"# {usd(found.total_cost)} in all\n", *lines, paid, hours, shows, warnings, "\nPrices: " + "; ".join(prices)]
    )


def in_short(verdict: Verdict, comparison: Comparison) -> str:
    """The verdict in a line: who, by which figure."""
    return f"{verdict.decision}: {verdict.winner.name}, {comparison.figure(verdict.winner)}"


def verdict(found: Verdict, comparison: Comparison) -> str:
    """The verdict, its reasons, and every candidate's figures, as a page."""
    rows = [item.row for item in comparison.candidates]
    head = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    figures = [*head, *("| " + " | ".join(row.values()) + " |" for row in rows)]
    return "\n".join([found.markdown, f"## On the sealed test set, by {comparison.metric}\n", *figures])


def markdown(key: str, text: str, description: str) -> str:
    """A page in the run's Artifacts tab; its address in the UI, empty where there is none."""
    if not in_a_run():
        return ""
    artifact: Any = None
    with _for_show():
        known = _made_before(key, text)
        artifact = known or create_markdown_artifact(markdown=text, key=_key(key), description=description)
    ui = PREFECT_UI_URL.value()
    return f"{ui}/v2/artifacts/artifact/{artifact}" if ui and artifact else ""


@contextmanager
def _for_show() -> Iterator[None]:
    """What is there to be looked at stops nothing that was paid for: a server that is away is a warning."""
    try:
        yield
    except (HTTPError, ObjectNotFound) as error:
        log.warning("prefect    the run goes on and shows less: %s", type(error).__name__)


def _key(key: str) -> str:
    """An artifact's key is one history for the whole server: each use case has its own."""
    from prefect.runtime import flow_run

    use_case = Path(str(flow_run.parameters.get("use_case") or "all")).stem
    return re.sub(r"[^a-z0-9]+", "-", f"{use_case} {key}".lower()).strip("-")


def _made_before(key: str, data: Any) -> Any:  # noqa: ANN401 - what the artifact holds; its id
    """The artifact that this flow run made of the same content before it was suspended or crashed, if it did.

    A resumption is no further run to Prefect (its `run_count` stays), so the server is asked each time.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    mine = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[context.flow_run.id]), key=ArtifactFilterKey(any_=[_key(key)])
    )
    with get_client(sync_client=True) as client:
        known = client.read_artifacts(artifact_filter=mine)
    content = data if isinstance(data, str) else json.dumps(data)
    return next((item.id for item in known if item.data == content), None)


def lines(stage: str, what: str) -> Callable[[int], None]:
    """`advance(done)` where nobody knows the total: a log line every ten seconds."""
    last = time.monotonic()

    def advance(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            log.info("%-10s %s %s", stage, f"{done:,}", what)

    return advance


class Bar:
    """How far something has come: a bar in the terminal, a progress artifact in the UI."""

    def __init__(self, what: str, line: Callable[..., None], artifact: UUID | None) -> None:
        self._what, self._line, self._artifact = what, line, artifact
        self._told = time.monotonic()
        self._since: tuple[float, float] | None = None  # when the first count came, and what it was

    def show(self, done: float, total: float | None, about: str = "", now: bool = False) -> None:
        """`about` stands beside the bar. The UI is told every two seconds, or `now`."""
        said = f"{self._what}: {about}" if about else self._what
        self._line(completed=done, total=total, description=said)
        left = "" if about else self._left(done, total)
        if self._artifact and time.monotonic() > self._told + (0 if now else SECONDS_BETWEEN_UPDATES):
            self._told = time.monotonic() + SECONDS_WITHOUT_SERVER
            percent = 100.0 * min(1.0, done / total) if total else 0.0
            with _for_show():
                update_progress_artifact(self._artifact, progress=percent, description=said + left)
                self._told = time.monotonic()

    def _left(self, done: float, total: float | None) -> str:
        """When it will be through at the pace of this process; what was there at the start took it no time."""
        now = time.monotonic()
        if self._since is None:
            self._since = now, done
        began, had = self._since
        if not total or done <= had or now == began:
            return ""
        return f": {done:,.0f} of {total:,.0f}, about {duration((total - done) * (now - began) / (done - had))} left"


@contextmanager
def bar(what: str) -> Iterator[Bar]:
    """A bar that stands at its end when the block ends well."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    artifact: UUID | None = None
    if in_a_run():
        with _for_show():
            artifact = create_progress_artifact(progress=0.0, key=_key(what), description=what)  # type: ignore[assignment]
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        yield Bar(what, functools.partial(shown.update, shown.add_task(what, total=None)), artifact)
    if artifact:
        with _for_show():
            update_progress_artifact(artifact, progress=100.0, description=f"{what}: done")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """`advance(done, total)` moves a bar."""
    with bar(what) as shown:
        yield shown.show


class JobView:
    """A job that is waited for: its state, its steps and losses, and when it may be done."""

    def __init__(self, shown: Bar, clock: Clock) -> None:
        self._bar, self._clock, self._began = shown, clock, clock.now()
        self._state, self._finish = "", 0.0
        self._metrics: dict[str, float] = {}

    def on_job(self, job: Job) -> None:
        """What a look at it found; a change of its state is a line in the log."""
        changed, self._state = job.raw_state != self._state, job.raw_state
        self._finish = job.estimated_finish or 0.0
        if changed:
            log.info("job        %s is %s", job.id, job.raw_state)
        self._show(changed)

    def on_event(self, event: JobEvent) -> None:
        """What its history says: figures move the bar, words are lines in the log."""
        if event.metrics:
            self._metrics.update(event.metrics)
            self._show(False)
        else:
            log.log(logging.INFO if event.level == "info" else logging.WARNING, "job        %s", event.message)

    def _show(self, now: bool) -> None:
        step, total = self._metrics.get("step", 0.0), self._metrics.get("total_steps")
        self._bar.show(step, total, ", ".join(self._words()), now)

    def _words(self) -> Iterator[str]:
        elapsed, left = self._clock.now() - self._began, self._finish - self._clock.now()
        yield self._state
        if "total_steps" in self._metrics:
            yield f"step {self._metrics['step']:.0f} of {self._metrics['total_steps']:.0f}"
        yield from (f"{NAMES[name]} {value:.3f}" for name, value in self._metrics.items() if name in NAMES)
        yield f"{duration(elapsed)} so far"
        if left > 0:
            yield f"about {duration(left)} left"


@contextmanager
def job(clock: Clock) -> Iterator[JobView]:
    """The view of a job while it is waited for."""
    with bar("fine-tune") as shown:
        yield JobView(shown, clock)


def duration(seconds: float) -> str:
    """A time span with the digits that matter: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def void_form(earlier: str, flow_run_id: str) -> None:
    """End a flow run that waits, suspended, for an answer: another one goes on with its trial."""
    if earlier == flow_run_id:
        return
    with contextlib.suppress(ObjectNotFound), get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(earlier)).state
        if state is not None and state.is_paused():
            message = f"Answered elsewhere: flow run {flow_run_id} goes on with this trial."
            client.set_flow_run_state(UUID(earlier), Cancelled(message=message), force=True)
