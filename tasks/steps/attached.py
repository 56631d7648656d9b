"""Which other runs are at work on the same purchase, so that nobody takes its model from under them."""

from data_contracts.money import Submission
from tasks import workspace
from tasks.errors import ConfigurationError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, RunRecord
from tasks.run_folder import in_progress


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
