"""Which purchase a run is attached to, and which other runs are, so that nobody takes its model from under them."""

from collections.abc import Sequence
from contextlib import suppress

from data_contracts.money import Submission
from tasks import workspace
from tasks.errors import ConfigurationError, TunegateError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, RunRecord
from tasks.run_folder import in_progress


def purchase_of(run: str, intents: Sequence[Intent]) -> Intent | None:
    """The purchase that the run is attached to, or else the newest of those that it began."""
    with suppress(TunegateError):  # its folder may lie on another machine
        folder = workspace.reopen(run).folder
        if folder.has("submission.json"):
            key = folder.read_json("submission.json", Submission).intent
            return next((item for item in intents if item.key == key), None)
    return next((item for item in reversed(intents) if item.run == run), None)


def others_at_work(run: str, intent: Intent, ledger: Ledger) -> list[str]:
    """Runs besides `run` that a living process takes on with this purchase.

    One whose folder lies on another machine counts as living. One that stopped serves its tune again when it goes on.
    """
    started = (row for row in ledger.runs() if row.state == "started" and row.run != run)
    return [row.run for row in started if _works_on(row, intent)]


def _works_on(row: RunRecord, intent: Intent) -> bool:
    try:
        folder = workspace.reopen(row.run).folder
    except ConfigurationError:
        return intent.run == row.run
    if not in_progress(run_path(row.run)):
        return False
    if folder.has("submission.json"):
        return folder.read_json("submission.json", Submission).intent == intent.key
    return intent.run == row.run
