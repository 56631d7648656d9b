"""A run is cancelled: what becomes of the job that it bought, by the policy that the use case states."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from data_contracts.money import Job
from tasks import workspace
from tasks.errors import ProviderRefusedError, ResumableError, TunegateError
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState
from tasks.providers.protocol import Provider
from tasks.steps.attached import purchase_of
from tasks.workspace import Workspace

DEAD = ("failed", "cancelled")
NEW_JOB = "To train after all raise `fine_tune.generation` and start a new run: the same job is never bought twice."
TAKEN_DOWN = ("deployment", "model")  # no model is deleted while it is deployed
BILLED = (
    "Its deployed tune is billed by the hour until `tunegate resume {run}` finishes "
    "or `tunegate purge {run}` takes it down."
)


@dataclass(frozen=True)
class Ending:
    """How a cancelled run is left, for whoever asks how to go on."""

    message: str
    exit_code: int


def cancel(space: Workspace, ledger: Ledger, connect: Callable[[], Provider]) -> Ending:
    """Leave the bought job alone or cancel it, as `fine_tune.on_cancel` says. Never raises a TunegateError.

    `connect` is called only where there is a job to cancel. A job that another run bought is theirs, and goes on.
    """
    resume = f"Go on with: tunegate resume {space.folder.run}"
    intent = purchase_of(space.folder.run, ledger.intents(space.case.use_case.name))
    left = _why_left(intent, space)
    if intent and intent.state is IntentState.ENDED and intent.job_state in DEAD:
        return Ending(f"Cancelled; {left}. {NEW_JOB}", ProviderRefusedError.exit_code)
    if intent is None or left:
        return Ending(f"Cancelled; {left}. {resume}", ResumableError.exit_code)
    try:
        return _job_cancelled(connect().cancel(str(intent.job_id)), intent, ledger, resume)
    except TunegateError as error:
        told = f"Cancelled, but job {intent.job_id} could not be and may go on at the provider: {error}"
        return Ending(f"{told} Cancel it there, or: {resume}", ResumableError.exit_code)


def still_billed(run: str) -> str:
    """What a run that stopped goes on costing, and what ends that; empty where its tune is not deployed."""
    with contextlib.suppress(TunegateError):  # its folder or the ledger may be out of reach
        space = workspace.reopen(run)
        deployed = space.folder.has("hosting.json") and not space.folder.has("registration.json")
        if deployed and not _taken_down(space, Ledger()):
            return BILLED.format(run=run)
    return ""


def _taken_down(space: Workspace, ledger: Ledger) -> bool:
    intent = purchase_of(space.folder.run, ledger.intents(space.case.use_case.name))
    deletions = ledger.deletions(intent.key) if intent else []
    return any(item.kind in TAKEN_DOWN for item in deletions)


def _why_left(intent: Intent | None, space: Workspace) -> str:
    """Why there is nothing to cancel at the provider; empty where there is."""
    if intent is None or intent.state in (IntentState.INTENT, IntentState.UPLOADED):
        return "no job was bought"
    if intent.state is IntentState.SUBMITTING:
        return "a paid request was under way, and its job is looked for when the run goes on"
    if intent.state is IntentState.ENDED:
        return f"job {intent.job_id} had ended before ({intent.job_state})"
    if space.case.use_case.fine_tune.on_cancel == "keep":
        return f"job {intent.job_id} goes on at the provider, as `fine_tune.on_cancel: keep` says, and is paid for"
    return "" if intent.run == space.folder.run else f"job {intent.job_id} goes on: run {intent.run} bought it"


def _job_cancelled(job: Job, intent: Intent, ledger: Ledger, resume: str) -> Ending:
    if not job.has_ended:
        told = f"Cancelled; job {job.id} was asked to stop and is still {job.raw_state}."
        return Ending(f"{told} {resume}", ResumableError.exit_code)
    if job.state == "succeeded":
        told = f"Cancelled; job {job.id} had succeeded before, and its model is kept."
        return Ending(f"{told} {resume}", ResumableError.exit_code)
    ledger.advance(intent.key, IntentState.ENDED, job_state=job.state)
    told = f"Cancelled, and job {job.id} with it ({job.state} at the provider)."
    return Ending(f"{told} {NEW_JOB}", ProviderRefusedError.exit_code)
