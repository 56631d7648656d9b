"""Which version a trial's verdict makes champion, and which challenger, with what somebody said to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from data_contracts.consent import Consent
from data_contracts.trial import TrialRecord
from tasks.ledger import Ledger
from tasks.register.promotion import CHALLENGER, CHAMPION, Request, aliased, move, point

if TYPE_CHECKING:
    from tasks.register.mlflow_registry import Registry

NOBODY_ASKED = Consent(answer="not asked")
Version = Callable[[str, str], int]  # the version that holds the candidate of that name, in that role


@dataclass(frozen=True)
class Decided:
    """A trial with its verdict, what was said to it, and the champion's version as the trial found it."""

    trial: TrialRecord
    consent: Consent
    found: int | None

    @property
    def declined(self) -> bool:
        """Whether somebody keeps the champion by a no."""
        return self.consent.answer == "no"

    @property
    def moves(self) -> bool:
        """Whether the verdict is for another champion than before."""
        return self.trial.verdict.decision == "promote" or self.trial.verdict.first_champion


def crown(registry: "Registry", ledger: Ledger, decided: Decided, version: Version) -> int | None:
    """The champion's version. Its alias moves for a first champion or a promotion, and from where it was found.

    After a no it stays. Where there is no champion the best prompt becomes it all the same: it takes nobody's place,
    unless every champion needs a yes (`approvals.promotion: always`): None.
    """
    verdict, now = decided.trial.verdict, aliased(registry, CHAMPION)
    always = decided.trial.case.use_case.approvals.promotion == "always"
    if (now is not None or always) and (decided.declined or not decided.moves):
        return now
    if verdict.first_champion and verdict.reference != verdict.winner.name:
        reference = version(verdict.reference, "reference")
        if now is None or now not in registry.versions(verdict.winner.digest):
            move(registry, ledger, reference, _request(registry, decided, now))
        now = reference
        if decided.declined:
            return reference
    winner = version(verdict.winner.name, "winner")
    move(registry, ledger, winner, _request(registry, decided, now))
    return winner


def challenge(registry: "Registry", decided: Decided, champion: int | None, version: Version) -> int | None:
    """The version that got furthest of the others; one that is champion by now keeps its story. After a no it is the
    winner, so that a person may still promote it.
    """
    verdict = decided.trial.verdict
    challenger = verdict.winner if decided.declined else verdict.challenger
    if challenger is None:
        return None
    stands = champion is not None and champion in registry.versions(challenger.digest)
    made = champion if stands and champion is not None else version(challenger.name, "challenger")
    point(registry, CHALLENGER, made)
    return made


def _request(registry: "Registry", decided: Decided, now: int | None) -> Request:
    """A champion is found where the trial found it, or where this trial has put it before it was killed."""
    trial, consent = decided.trial, NOBODY_ASKED if decided.declined else decided.consent
    field = {item.candidate.name: item.candidate for item in trial.comparison.candidates}
    said = " ".join(trial.verdict.reasons[:2])
    action: Literal["first", "promote"] = "first" if now is None else "promote"
    return Request(
        action=action,
        by=consent.by,
        by_kind=consent.by_kind,
        reason=f"{said} ({consent.note})" if consent.note else said,
        expected=[decided.found, *registry.versions(field[trial.verdict.reference].digest)],
        run=trial.run,
        sha256=consent.sha256,
    )
