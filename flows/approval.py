"""A person's yes, asked for in Prefect's UI: to what a run is about to spend, and to its verdict before the champion
changes. The run is suspended until it comes.

No `from __future__ import annotations` here: Prefect builds the forms from the classes below.
"""

import contextlib
import datetime as dt
import logging
import math
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, Any, Generic, Literal, TypeVar

from httpx import HTTPStatusError, TransportError
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.settings import PREFECT_UI_URL
from prefect.states import Running
from pydantic import Field, ValidationError
from tenacity import RetryCallState, retry, retry_if_exception, stop_after_delay, wait_fixed

from data_contracts.consent import Consent
from data_contracts.money import Estimate, usd
from data_contracts.trial import (
    ApprovedRef,
    EstimatedRef,
    JudgedRef,
    PromotableRef,
    SearchedRef,
    SubmittedRef,
    TrialRef,
)
from flows import notify, verdict_page
from tasks import prefect_tasks as stage
from tasks import workspace
from tasks.errors import ApprovalRequiredError, ResumableError, TunegateError
from tasks.ledger import Ledger
from tasks.steps import money, promoting
from tasks.steps.cancellation import still_billed
from tasks.steps.opening import FORM, how_to_approve, yes_in_advance
from tasks.workspace import Edge, Workspace, edge_of

log = logging.getLogger("tunegate")
ABOUT = "waits_about"  # in the ledger's detail of a run: its cost or its verdict
PATIENCE_S = 3600.0  # with a server that is away when there is something to ask
SERVER_ERROR = 500
ALIVE = "It was taken for dead, and is not."
COST = """**{use_case}** is about to spend **{amount}**. More than ${threshold:,.2f} needs a person's yes.

{page}{quoted}

{warnings}Your answer counts for exactly this estimate (`{sha256}`). \
Without one by **{until}** the run ends and spends nothing more.
"""
QUOTED = "\n\nThe estimate was {}; the provider's own quote for the job is higher."
VERDICT = """{page}
Your answer counts for exactly this verdict (`{sha256}`). After a no {after_no}. \
Without an answer by **{until}** the run ends and the champion stays. {billed}
"""
Name = Annotated[
    str, Field(title="Your name", min_length=1, max_length=100, description="Goes on record with the answer")
]
Note = Annotated[str, Field(title="Note", max_length=300, description="Why, for whoever asks later")]


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
    your_name: Name
    note: Note = ""


class Promotion(RunInput):
    """Whether the verdict's winner becomes champion."""

    promote: Literal["yes", "no"] = Field(title="Promote?")  # no default: the form must not choose
    your_name: Name
    note: Note = ""


Form = TypeVar("Form", Approval, Promotion)


@dataclass(frozen=True)
class Question(Generic[Form]):
    """What a suspended run asks. `sha256` is of what an answer counts for; `detail` goes into the ledger."""

    form: type[Form]
    text: str  # Markdown; {until} is when it is too late
    sha256: str
    hours: float
    subject: Literal["cost", "verdict"]
    meanwhile: str
    detail: dict[str, Any] = field(default_factory=dict)


def approved(estimated: EstimatedRef) -> ApprovedRef:
    """What may be spent. A deployed run that lacks a yes suspends until somebody answers; elsewhere it stops.

    Raises ApprovalDeniedError after a no.
    """
    space = workspace.of(estimated.trial)
    edge = edge_of(space)
    if is_deployed() and not yes_in_advance(estimated.trial, edge.ledger):
        found = space.folder.read_json("estimate.json", Estimate)
        while needed := _needed(space, edge, found):
            answer = _ask(space, _about_cost(space, estimated, found, needed))
            if answer.approve == "no":
                run = space.folder.run
                raise ApprovalDeniedError(run, answer.your_name, answer.note, how_to_approve(run))
            said = Consent(answer="yes", by=answer.your_name, by_kind="self-declared", note=answer.note)
            money.approve_spending(space, edge.ledger, found, said)
    return stage.authorise(estimated)


def bought(searched: SearchedRef, estimated: EstimatedRef) -> SubmittedRef:
    """The one job. Where the provider's own quote is more than was said yes to, it takes a yes to the quote first."""
    try:
        return stage.submit(searched)
    except ApprovalRequiredError:
        approved(estimated)
        return stage.submit(searched)


def promotable(judged: JudgedRef) -> PromotableRef:
    """The verdict with what was said to it. A deployed run that needs a yes to it suspends until somebody answers.

    After a no it goes on: the verdict stands, the champion stays. Raises VerdictApprovalRequiredError elsewhere, where
    `approvals.promotion` wants a yes that the command line did not bring.
    """
    space, trial, ledger = workspace.of(judged.trial), judged.trial, Ledger()
    if is_deployed() and promoting.needs_yes(space) and promoting.given(space) is None:
        promoting.record(space, ledger, _said_in_advance(trial) or _said_in_form(space, trial))
    consent = promoting.settle(space, trial, ledger)
    log.info("approval   %s", consent.sentence)
    files = {promoting.NAME: space.folder.manifest()[promoting.NAME]} if consent.sha256 else {}
    return PromotableRef(trial=trial, files=files)


def is_deployed() -> bool:
    """Whether a worker starts this run again after a suspension."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


# ------------------------------------------------------------ the cost


def _needed(space: Workspace, edge: Edge, found: Estimate) -> ApprovalRequiredError | None:
    try:
        money.require_budget(space, edge, found, approved=False)
    except ApprovalRequiredError as needed:
        return needed
    return None


def _about_cost(
    space: Workspace, estimated: EstimatedRef, found: Estimate, needed: ApprovalRequiredError
) -> Question[Approval]:
    case = space.case.use_case
    text = COST.format(
        use_case=case.name,
        amount="an unknown amount" if math.isnan(needed.amount) else usd(needed.amount),
        quoted=QUOTED.format(usd(found.total_cost)) if (found.total_cost or 0) < needed.amount else "",
        threshold=needed.threshold,
        page=f"[What it is for, part by part]({estimated.page})" if estimated.page else "",
        warnings="".join(f"- {warning}\n" for warning in found.warnings) + ("\n" if found.warnings else ""),
        sha256=needed.sha256[:12],
        until="{until}",
    )
    hours, meanwhile = case.budget.approval_hours, "nothing more was spent"
    return Question(Approval, text, needed.sha256, hours, "cost", meanwhile)


# ------------------------------------------------------------ the verdict


def _said_in_advance(trial: TrialRef) -> Consent | None:
    if not trial.promotion_approved:
        return None
    note = "ticked when the run was resumed"
    return Consent(answer="yes", by="whoever resumed the run", by_kind="self-declared", note=note)


def _said_in_form(space: Workspace, trial: TrialRef) -> Consent:
    sha256 = promoting.verdict_sha256(space)
    text = VERDICT.format(
        page=verdict_page.page(space, trial),
        sha256=sha256[:12],
        after_no=verdict_page.after_no(space),
        billed=still_billed(space.folder.run),
        until="{until}",
    )
    hours, meanwhile = space.case.use_case.approvals.hours, "the champion stays meanwhile"
    asked = {promoting.ASKED: sha256}
    answer = _ask(space, Question(Promotion, text, sha256, hours, "verdict", meanwhile, asked))
    return Consent(answer=answer.promote, by=answer.your_name, by_kind="self-declared", note=answer.note)


# ------------------------------------------------------------ asking


def _ask(space: Workspace, question: Question[Form]) -> Form:
    """The answer to this very content, if somebody gave it; else the process ends here, and starts again with one.

    Prefect suspends once a key; a question that ran out of time is asked again under the next one.
    """
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=question.hours)
    text = question.text.replace("{until}", f"{until:%d %B %Y, %H:%M} UTC")
    form = question.form.with_initial_data(description=text)
    for attempt in count(1):
        with contextlib.suppress(ValidationError):  # asked under this key, and never answered
            return _suspend(space, question, form, f"{question.sha256[:16]}-{attempt}", until)
    raise AssertionError  # pragma: no cover


def _suspend(space: Workspace, question: Question[Form], form: type[Form], key: str, until: dt.datetime) -> Form:
    _stand_up()
    seconds = max(1, math.ceil((until - dt.datetime.now(dt.UTC)).total_seconds()))
    try:
        return suspend_flow_run(wait_for_input=form, key=key, timeout=seconds)
    except Pause:
        _note_waiting(space, question, until)
        raise


def _is_away(error: BaseException) -> bool:
    """Not reached, or a proxy or a server that starts says so."""
    refused = isinstance(error, HTTPStatusError) and error.response.status_code >= SERVER_ERROR
    return refused or isinstance(error, TransportError)


def _give_up(_: RetryCallState) -> None:
    raise ResumableError("Asking for a yes", "Prefect's server is away", "Start it, then: `tunegate status`.")


@retry(
    retry=retry_if_exception(_is_away),
    wait=wait_fixed(10),
    stop=stop_after_delay(PATIENCE_S),
    retry_error_callback=_give_up,
    before_sleep=lambda _: log.warning("approval   Prefect's server is away: waiting for it to ask for a yes"),
)
def _stand_up() -> None:
    """Only what runs can be suspended, and by a server that is there. One that was away takes a living run for dead."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(context.flow_run.id).state
        if state and (state.is_crashed() or state.is_scheduled() or state.is_pending()):
            client.set_flow_run_state(context.flow_run.id, Running(message=ALIVE), force=True)


def _note_waiting(space: Workspace, question: Question[Any], until: dt.datetime) -> None:
    case, run = space.case.use_case, space.folder.run
    until_then = f"{until:%Y-%m-%d %H:%M} UTC"
    told = f"It waits for a yes to its {question.subject} in Prefect's UI until {until_then}; {question.meanwhile}"
    detail = {"message": told, "exit_code": ApprovalDeniedError.exit_code, "waits_for": FORM, ABOUT: question.subject}
    Ledger().record_run(run, case.name, "stopped", {**detail, **question.detail, "until": until.timestamp()})
    space.folder.release()
    log.warning("approval   %s: press Resume", told)
    notify.tell(case, f"{case.name} waits for a yes to its {question.subject}", f"Run {run}. {told}.{_where()}")


def _where() -> str:
    """Where the form is."""
    context, ui = FlowRunContext.get(), PREFECT_UI_URL.value()
    known = ui and context and context.flow_run
    return f"\n{ui}/runs/flow-run/{context.flow_run.id}" if known and context and context.flow_run else ""
