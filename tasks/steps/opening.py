"""Which run a flow run works on: Prefect starts a flow from its first line whenever it starts it again."""

import contextlib

from data_contracts.trial import TrialOptions, TrialRef
from tasks import workspace
from tasks.errors import ConfigurationError, DataError, TunegateError
from tasks.ledger import Ledger
from tasks.ledger.rows import RunRecord
from tasks.workspace import Workspace

FORM = "form"  # what a suspended run waits for, as the ledger has it; elsewhere a run waits for "yes"
MENDED_OUTSIDE = (ConfigurationError.exit_code, DataError.exit_code)
IN_PREFECT = (
    "in Prefect, start its deployment with `Resume a stopped run` set to {run}, and tick "
    "`Approve the estimated cost` or answer its form"
)


class StoppedBesideError(TunegateError):
    """Another process that worked on this run came to an end of its own, in its own words."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, exit_code)
        self.message, self.exit_code = message, exit_code  # type: ignore[misc]

    def __str__(self) -> str:
        return self.message


def open_run(use_case: str, options: TrialOptions, flow_run_id: str, ledger: Ledger) -> Workspace:
    """The run to resume; the one that this very flow run began before a suspension, a crash or a retry; or a new one.

    Where the data or the use-case file stopped it, only a new run reads what was mended since.
    """
    if options.resume:
        return workspace.resumable(options.resume)
    mine = [row for row in ledger.runs() if flow_run_id and row.detail.get("flow_run_id") == flow_run_id]
    if mine and _goes_on(mine[-1]):
        return workspace.resumable(mine[-1].run)
    return workspace.start(use_case, options)


def take(space: Workspace, flow_run_id: str, ledger: Ledger) -> None:
    """Claim the run for this process.

    A flow run that was taken for dead is started again beside itself: then this process waits for the first one to end.
    What stopped that one stops this one, too (StoppedBesideError); where it died, this one goes on.
    """
    known = ledger.run(space.folder.run)
    comes_again = known is not None and known.detail.get("flow_run_id") == flow_run_id
    if space.folder.claim(patiently=comes_again):
        found = ledger.run(space.folder.run)
        if found and found.state == "stopped" and found.detail.get("waits_for") != FORM:
            space.folder.release()
            raise StoppedBesideError(str(found.detail.get("message", "")), int(found.detail.get("exit_code", 1)))


def yes_in_advance(trial: TrialRef, ledger: Ledger) -> bool:
    """Whether the run was started with a yes that is not used up: it counts for the first estimate, not for more."""
    known = ledger.run(trial.run)
    return trial.approved and not (known and known.detail.get("approved"))


def is_new_yes(options: TrialOptions, flow_run_id: str, known: RunRecord | None) -> bool:
    """Whether a resumption brings a yes of its own. Prefect starts a flow run with the same options again after a
    suspension: that is the yes it came with, which may be used up.
    """
    comes_again = known is not None and known.detail.get("flow_run_id") == flow_run_id
    return bool(options.resume) and options.approve_spending and not comes_again


def is_yes_to_verdict(options: TrialOptions, flow_run_id: str, known: RunRecord | None, space: Workspace) -> bool:
    """Whether a resumption brings a yes to the verdict: one that stood when it was given, and was given now."""
    comes_again = known is not None and known.detail.get("flow_run_id") == flow_run_id
    return options.approve_promotion and not comes_again and space.folder.has("verdict.json")


def how_to_approve(run: str) -> str:
    """What a person does to say yes to the cost of a run that stopped."""
    return f"tunegate resume {run} --yes" if command_line_may_approve(run) else IN_PREFECT.format(run=run)


def command_line_may_approve(run: str) -> bool:
    """Whether the run's use case lets `--yes` count; taken for granted where its folder is elsewhere."""
    with contextlib.suppress(TunegateError):
        return workspace.reopen(run).case.use_case.budget.command_line_may_approve
    return True


def _goes_on(row: RunRecord) -> bool:
    """One that finished a moment before its process died has but to tell of it: every step finds its own result."""
    return row.state != "stopped" or row.detail.get("exit_code") not in MENDED_OUTSIDE
