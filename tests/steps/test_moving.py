"""The champion moved by hand: to a version that a person names, or back to one that still answers."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data_contracts.contest import Comparison, Verdict
from data_contracts.load import load
from data_contracts.trial import TrialRecord
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.register.promotion import MovedMeanwhileError
from tasks.steps.moving import CannotAnswerError, Mover, Who
from tests.small_use_case import small_use_case
from tests.stepwise import Finished

ADA = Who("Ada", "self-declared", "the label set changed")
GONE = "ft:nobody-has-it"


@pytest.fixture(scope="module")
def registered(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a trial made its prompt champion (1) and then its tune (2); a later one left a challenger (3)."""
    home = tmp_path_factory.mktemp("moving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        registry = Registry("small")
        for record in (finished.record, with_challenger(finished.record, "a-later-run", "tune-full")):
            registry.register(record, registry.open_trial(record.run, {}))
    return home


@pytest.fixture
def mover(registered: Path, own_home: Path, tmp_path: Path) -> Mover:
    own_home.mkdir(mode=0o700)
    for name in ("mlflow.db", "ledger.db"):
        shutil.copy(registered / name, own_home / name)
    case = load(str(small_use_case(tmp_path / "case"))).use_case
    return Mover(case, Registry("small"), Ledger())


def with_challenger(record: TrialRecord, run: str, name: str) -> TrialRecord:
    """A later trial that kept the champion."""
    champion, challenger = (
        next(one.candidate for one in record.comparison.candidates if one.candidate.name == wanted)
        for wanted in ("tune-minimal", name)
    )
    told = {"decision": "keep", "winner": champion, "reference": champion.name, "challenger": challenger}
    verdict = Verdict.model_validate(record.verdict.model_dump() | told | {"first_champion": False})
    return replace(record, run=run, verdict=verdict)


def champion(mover: Mover) -> int | None:
    return promotion.aliased(mover.registry, "champion")


def with_a_model_that_is_gone(mover: Mover, record: TrialRecord) -> int:
    """A version that asks a model which no provider has, once champion; its number."""
    tuned = record.tuned
    assert tuned is not None
    old, new = f'"{tuned.model}"', f'"{GONE}"'
    comparison, verdict = (
        text.replace(old, new) for text in (record.comparison.model_dump_json(), record.verdict.model_dump_json())
    )
    gone = replace(
        record,
        run="the-run-of-the-gone",
        comparison=Comparison.model_validate_json(comparison),
        verdict=Verdict.model_validate_json(verdict),
    )
    return mover.registry.register(gone, mover.registry.open_trial(gone.run, {}), champion(mover)).champion_version or 0


# ---------------------------------------------------------------- forward


def test_the_challenger_is_promoted_with_its_evidence_and_a_warning_that_no_trial_did_it(mover: Mover) -> None:
    moved = mover.promote(None, ADA)
    assert (moved.move.action, moved.move.version, moved.move.former) == ("promote", 3, 2)
    assert (moved.move.by, moved.move.by_kind, moved.move.reason) == ("Ada", "self-declared", ADA.reason)
    assert (moved.says["verdict"], moved.says["role"], moved.says["run"]) == ("keep", "challenger", "a-later-run")
    assert 0 < moved.figures["metric_low"] <= moved.figures["metric"] <= 1
    assert moved.warnings == ["No trial promoted version 3 (a-later-run says keep): it becomes champion on your word"]
    assert champion(mover) == 3


def test_a_version_that_a_trial_had_promoted_is_promoted_without_a_warning(mover: Mover) -> None:
    assert mover.promote(1, ADA).warnings == []


def test_without_a_reason_nothing_moves(mover: Mover) -> None:
    with pytest.raises(ConfigurationError, match=r"needs a reason.*--reason") as refused:
        mover.promote(None, replace(ADA, reason=" "))
    assert refused.value.exit_code == 2
    assert champion(mover) == 2


@pytest.mark.parametrize(("version", "says"), [(2, "version 2 is champion already"), (9, "there is no version 9")])
def test_what_cannot_be_promoted_is_said_so(mover: Mover, version: int, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        mover.promote(version, ADA)


def test_where_the_challenger_is_champion_a_version_has_to_be_named(mover: Mover) -> None:
    mover.promote(None, ADA)
    with pytest.raises(ConfigurationError, match="the challenger, version 3, is champion already"):
        mover.promote(None, ADA)


def test_a_champion_that_somebody_set_in_mlflow_can_be_put_on_record(mover: Mover) -> None:
    mover.registry.client.set_registered_model_alias("tunegate.small", "champion", "3")
    assert mover.promote(3, ADA).move.former == 2


def test_a_version_whose_model_is_gone_is_not_promoted(mover: Mover, finished: Finished) -> None:
    gone = with_a_model_that_is_gone(mover, finished.record)
    mover.rollback(2, ADA)
    with pytest.raises(CannotAnswerError, match=f"version {gone}, {GONE}, answers no more"):
        mover.promote(gone, ADA)
    assert champion(mover) == 2


# ---------------------------------------------------------------- back


def test_it_goes_back_to_the_champion_before(mover: Mover) -> None:
    moved = mover.rollback(None, ADA).move
    assert (moved.action, moved.version, moved.former) == ("rollback", 1, 2)
    assert champion(mover) == 1


def test_once_more_goes_further_back_and_not_to_what_was_rolled_back_from(mover: Mover) -> None:
    mover.promote(3, ADA)
    assert [mover.rollback(None, ADA).move.version for _ in range(2)] == [2, 1]
    with pytest.raises(ConfigurationError, match="before version 1 there was no champion"):
        mover.rollback(None, ADA)


def test_whoever_came_back_by_a_promotion_does_not_lead_back_to_what_was_given_up(mover: Mover) -> None:
    mover.promote(1, ADA)
    with pytest.raises(ConfigurationError, match="before version 1 there was no champion"):
        mover.rollback(None, ADA)


def test_nothing_moves_where_another_version_is_champion_than_the_one_that_was_judged(mover: Mover) -> None:
    with pytest.raises(MovedMeanwhileError, match="moved it meanwhile"):
        mover.rollback(None, ADA, expected=1)
    assert champion(mover) == 2
    assert mover.rollback(None, ADA, expected=2).move.version == 1


def test_it_goes_back_to_a_version_that_was_champion_once_and_to_no_other(mover: Mover) -> None:
    with pytest.raises(ConfigurationError, match="version 3 was never champion"):
        mover.rollback(3, ADA)
    assert mover.rollback(1, ADA).move.version == 1


def test_one_whose_model_is_gone_is_passed_over_and_named(mover: Mover, finished: Finished) -> None:
    gone = with_a_model_that_is_gone(mover, finished.record)
    mover.promote(3, ADA)
    moved = mover.rollback(None, ADA)
    assert moved.move.version == 1, "the best prompt, which that trial had made champion before"
    assert moved.warnings == [f"the model of version {gone}, {GONE}, answers no more"]
    with pytest.raises(CannotAnswerError):
        mover.rollback(gone, ADA)


def test_a_rollback_without_a_reason_says_so_on_record(mover: Mover) -> None:
    assert mover.rollback(None, replace(ADA, reason="")).move.reason == "none given"


def test_what_was_set_in_mlflow_by_hand_goes_back_to_where_the_history_ends(mover: Mover) -> None:
    mover.registry.client.set_registered_model_alias("tunegate.small", "champion", "3")
    assert mover.rollback(None, ADA).move.version == 2
