"""When a finding's trial is asked for: not beside one that is under way, and again while a retired champion stands."""

from typing import Any

import pytest

from data_contracts.lifetimes import Finding, WatchReport
from flows.wanting import DAY_S, want, with_what_holds_back
from tasks import wanted_trials
from tasks.ledger import Ledger
from tasks.steps.watching import Looked
from tests.fake_clock import FakeClock

OPTIONS = {"train": False, "settings": {"prompts.base_models": ["m-2027-01-10"]}, "reason": "it is gone"}


def looked(kind: str = "retired") -> Looked:
    plain = {"use_case": "mails", "kind": kind, "model": "m", "base_model": "m", "says": "Why.", "wanted": OPTIONS}
    return Looked(WatchReport(checked_at=0, findings=[Finding.model_validate(plain)], inventory=[]), (f"{kind} m",))


def asked(ledger: Ledger) -> Any:
    """What the last trial that was asked for is called."""
    return (ledger.seen("mails", wanted_trials.WANTED) or {}).get("key")


@pytest.mark.parametrize("waits_for", ["form", "yes"])
def test_a_run_that_nobody_said_yes_to_holds_a_trial_back_until_its_form_lapses(
    ledger: Ledger, clock: FakeClock, waits_for: str
) -> None:
    ledger.record_run("abandoned", "mails", "stopped", {"waits_for": "form", "until": clock.now() + DAY_S})
    want("mails", looked(), ledger)
    assert asked(ledger) is None
    [finding] = with_what_holds_back(looked(), ledger).report.findings
    assert (
        finding.says
        == "Why. Its trial is held back by run abandoned, which waits for a yes until 1970-01-13 13:46 UTC."
    )
    clock.advance(DAY_S)
    ledger.record_run("abandoned", "mails", "stopped", {"waits_for": waits_for})
    assert with_what_holds_back(looked(), ledger) == looked()
    want("mails", looked(), ledger)
    assert asked(ledger) == "trial for retired m"


def test_an_answer_that_never_came_holds_nothing_back(ledger: Ledger, clock: FakeClock) -> None:
    ledger.record_run("abandoned", "mails", "stopped", {"waits_for": "yes", "until": clock.now() + DAY_S})
    want("mails", looked(), ledger)
    assert asked(ledger) == "trial for retired m"


def test_a_run_that_works_is_named_and_one_that_has_not_moved_for_a_day_is_not(
    ledger: Ledger, clock: FakeClock
) -> None:
    ledger.record_run("elsewhere", "mails", "started", {})
    [finding] = with_what_holds_back(looked(), ledger).report.findings
    assert finding.says.endswith("held back by run elsewhere, which works.")
    clock.advance(DAY_S)
    assert with_what_holds_back(looked(), ledger) == looked()


def days_asked(kind: str, ledger: Ledger, clock: FakeClock) -> list[int]:
    """Days on which another trial was asked for, of 30 on which the watch looks."""
    days: dict[str, int] = {}
    for day in range(30):
        want("mails", looked(kind), ledger)
        days.setdefault(asked(ledger), day)
        clock.advance(DAY_S)
    return list(days.values())


def test_while_a_retired_champion_stands_its_trial_is_wanted_again_after_longer_each_time(
    ledger: Ledger, clock: FakeClock
) -> None:
    assert days_asked("retired", ledger, clock) == [0, 1, 4, 11, 18, 25]


def test_any_other_finding_wants_its_trial_once(ledger: Ledger, clock: FakeClock) -> None:
    assert days_asked("new-version", ledger, clock) == [0]
