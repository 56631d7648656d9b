"""To whom a champion can be moved back, and until when: on a registry of bare versions whose models all answer."""

import shutil
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest

from data_contracts.load import load
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.register.promotion import MovedMeanwhileError, Request
from tasks.steps.moving import CannotAnswerError, Mover, Who
from tasks.watch.base_models import today_of
from tests.fake_clock import FakeClock
from tests.small_use_case import small_use_case

MONITOR = Who("monitor", "policy", "quality")


@dataclass(frozen=True)
class Answering(Mover):
    """Its models answer until the days that a test says."""

    last_days: dict[int, str] = field(default_factory=dict)

    def _require_answers(self, version: int) -> list[str]:
        return self._days(version, self.last_days.get(version))


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which versions 1, 2 and 3 became champion one after the other. For copying only."""
    home = tmp_path_factory.mktemp("back")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        case = load(str(small_use_case(home / "case"))).use_case
        made = Mover(case, Registry("small"), Ledger(clock=FakeClock()))
        made.registry.client.create_registered_model(made.registry.name)
        for version in (1, 2, 3):
            made.registry.client.create_model_version(made.registry.name, source=str(home))
            moved(made, version)
    return home


@pytest.fixture
def mover(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    for name in ("mlflow.db", "ledger.db"):
        shutil.copy(registered / name, tmp_path / name)
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path))
    case = load(str(small_use_case(tmp_path / "case"))).use_case
    return Answering(case, Registry("small"), Ledger(clock=FakeClock()))


def moved(mover: Mover, version: int) -> None:
    now = champion(mover)
    with mover.ledger.lock(promotion.lock_key("small")):
        request = Request("promote", "Ada", "self-declared", "better", [now])
        promotion.move(mover.registry, mover.ledger, version, request)


def champion(mover: Mover) -> int | None:
    return promotion.aliased(mover.registry, "champion")


def in_days(mover: Mover, days: int) -> str:
    today: date = today_of(mover.ledger.clock.now())
    return (today + timedelta(days=days)).isoformat()


def test_whoever_came_back_by_a_promotion_does_not_lead_back_to_what_was_given_up(mover: Answering) -> None:
    moved(mover, 2)
    assert mover.rollback(None, MONITOR).move.version == 1
    with pytest.raises(ConfigurationError, match="before version 1 there was no champion"):
        mover.rollback(None, MONITOR)


def test_nothing_moves_where_another_version_is_champion_than_the_one_that_was_judged(mover: Answering) -> None:
    with pytest.raises(MovedMeanwhileError, match="points to version 3, not to 2"):
        mover.rollback(None, MONITOR, expected=2)
    assert champion(mover) == 3
    assert mover.rollback(None, MONITOR, expected=3).move.version == 2


def test_a_version_whose_last_day_is_reached_is_passed_over(mover: Answering) -> None:
    mover.last_days[2] = in_days(mover, 0)
    back = mover.rollback(None, MONITOR)
    assert back.move.version == 1
    assert back.warnings == [f"the last day of version 2's model, {in_days(mover, 0)}, is reached"]
    with pytest.raises(CannotAnswerError, match="is reached"):
        mover.rollback(2, MONITOR)


@pytest.mark.parametrize(("days", "notes"), [(1, 1), (90, 1), (91, 0)])
def test_a_last_day_that_comes_near_is_noted(mover: Answering, days: int, notes: int) -> None:
    mover.last_days[2] = in_days(mover, days)
    back = mover.rollback(None, MONITOR)
    assert (back.move.version, len(back.warnings)) == (2, notes)
