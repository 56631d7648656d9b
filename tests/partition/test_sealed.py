"""Which test set a run uses, what rests on it, and how its rows are fixed."""

from pathlib import Path

import pytest

from data_contracts.data_policy import Split
from data_contracts.records import Partitions, SealedTestSet
from tasks.errors import DataError
from tasks.ledger import Ledger
from tasks.partition.sealed import Past, seal
from tasks.partition.split import split
from tests.partition.examples import near, places, rows, words

POLICY = Split(max_verdicts=2)
CASE = "support"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def trial(ledger: Ledger, run: str, count: int = 400, policy: Split = POLICY, sha256: str = "") -> SealedTestSet:
    """A trial of `count` rows up to its verdict."""
    past = Past.of(ledger, CASE, run)
    now = past.policy(policy)
    found = split(rows(count), near(), now, past.history)
    sealed = past.sealed(found, sha256 or f"{now.test_set} of {count}", now, 0.02)
    seal(ledger, CASE, run, found, sealed)
    ledger.record_opening(CASE, sealed.sha256, run, ["best-prompt"])
    return sealed


def test_a_first_test_set_has_no_verdict_on_it(ledger: Ledger) -> None:
    sealed = trial(ledger, "run-1")
    assert (sealed.test_set, sealed.verdicts, sealed.worn, sealed.placed_earlier) == (1, 0, False, 0)
    assert "never opened" in sealed.sentence


def test_the_power_of_the_test_set_is_said_in_numbers(ledger: Ledger) -> None:
    sealed = trial(ledger, "run-1", count=2000)
    assert sealed.detects == pytest.approx(0.2**0.5 * 2.8 / sealed.rows**0.5, rel=0.05)
    assert sealed.needed == pytest.approx(0.2 * (2.8 / 0.02) ** 2, rel=0.02)
    past = Past.of(ledger, CASE, "run-2")
    assert past.sealed(split(rows(400), near(), POLICY, {}), "5ea1", POLICY, 0.0).needed == 0, "no difference asked for"


def test_rows_that_were_added_make_no_other_test_set_of_it(ledger: Ledger) -> None:
    trial(ledger, "run-1", 400)
    trial(ledger, "run-2", 500)
    third = trial(ledger, "run-3", 600)
    assert (third.verdicts, third.worn, third.placed_earlier) == (2, True, 500)


def test_a_run_that_is_resumed_is_not_worn_by_itself(ledger: Ledger) -> None:
    trial(ledger, "run-1")
    trial(ledger, "run-2")
    assert trial(ledger, "run-2").verdicts == 1


def test_a_worn_test_set_is_refused_with_what_to_do(ledger: Ledger) -> None:
    refusing = POLICY.model_copy(update={"when_worn": "refuse"})
    trial(ledger, "run-1", policy=refusing)
    trial(ledger, "run-2", policy=refusing)
    with pytest.raises(
        DataError, match=r"2 verdicts rest on test set 1.*when_worn: refresh.*`split.test_set`"
    ) as stopped:
        Past.of(ledger, CASE, "run-3").policy(refusing)
    assert stopped.value.exit_code == 3
    assert Past.of(ledger, CASE, "run-2").policy(refusing).test_set == 1


def test_a_worn_test_set_is_refreshed_from_rows_that_were_never_uploaded(ledger: Ledger) -> None:
    refreshing = POLICY.model_copy(update={"when_worn": "refresh"})
    trial(ledger, "run-1", 400, refreshing)
    trial(ledger, "run-2", 400, refreshing)
    third = trial(ledger, "run-3", 700, refreshing)
    assert (third.test_set, third.verdicts, third.worn) == (2, 0, False)
    assert {name for key, name in ledger.history(CASE).items() if key == words(650)} <= {
        "train",
        "validation",
        "test 2",
    }
    fourth = trial(ledger, "run-4", 700, refreshing)
    assert (fourth.test_set, fourth.verdicts) == (2, 1)


def test_a_refreshed_test_set_stays_in_use_when_the_policy_no_longer_refreshes(ledger: Ledger) -> None:
    trial(ledger, "run-1", 400)
    trial(ledger, "run-2", 700, POLICY.model_copy(update={"test_set": 2}))
    assert Past.of(ledger, CASE, "run-3").policy(POLICY).test_set == 2


def test_any_number_of_verdicts_is_allowed_on_request(ledger: Ledger) -> None:
    endless = POLICY.model_copy(update={"max_verdicts": None, "when_worn": "refuse"})
    assert [trial(ledger, f"run-{number}", policy=endless).worn for number in range(5)] == [False] * 5


def test_a_sealed_row_stays_where_it_is_under_any_later_policy(ledger: Ledger) -> None:
    first = split(rows(400), near(), POLICY, {})
    trial(ledger, "run-1")
    later = Split(method="stratified", seed=99, test=0.5)
    assert places(split(rows(400), near(), later, Past.of(ledger, CASE, "run-2").history)) == places(first)


def test_a_row_that_another_trial_sealed_elsewhere_meanwhile_stops_the_run(ledger: Ledger) -> None:
    past = Past.of(ledger, CASE, "run-1")
    found = split(rows(400), near(), POLICY, past.history)
    sealed = past.sealed(found, "5ea1", POLICY, 0.02)
    ledger.remember(CASE, {found.test["words"].iloc[0]: "train"}, "run-2")
    with pytest.raises(DataError, match=r"run run-1: another trial has placed 1 of its rows elsewhere"):
        seal(ledger, CASE, "run-1", found, sealed)


def test_with_given_files_a_test_set_is_known_by_its_hash_and_another_file_is_another_set(ledger: Ledger) -> None:
    given = Split(method="given", min_test=5, max_verdicts=1, when_worn="refuse")
    ledger.record_opening("desk", "a" * 64, "run-1", ["tune"])
    past = Past.of(ledger, "desk", "run-2")
    test = rows(20)
    parts = Partitions(test.iloc[:0], test.iloc[:0], test, test.iloc[:0].assign(reason=""))
    assert past.sealed(parts, "b" * 64, past.policy(given), 0.02).verdicts == 0
    with pytest.raises(DataError, match="1 verdicts rest on this test set"):
        past.sealed(parts, "a" * 64, past.policy(given), 0.02)
