"""One pass of the base-model watch over one use case: what changed, what it owns, and the trial that answers."""

from dataclasses import dataclass
from typing import Any

from data_contracts.lifetimes import Finding, WatchReport
from data_contracts.load import load
from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.steps import inventory, sightings
from tasks.steps.listings import Listings, Round
from tasks.steps.owned import Owned, purchases, registered
from tasks.steps.successors import at_place, instead_of, only
from tasks.watch.base_models import Found, Watched, findings, warning_day
from tasks.watch.replacement import Replacement, wanted


@dataclass(frozen=True)
class Looked:
    """What a pass saw. `keys`: under which each finding of the report is told once."""

    report: WatchReport
    keys: tuple[str, ...]


def look(use_case: str, ledger: Ledger, listings: Listings) -> Looked:
    """Ask every provider concerned, compare with what was seen before, and keep what is seen now.

    Whatever cannot be asked is named in the report. Raises ConfigurationError for a use-case file that is wrong.
    """
    round_ = Round(load(use_case).use_case, ledger, listings)
    owned = _owned(round_)
    found = [item for one in owned if one.role == "champion" for item in _found(one, round_, use_case)]
    report = WatchReport(
        checked_at=ledger.clock.now(),
        findings=[item.finding for item in found],
        inventory=inventory.lines(owned, round_),
        unreachable=round_.unreachable,
    )
    return Looked(report, tuple(item.key for item in found))


def _owned(round_: Round) -> list[Owned]:
    standing: list[Owned] = []
    with round_.reaching("champion and challenger"):
        standing = registered(round_.case, round_.ledger)
    return [*standing, *purchases(round_.case, round_.ledger)]


def _found(champion: Owned, round_: Round, use_case: str) -> list[Found]:
    """Findings about the champion, each with what takes its place and the trial that asks whether it may."""
    with round_.reaching(f"{champion.candidate.model} at {champion.settings.name}"):
        watched = sightings.watch(champion, round_)
        found = findings(watched, round_.today, round_.case.watch.warn_days)
        replacements = [_replacement(item.finding, champion, watched, round_) for item in found]
        pairs = zip(found, replacements, strict=True)
        return [Found(item.key, _answered(item, instead, round_, use_case)) for item, instead in pairs]
    return []


def _replacement(finding: Finding, champion: Owned, watched: Watched, round_: Round) -> Replacement | None:
    """What takes the model's place; None for a finding that no trial answers."""
    if finding.kind in ("retirement-announced", "retired"):
        leaving = watched.now.model_copy(update={"shutdown_date": finding.deadline})
        return instead_of(leaving, champion.settings, round_)
    newest = {"new-version": next(iter(watched.newer), None), "alias-moved": watched.now.resolved}.get(finding.kind)
    return only(at_place(newest, champion.settings, round_), round_) if newest else None


def _answered(item: Found, replacement: Replacement | None, round_: Round, use_case: str) -> Finding:
    finding, new = item.finding, not round_.ledger.told(round_.case.name, item.key)
    if replacement is None:
        return finding.model_copy(update={"new": new})
    says = f"{finding.says} {replacement.sentence}"
    options = wanted(round_.case, replacement, finding.says) if _is_due(finding, round_) else None
    problem = _problem(use_case, options) if options else ""
    if problem:
        says, options = f"{says} No trial is started: {problem}", None
    return finding.model_copy(update={"new": new, "successors": replacement.names, "says": says, "wanted": options})


def _is_due(finding: Finding, round_: Round) -> bool:
    """A far deadline starts no trial before the first warning day: what wins today may be old by then."""
    left = finding.days_left
    return left is None or warning_day(left, round_.case.watch.warn_days) is not None


def _problem(use_case: str, options: dict[str, Any]) -> str:
    """Why the use case would not take these settings; empty: it does."""
    try:
        for settings in (options["settings"], options.get("otherwise", {})):
            load(use_case, settings)
    except TunegateError as error:
        return str(error)
    return ""
