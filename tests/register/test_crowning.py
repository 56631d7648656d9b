"""Who is champion after a verdict, with what somebody said to it."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_contracts.consent import Consent
from data_contracts.contest import Registration, Verdict
from data_contracts.operation import Approvals
from data_contracts.trial import TrialRecord
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.crowning import NOBODY_ASKED
from tasks.register.mlflow_registry import Registry
from tests.stepwise import Finished

YES = Consent(answer="yes", by="Ada", by_kind="self-declared", note="worth it", sha256="f" * 64)
NO = Consent(answer="no", by="Bob", by_kind="self-declared", note="too dear", sha256="f" * 64)


@pytest.fixture
def registry(home: Path) -> Registry:
    return Registry("small")


def registered(registry: Registry, record: TrialRecord, consent: Consent, found: int | None = None) -> Registration:
    return registry.register(record, registry.open_trial(record.run, {}), found, consent)


def champion(registry: Registry) -> int | None:
    return promotion.aliased(registry, "champion")


def kept(record: TrialRecord) -> TrialRecord:
    """The trial before, in which the best prompt became champion."""
    prompt = record.comparison.candidates[0].candidate
    told = record.verdict.model_dump() | {"decision": "keep", "winner": prompt}
    return replace(record, run="the-trial-before", verdict=Verdict.model_validate(told))


def against_champion(record: TrialRecord) -> TrialRecord:
    return replace(record, verdict=record.verdict.model_copy(update={"first_champion": False}))


def asked_always(record: TrialRecord) -> TrialRecord:
    always = record.case.use_case.model_copy(update={"approvals": Approvals(promotion="always")})
    return replace(record, case=record.case.model_copy(update={"use_case": always}))


def test_a_yes_stands_in_the_move_with_what_it_was_said_to(registry: Registry, finished: Finished) -> None:
    registered(registry, finished.record, YES)
    move = Ledger().moves("small")[-1]
    assert (move.action, move.version, move.former, move.run) == ("promote", 2, 1, finished.record.run)
    assert (move.by, move.by_kind, move.sha256) == ("Ada", "self-declared", YES.sha256)
    assert move.reason.endswith("(worth it)")
    assert any(reason in move.reason for reason in finished.record.verdict.reasons)


def test_where_nobody_had_to_be_asked_the_trial_itself_moved_it(registry: Registry, finished: Finished) -> None:
    registered(registry, finished.record, NOBODY_ASKED)
    move = Ledger().moves("small")[-1]
    assert (move.by, move.by_kind, move.sha256) == ("trial", "policy", "")


def test_after_a_no_the_champion_stays_and_the_winner_is_challenger(registry: Registry, finished: Finished) -> None:
    registered(registry, kept(finished.record), NOBODY_ASKED)
    result = registered(registry, against_champion(finished.record), NO, found=1)
    assert (result.champion_version, result.challenger_version, champion(registry)) == (1, 2, 1)
    assert registry.told(2)["declined"] == "Bob: too dear"
    assert len(Ledger().moves("small")) == 1
    assert registry.client.get_run(result.run_id).data.tags["tunegate.promotion"] == "no, Bob (self-declared): too dear"


def test_after_a_no_without_a_champion_the_best_prompt_becomes_it(registry: Registry, finished: Finished) -> None:
    result = registered(registry, finished.record, NO)
    assert (result.champion_version, result.challenger_version) == (1, 2)
    again = registered(registry, finished.record, NO)
    assert again == result
    assert [(move.action, move.by) for move in Ledger().moves("small")] == [("first", "trial")]


def test_where_every_champion_needs_a_yes_a_no_leaves_none(registry: Registry, finished: Finished) -> None:
    result = registered(registry, asked_always(finished.record), NO)
    assert (result.champion_version, champion(registry)) == (None, None)
    assert result.model_uri == "models:/tunegate.small@challenger"
    assert Ledger().moves("small") == []


def test_what_was_declined_once_may_be_promoted_by_a_later_trial(registry: Registry, finished: Finished) -> None:
    registered(registry, kept(finished.record), NOBODY_ASKED)
    registered(registry, against_champion(finished.record), NO, found=1)
    later = replace(against_champion(finished.record), run="a-later-trial")
    assert registered(registry, later, YES, found=1).champion_version == 2
    assert "declined" not in registry.told(2)
