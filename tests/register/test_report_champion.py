"""report.html of a trial that met a champion: one that stays, leaves or is gone, and one that was adopted."""

from typing import Any

import pytest

from data_contracts.trial import TrialRecord
from tests.register.page import shown, with_changes
from tests.stepwise import Finished

MODEL = "ft:gone-2024:acme::1"


@pytest.fixture
def record(finished: Finished) -> TrialRecord:
    return finished.record


def meets(record: TrialRecord, **standing: Any) -> TrialRecord:
    return with_changes(
        record, "verdict", lambda plain: plain.update(champion_standing={"model": MODEL, "state": "answers"} | standing)
    )


def test_without_a_champion_nothing_is_said_of_one(record: TrialRecord) -> None:
    text = shown(record)
    assert "The champion that was met" not in text
    assert "last day" not in text


def test_a_champion_that_stays_is_named(record: TrialRecord) -> None:
    text = shown(meets(record))
    assert f"How the champion stood when this trial met it Model {MODEL}" in text
    assert "Yes; its provider names no last day" in text
    assert "the champion's last day" not in text


def test_one_that_leaves_says_when_and_who_may_take_its_place(record: TrialRecord) -> None:
    leaving = {"state": "leaving", "last_day": "2027-01-14", "days_left": 52}
    text = shown(meets(record, **leaving, outlasted_by=["best-prompt", "tune-minimal"]))
    assert "the champion's last day 2027-01-14 in 52 days" in text
    assert (
        "best-prompt, tune-minimal: answers longer, and therefore need only be not worse by more than 2 points" in text
    )
    alone = shown(meets(record, **leaving))
    assert "Only what beats it: nothing that was tried answers longer" in alone


def test_one_that_is_gone_says_whether_its_answers_were_recorded(record: TrialRecord) -> None:
    gone = {"state": "retired", "last_day": "2026-10-01"}
    recorded = shown(meets(record, **gone, recorded="2026-09-30"))
    assert "No longer , since 2026-10-01. It cannot stay, and it cannot win." in recorded
    assert "Recorded by 2026-09-30; they are compared above for information and decide nothing" in recorded
    missing = shown(meets(record, **gone, unrecorded=7))
    assert "7 of 105 cases were never recorded: what is lost or gained against it cannot be said" in missing


def test_a_retired_champion_in_the_tables_is_marked_as_one_that_cannot_win(record: TrialRecord) -> None:
    def retire(plain: dict[str, Any]) -> None:
        for test in plain["tests"]:
            test["informational"] = test["reference"] == "best-prompt"

    text = shown(with_changes(record, "comparison", retire))
    assert "best-prompt recorded, cannot win" in text
    assert "tune-minimal against best-prompt for information" in text


def test_an_adopted_model_is_marked_wherever_it_stands(record: TrialRecord) -> None:
    def adopt(plain: dict[str, Any]) -> None:
        plain["candidates"][0]["candidate"]["training_data"] = "unknown"

    text = shown(with_changes(meets(record, training_data="unknown"), "comparison", adopt))
    assert "best-prompt training data unknown" in text
    assert "It may have learnt cases of this test set, so its figures may be too high" in text
