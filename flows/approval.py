"""A person's yes to what a run is about to spend, asked for in Prefect's UI: the run is suspended until it comes.

No `from __future__ import annotations` here: Prefect builds the form from the class below.
"""

import contextlib
import datetime as dt
import logging
import math
from itertools import count
from typing import Literal

from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError

from data_contracts.money import Estimate, usd
from data_contracts.trial import ApprovedRef, EstimatedRef, SearchedRef, SubmittedRef
from tasks import prefect_tasks as stage
from tasks import workspace
from tasks.errors import ApprovalRequiredError, TunegateError
from tasks.ledger import Ledger
from tasks.steps import money
from tasks.steps.opening import how_to_approve, yes_in_advance
from tasks.workspace import Edge, Workspace, edge_of

log = logging.getLogger("tunegate")
FORM = "form"  # what a suspended run waits for, as the ledger has it; elsewhere a run waits for "yes"
ABOUT = """**{use_case}** is about to spend **{amount}**. More than ${threshold:,.2f} needs a person's yes.

[What it is for, part by part]({page}){quoted}

{warnings}Your answer counts for exactly this estimate (`{sha256}`). \
Without one by **{until}** the run ends and spends nothing more.
"""
QUOTED = "\n\nThe estimate was {}; the provider's own quote for the job is higher."


class ApprovalDeniedError(TunegateError):
    """Somebody looked at the estimate and said no."""

    exit_code = 4

    def __init__(self, run: str, by: str, note: str, how: str) -> None:
        super().__init__(run, by, note, how)
        self.run, self.by, self.note, self.how = run, by, note, how

    def __str__(self) -> str:
        said = f" ({self.note.rstrip('.')})" if self.note else ""
        return (
            f"{self.by} said no to the cost of run {self.run}{said}; nothing more was spent. "
            f"Start a new run that buys less, or, if it shall go on after all: {self.how}"
        )


class Approval(RunInput):
    """Whether the run may spend what it estimated."""

    approve: Literal["yes", "no"] = Field(title="Spend it?")  # no default: the form must not choose
    your_name: str = Field(title="Your name", min_length=1, max_length=100, description="Goes on record with the yes")
    note: str = Field("", title="Note", max_length=300, description="Why, for whoever asks later")


def approved(estimated: EstimatedRef) -> ApprovedRef:
    """What may be spent. A deployed run that lacks a yes suspends until somebody answers; elsewhere it stops.

    Raises ApprovalDeniedError after a no.
    """
    space = workspace.of(estimated.trial)
    edge = edge_of(space)
    if _is_deployed() and not yes_in_advance(estimated.trial, edge.ledger):
        found = space.folder.read_json("estimate.json", Estimate)
        while needed := _needed(space, edge, found):
            answer = _ask(space, estimated, found, needed)
            if answer.approve == "no":
                run = space.folder.run
                raise ApprovalDeniedError(run, answer.your_name, answer.note, how_to_approve(run))
            money.approve_spending(space, edge.ledger, found, answer.your_name, answer.note)
    return stage.authorise(estimated)


def bought(searched: SearchedRef, estimated: EstimatedRef) -> SubmittedRef:
    """The one job. Where the provider's own quote is more than was said yes to, it takes a yes to the quote first."""
    try:
        return stage.submit(searched)
    except ApprovalRequiredError:
        approved(estimated)
        return stage.submit(searched)


def _is_deployed() -> bool:
    """Whether a worker starts this run again after a suspension."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def _needed(space: Workspace, edge: Edge, found: Estimate) -> ApprovalRequiredError | None:
    try:
        money.require_budget(space, edge, found, approved=False)
    except ApprovalRequiredError as needed:
        return needed
    return None


def _ask(space: Workspace, estimated: EstimatedRef, found: Estimate, needed: ApprovalRequiredError) -> Approval:
    """The answer to this very content, if somebody gave it; else the process ends here, and starts again with one.

    Prefect suspends once a key; a question that ran out of time is asked again under the next one.
    """
    case = space.case.use_case
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=case.budget.approval_hours)
    about = ABOUT.format(
        use_case=case.name,
        amount="an unknown amount" if math.isnan(needed.amount) else usd(needed.amount),
        quoted=QUOTED.format(usd(found.total_cost)) if (found.total_cost or 0) < needed.amount else "",
        threshold=needed.threshold,
        page=estimated.page,
        warnings="".join(f"- {warning}\n" for warning in found.warnings) + ("\n" if found.warnings else ""),
        sha256=needed.sha256[:12],
        until=f"{until:%d %B %Y, %H:%M} UTC",
    )
    form = Approval.with_initial_data(description=about)
    for attempt in count(1):
        with contextlib.suppress(ValidationError):  # asked under this key, and never answered
            return _suspend(space, form, f"{needed.sha256[:16]}-{attempt}", until)
    raise AssertionError  # pragma: no cover


def _suspend(space: Workspace, form: type[Approval], key: str, until: dt.datetime) -> Approval:
    seconds = max(1, math.ceil((until - dt.datetime.now(dt.UTC)).total_seconds()))
    try:
        return suspend_flow_run(wait_for_input=form, key=key, timeout=seconds)
    except Pause:
        until_then = f"{until:%Y-%m-%d %H:%M} UTC"
        told = f"It waits for a yes to its cost in Prefect's UI until {until_then}; nothing more was spent"
        detail = {"message": told, "exit_code": ApprovalDeniedError.exit_code, "waits_for": FORM}
        Ledger().record_run(
            space.folder.run, space.case.use_case.name, "stopped", {**detail, "until": until.timestamp()}
        )
        space.folder.release()
        log.warning("approval   %s: press Resume", told)
        raise
