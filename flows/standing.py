"""How a run stands, and with which command it goes on."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from data_contracts.audit import Move
from data_contracts.records import as_json
from tasks.errors import ResumableError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState, RunRecord
from tasks.run_folder import in_progress
from tasks.steps.attached import purchase_of
from tasks.steps.cancellation import BILLED, still_billed
from tasks.steps.opening import command_line_may_approve

INTERRUPTED = 130
WAITS = {"form": "waits for an approval in Prefect", "yes": "waits for an approval"}


def standing(row: RunRecord, intents: Sequence[Intent], ledger: Ledger) -> dict[str, Any]:
    """A run with what it spent and bought. One that was started and that no living process holds was killed."""
    state = _state(row)
    bought = purchase_of(row.run, intents)
    parked = state not in ("running", "finished") and bought is not None and bought.state is IntentState.SUBMITTING
    commands = [] if state in ("running", "finished") else _commands(row, state, parked)
    return {
        "run": row.run,
        "use_case": row.use_case,
        "state": "parked" if parked else state,
        "resumable": bool(commands),
        "go_on": commands,
        "outcome": _outcome(row, state),
        "spent": ledger.spent_in_run(row.run),
        "job": bought.job_id if bought else None,
        "job_state": bought.job_state if bought else None,
    }


def champion(move: Move) -> dict[str, Any]:
    """Whom the last recorded move made champion, when, by whom and why."""
    since = dt.datetime.fromtimestamp(move.moved_at, dt.UTC).isoformat(timespec="seconds")
    return {**as_json(move), "since": since}


def _outcome(row: RunRecord, state: str) -> str:
    """The verdict, or why it stopped; and whether its tune is billed now, whatever was so when it stopped."""
    if state in ("running", "finished"):
        return str(row.detail.get("decision") or "") if state == "finished" else ""
    said = "" if state == "killed" else str(row.detail.get("message") or "")
    return f"{said.replace(BILLED.format(run=row.run), '').rstrip()} {still_billed(row.run)}".strip()


def _state(row: RunRecord) -> str:
    if row.state == "started":
        return "running" if in_progress(run_path(row.run)) else "killed"
    return WAITS.get(str(row.detail.get("waits_for")), row.state) if row.state == "stopped" else row.state


def _commands(row: RunRecord, state: str, parked: bool) -> list[str]:
    """What a person may type next; none where only a new run helps."""
    resume = f"tunegate resume {row.run}"
    if parked:
        return [resume, f"{resume} --found JOB", f"{resume} --absent"]
    if state in WAITS.values():
        return [f"{resume} --yes"] if command_line_may_approve(row.run) else []
    part_way = row.detail.get("exit_code") in (ResumableError.exit_code, INTERRUPTED)
    return [resume] if state == "killed" or part_way else []
