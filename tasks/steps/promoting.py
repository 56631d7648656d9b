"""Who says yes to a verdict before the champion changes: as the use case wants it, to exactly these bytes of it."""

import getpass
import hashlib

from data_contracts.consent import Consent
from data_contracts.contest import Verdict
from data_contracts.trial import TrialRef
from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.ledger.rows import Approval
from tasks.register.crowning import NOBODY_ASKED
from tasks.steps.opening import how_to_approve
from tasks.workspace import Workspace

NAME = "approval.json"
PROMOTION, DECLINED = "promotion", "promotion declined"  # kinds of answers in the ledger
ASKED = "asked"  # in the ledger's detail of a run: sha256 of the verdict that somebody was asked about in a form


class VerdictApprovalRequiredError(TunegateError):
    """The verdict is for another champion, and that needs a person's yes which this run does not carry."""

    exit_code = 4

    def __init__(self, run: str, winner: str, how: str) -> None:
        super().__init__(run, winner, how)
        self.run, self.winner, self.how = run, winner, how

    def __str__(self) -> str:
        return (
            f"Run {self.run} has its verdict, for {self.winner}; the champion changes only after an approval, and has "
            f"not. Look at verdict.json and report.html in the run's folder; to approve it: {self.how}"
        )


def needs_yes(space: Workspace) -> bool:
    """Whether the verdict is for another champion, and `approvals.promotion` wants a person's yes to that.

    Where nobody is champion yet, the best prompt takes nobody's place: only `always` asks about it. What is registered
    is decided.
    """
    policy, verdict = space.case.use_case.approvals.promotion, space.folder.read_json("verdict.json", Verdict)
    if (
        policy == "none"
        or space.folder.has("registration.json")
        or not (verdict.decision == "promote" or verdict.first_champion)
    ):
        return False
    return policy == "always" or verdict.decision == "promote" or space.champion is not None


def given(space: Workspace) -> Consent | None:
    """What was said to this very verdict; None: nothing yet, or it was said to another content."""
    if not space.folder.has(NAME):
        return None
    consent = space.folder.read_json(NAME, Consent)
    return consent if consent.sha256 == verdict_sha256(space) else None


def verdict_sha256(space: Workspace) -> str:
    """Of the bytes of verdict.json, which a yes or a no is bound to."""
    return hashlib.sha256(space.folder.read_bytes("verdict.json")).hexdigest()


def record(space: Workspace, ledger: Ledger, said: Consent) -> Consent:
    """Keep what was said to the present verdict in the run's folder, and a yes or a no in the ledger."""
    consent = said.model_copy(update={"sha256": verdict_sha256(space), "answered_at": ledger.clock.now()})
    space.folder.write_json(NAME, consent)
    if consent.answer == "not asked":
        return consent
    ledger.approve(
        Approval(
            run=space.folder.run,
            kind=PROMOTION if consent.answer == "yes" else DECLINED,
            sha256=consent.sha256,
            amount=None,
            approved_by=consent.by,
            approved_at=ledger.clock.now(),
            note=consent.note,
            how=consent.by_kind,
        )
    )
    return consent


def settle(space: Workspace, trial: TrialRef, ledger: Ledger) -> Consent:
    """What was said to the verdict. At the command line nobody is asked unless `always`: who ran it is on record.

    Raises VerdictApprovalRequiredError where it takes --yes: `approvals.promotion` is `always`, or somebody in Prefect
    was asked and has not answered.
    """
    known = given(space)
    if known is not None or not needs_yes(space):
        return known or NOBODY_ASKED
    if not trial.promotion_approved and (_always(space) or _was_asked(space, ledger)):
        winner = space.folder.read_json("verdict.json", Verdict).winner
        how = how_to_approve(trial.run)
        raise VerdictApprovalRequiredError(trial.run, f"{winner.name} ({winner.model})", how)
    said = Consent(answer="not asked", by=getpass.getuser(), by_kind="command line")
    if trial.promotion_approved:
        said = said.model_copy(update={"answer": "yes", "note": "--yes"})
    return record(space, ledger, said)


def _always(space: Workspace) -> bool:
    return space.case.use_case.approvals.promotion == "always"


def _was_asked(space: Workspace, ledger: Ledger) -> bool:
    known = ledger.run(space.folder.run)
    return known is not None and known.detail.get(ASKED) == verdict_sha256(space)
