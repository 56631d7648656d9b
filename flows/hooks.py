"""What Prefect calls by name: how a flow run is called, and what ledger and MLflow learn when it stops."""

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Any

from data_contracts.trial import TrialOptions
from tasks import workspace
from tasks.errors import ApprovalRequiredError, ResumableError, TunegateError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import RunRecord
from tasks.providers.connect import connect
from tasks.providers.redact import shown
from tasks.register.mlflow_registry import Registry
from tasks.run_folder import RunFolder, in_progress
from tasks.steps import cancellation
from tasks.steps.cancellation import Ending
from tasks.steps.opening import StoppedBesideError
from tasks.steps.promoting import VerdictApprovalRequiredError

INTERRUPTED = 130


def name_of_flow_run() -> str:
    """The flow run's name in the UI: the use case, and what is special about this run."""
    from prefect.runtime import flow_run

    name = Path(str(flow_run.parameters["use_case"])).stem
    options = TrialOptions.model_validate(flow_run.parameters.get("options") or {}, from_attributes=True)
    if options.resume:
        return f"{name}, resumed {options.resume}"
    what = name if options.train else f"{name}, prompts only"
    return f"{what}: {options.reason[:120]}" if options.reason else what


def note_stop(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ANN401 - Prefect calls by these names
    """Hook: ledger and MLflow learn why the run stopped, so that `tunegate status` can say how to go on.

    Ctrl-C or SIGTERM at the command line cancels the run; the end of a worker does not, whatever its reason.
    """
    error = state.result(raise_on_failure=False)
    if isinstance(error, StoppedBesideError):
        return  # said and written down by the process that it speaks of
    if _was_told_to_end(error) and flow_run.deployment_id is None:
        _cancel(flow, flow_run, INTERRUPTED if isinstance(error, KeyboardInterrupt) else None)
        return
    said = str(error) if isinstance(error, TunegateError) else str(state.message or state.name)
    code = getattr(error, "exit_code", ResumableError.exit_code if state.is_crashed() else 1)
    asks = isinstance(error, ApprovalRequiredError | VerdictApprovalRequiredError)
    waiting = {"waits_for": "yes"} if asks else {}
    for row in _rows(flow_run):
        _stop(row, Ending(said, code), waiting)


def note_cancellation(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ANN401 - Prefect calls by these names
    """Hook: somebody cancelled the run in Prefect; its job is treated as `fine_tune.on_cancel` says."""
    _cancel(flow, flow_run, None)


def _cancel(flow: Any, flow_run: Any, exit_code: int | None) -> None:  # noqa: ANN401 - Prefect's Flow and FlowRun
    from prefect.logging.loggers import flow_run_logger

    for row in _rows(flow_run):
        told = cancelled(row, exit_code)
        flow_run_logger(flow_run, flow).warning("stopped    %s", told)


def cancelled(row: RunRecord, exit_code: int | None = None) -> str:
    """Treat the job of a run that somebody cancelled as its use case says; what became of it, as the ledger has it."""
    space = workspace.reopen(row.run)
    ending = cancellation.cancel(space, Ledger(), partial(connect, space.case.use_case.provider))
    resumable = ending.exit_code == ResumableError.exit_code
    _stop(row, Ending(ending.message, exit_code if exit_code and resumable else ending.exit_code), {})
    return _with_what_it_costs(row, ending.message)


def _rows(flow_run: Any) -> list[RunRecord]:  # noqa: ANN401 - Prefect's FlowRun
    """The run that this flow run works on; it may have been noted as stopped a moment ago by a dying process.

    One that another living process works on is that one's: this flow run was started beside itself.
    """
    rows = [row for row in Ledger().runs() if row.detail.get("flow_run_id") == str(flow_run.id)]
    return [row for row in rows if row.state != "finished" and not _is_anothers(row.run)]


def _is_anothers(run: str) -> bool:
    path = run_path(run)
    if not path.is_dir() or not in_progress(path):
        return False
    holder = RunFolder(path).holder()
    return holder is None or holder.pid != os.getpid()


def _stop(row: RunRecord, ending: Ending, detail: dict[str, str]) -> None:
    message = _with_what_it_costs(row, shown(ending.message, 600))
    told = {"message": message, "exit_code": ending.exit_code, "waits_for": "", **detail}
    Ledger().record_run(row.run, row.use_case, "stopped", told)
    RunFolder(run_path(row.run)).release()
    if "mlflow_run_id" in row.detail:
        with contextlib.suppress(TunegateError):  # MLflow may be what stopped the run
            Registry(row.use_case).close(row.detail["mlflow_run_id"], "FAILED")


def _with_what_it_costs(row: RunRecord, message: str) -> str:
    return f"{message} {cancellation.still_billed(row.run)}".rstrip()


def _was_told_to_end(error: object) -> bool:
    from prefect.exceptions import TerminationSignal

    return isinstance(error, TerminationSignal | KeyboardInterrupt)
