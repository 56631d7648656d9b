"""When the monitor acts: a champion is moved by the second look in a row, and only the one that was judged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts.load import load
from data_contracts.monitoring import MonitorReport
from flows.monitoring import _Answer
from tasks.ledger import Ledger
from tasks.register.promotion import MovedMeanwhileError
from tests.small_use_case import small_use_case

Look = Callable[..., str]


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that a move back was about; no registry is asked."""
    asked: list[int] = []

    def rolled_back(*_: object, expected: int) -> dict[str, Any]:
        asked.append(expected)
        return {"move": {"version": 1}, "evidence": {}, "warnings": []}

    monkeypatch.setattr("flows.moving.rolled_back", rolled_back)
    return asked


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: list[int]) -> Look:
    """What one look leads to, by its verdict."""
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    case = load(str(small_use_case(tmp_path / "case", rows=1)))

    def looked(health: str, version: int = 2) -> str:
        plain = {"use_case": "small", "version": version, "model": "m", "health": health, "since": 1.0, "until": 2.0}
        report = MonitorReport.model_validate(plain | {"answers": 150, "labelled": 150, "checks": []})
        return _Answer(case, "small", Ledger(), report, "run").given()

    return looked


def test_the_second_look_in_a_row_moves_the_version_that_was_judged_once(look: Look, expected: list[int]) -> None:
    assert "second look decides" in look("roll back")
    assert expected == []
    assert "moved back to version 1" in look("roll back")
    assert "found before" in look("roll back")
    assert expected == [2]


@pytest.mark.parametrize("between", ["healthy", "degrade", "too few answers"])
def test_two_looks_that_are_not_in_a_row_move_nobody(look: Look, expected: list[int], between: str) -> None:
    for health in ("roll back", between, "roll back"):
        said = look(health)
    assert "second look decides" in said
    assert expected == []


def test_a_look_at_another_version_is_a_first_one(look: Look, expected: list[int]) -> None:
    look("roll back", version=2)
    assert "second look decides" in look("roll back", version=3)
    assert expected == []


def test_a_champion_that_was_moved_meanwhile_is_left_alone(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved_meanwhile(*_: object, **__: object) -> None:
        raise MovedMeanwhileError("Registering", "another run moved it", "Look again.")

    monkeypatch.setattr("flows.moving.rolled_back", moved_meanwhile)
    look("roll back")
    assert "moved meanwhile, and nothing was done" in look("roll back")
