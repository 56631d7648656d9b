"""Which run a flow run works on: Prefect starts a flow from its first line whenever it starts it again."""

from data_contracts.trial import TrialOptions, TrialRef
from tasks import workspace
from tasks.errors import ConfigurationError, DataError
from tasks.ledger import Ledger
from tasks.ledger.rows import RunRecord
from tasks.workspace import Workspace

MENDED_OUTSIDE = (ConfigurationError.exit_code, DataError.exit_code)


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


def yes_in_advance(trial: TrialRef, ledger: Ledger) -> bool:
    """Whether the run was started with a yes that is not used up: it counts for the first estimate, not for more."""
    known = ledger.run(trial.run)
    return trial.approved and not (known and known.detail.get("approved"))


def _goes_on(row: RunRecord) -> bool:
    return row.state == "started" or (row.state == "stopped" and row.detail.get("exit_code") not in MENDED_OUTSIDE)
