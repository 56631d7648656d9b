"""The trial that a finding asks for: once, not beside another one, and again while a retired champion stands."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from data_contracts.lifetimes import Finding
from tasks import wanted_trials
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.rows import RunRecord
from tasks.run_folder import in_progress
from tasks.steps.watching import Looked

DAY_S = 86_400.0
PAUSE_S = 3_600.0  # an automation has so long to start the trial that was wanted last
AGAIN_DAYS = (1, 3, 7)  # so many after the first time, the second, and each further one


@dataclass(frozen=True)
class Due:
    """A trial that was not asked for yet. `about`: what the ledger knows of it; `key`: what this time is called."""

    about: str
    key: str
    finding: Finding
    times: int = 0  # that it was asked for before


def want(name: str, looked: Looked, ledger: Ledger) -> None:
    """Ask for the trial that answers the most urgent finding. It answers the others that want the same, too."""
    due = list(_due(looked, ledger))
    if not due or _is_busy(due[0].finding.use_case, ledger, due[0].key):
        return
    finding, now = due[0].finding, ledger.clock.now()
    payload = {"use_case": name, "options": finding.wanted, "why": finding.says}
    wanted_trials.want(ledger, finding.use_case, due[0].key, payload)
    for one in due:
        if one.finding.wanted and finding.wanted and one.finding.wanted["settings"] == finding.wanted["settings"]:
            ledger.tell_once(one.finding.use_case, one.key)
            ledger.see(one.finding.use_case, one.about, {"times": one.times + 1, "at": now})


def with_what_holds_back(looked: Looked, ledger: Ledger) -> Looked:
    """The same, and where a trial has to wait for a run, its finding says so."""
    held = {id(one.finding): _held_back_by(one.finding.use_case, ledger) for one in _due(looked, ledger)}

    def said(finding: Finding) -> Finding:
        run = held.get(id(finding))
        says = f"{finding.says} Its trial is held back by run {run}."
        return finding.model_copy(update={"says": says}) if run else finding

    found = [said(finding) for finding in looked.report.findings]
    return replace(looked, report=looked.report.model_copy(update={"findings": found}))


def _due(looked: Looked, ledger: Ledger) -> Iterator[Due]:
    for key, finding in zip(looked.keys, looked.report.findings, strict=True):
        one = _this_time(f"trial for {key}", finding, ledger)
        if finding.wanted and not ledger.told(finding.use_case, one.key):
            yield one


def _this_time(about: str, finding: Finding, ledger: Ledger) -> Due:
    """While a retired champion stands its trial is due again, after longer each time."""
    asked = ledger.seen(finding.use_case, about) if finding.kind == "retired" else None
    if not asked:
        return Due(about, about, finding)
    times, pause = asked["times"], AGAIN_DAYS[min(asked["times"], len(AGAIN_DAYS)) - 1] * DAY_S
    again = times if ledger.clock.now() - asked["at"] >= pause else times - 1
    return Due(about, f"{about} again {again}" if again else about, finding, times)


def _is_busy(use_case: str, ledger: Ledger, key: str) -> bool:
    """Whether a trial is under way or another one asked for: what it finds may answer this one, too."""
    now, asked = ledger.clock.now(), ledger.seen(use_case, wanted_trials.WANTED)
    if asked and asked.get("key") != key and now - asked["at"] < PAUSE_S:
        return True
    return bool(_held_back_by(use_case, ledger))


def _held_back_by(use_case: str, ledger: Ledger) -> str:
    """The run that is under way, and what it is about; empty: none is."""
    now = ledger.clock.now()
    under_way = ((row.run, _doing(row, now)) for row in ledger.runs() if row.use_case == use_case)
    return next((f"{run}, which {doing}" for run, doing in under_way if doing), "")


def _doing(row: RunRecord, now: float) -> str:
    """A form counts until it lapses; a run on another machine, if it moved today."""
    until = row.detail.get("until", 0.0) if row.detail.get("waits_for") == "form" else 0.0
    if row.state == "stopped" and now < until:
        return f"waits for a yes until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
    works = row.state == "started" and (in_progress(run_path(row.run)) or now - row.updated_at < DAY_S)
    return "works" if works else ""
