"""The one function that moves the champion: re-read, on record, once, whatever kills it on the way."""

import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from data_contracts.audit import Move
from tasks.errors import ResumableError
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.register.promotion import Request
from tests.fake_clock import FakeClock

ROOT = Path(__file__).parents[2]
FIRST = Request("first", "trial", "policy", "There was no champion.", [None], run="run-1")
PROMOTE = Request("promote", "Ada", "self-declared", "better", [1], run="run-2", sha256="f" * 64)
MOVERS = ("set_registered_model_alias", "delete_registered_model_alias")


def registry_of(use_case: str, versions: int = 3) -> Registry:
    """A registered model with so many versions, none of them champion."""
    registry = Registry(use_case)
    registry.client.create_registered_model(registry.name)
    for _ in range(versions):
        registry.client.create_model_version(registry.name, source=str(Path("/nowhere")))
    return registry


@pytest.fixture
def registry(home: Path) -> Registry:
    return registry_of("small")


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return Ledger(clock=FakeClock())


def tags(registry: Registry, version: int) -> dict[str, str]:
    found = registry.client.get_model_version(registry.name, str(version)).tags
    return {name.removeprefix("tunegate."): value for name, value in found.items()}


def champion(registry: Registry) -> int | None:
    return promotion.aliased(registry, "champion")


def told(moves: list[Move]) -> list[tuple[int, str, int, int | None]]:
    return [(one.number, one.action, one.version, one.former) for one in moves]


def test_a_move_sets_the_alias_and_stands_in_the_ledger_with_who_and_why(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 1, FIRST)
    made = promotion.move(registry, ledger, 2, PROMOTE)
    assert champion(registry) == 2
    assert told(ledger.moves("small")) == [(1, "first", 1, None), (2, "promote", 2, 1)]
    assert (made.by, made.by_kind, made.reason, made.run, made.sha256) == (
        "Ada",
        "self-declared",
        "better",
        "run-2",
        "f" * 64,
    )


def test_both_versions_tell_of_the_move_in_mlflow(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 1, FIRST)
    promotion.move(registry, ledger, 2, PROMOTE)
    assert tags(registry, 1)["replaced_by"] == "2"
    now = tags(registry, 2)
    assert (now["replaced"], now["move"]) == ("1", "2 promote")
    assert (now["moved_by"], now["moved_because"]) == ("Ada (self-declared)", "better")
    assert now["champion_since"].endswith("+00:00")


def test_a_champion_that_comes_back_is_replaced_by_nobody(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 1, FIRST)
    promotion.move(registry, ledger, 2, PROMOTE)
    promotion.move(registry, ledger, 1, replace(PROMOTE, action="rollback", expected=[2]))
    assert "replaced_by" not in tags(registry, 1)
    assert tags(registry, 2)["replaced_by"] == "1"


def test_the_same_move_asked_for_again_adds_nothing(registry: Registry, ledger: Ledger) -> None:
    once = promotion.move(registry, ledger, 1, FIRST)
    assert promotion.move(registry, ledger, 1, FIRST) == once
    assert len(ledger.moves("small")) == 1


def test_an_alias_that_is_not_where_the_caller_found_it_stays(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 3, FIRST)
    with pytest.raises(ResumableError, match="points to version 3, not to 1: another run moved it meanwhile"):
        promotion.move(registry, ledger, 2, PROMOTE)
    assert champion(registry) == 3
    assert len(ledger.moves("small")) == 1


def test_an_alias_that_did_not_stay_is_no_move(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 1, FIRST)
    registry.client = Overruled(registry.client)
    with pytest.raises(ResumableError, match="points to version 3, not to 2"):
        promotion.move(registry, ledger, 2, PROMOTE)
    assert promotion.settle(registry, ledger) is None
    assert told(ledger.moves("small")) == [(1, "first", 1, None)]


def test_what_somebody_moved_in_mlflow_is_taken_into_the_history(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 1, FIRST)
    registry.client.set_registered_model_alias(registry.name, "champion", "2")
    promotion.move(registry, ledger, 2, replace(PROMOTE, expected=[2]))
    assert told(ledger.moves("small"))[1:] == [(2, "promote", 2, 1)]


def test_a_former_champion_that_was_deleted_in_mlflow_hinders_nothing(registry: Registry, ledger: Ledger) -> None:
    promotion.move(registry, ledger, 1, FIRST)
    registry.client.set_registered_model_alias(registry.name, "champion", "2")
    registry.client.delete_model_version(registry.name, "1")
    assert promotion.move(registry, ledger, 2, replace(PROMOTE, expected=[2])).former == 1


# ---------------------------------------------------------------- killed on the way


def test_killed_before_any_of_its_writes_the_next_move_finishes_it_once_or_not_at_all(home: Path) -> None:
    ledger = Ledger()
    for point in count():
        registry = registry_of(f"killed-{point}", versions=2)
        promotion.move(registry, ledger, 1, FIRST)
        if not killed_before_write(point, registry.store.use_case):
            break
        settled, now = promotion.settle(registry, ledger), champion(registry)
        moves = ledger.moves(registry.store.use_case)
        assert told(moves)[1:] == ([(2, "promote", 2, 1)] if now == 2 else []), f"killed before write {point}"
        assert settled == (moves[-1] if now == 2 else None)
        promotion.move(registry, ledger, 2, PROMOTE)
        assert told(ledger.moves(registry.store.use_case)) == [(1, "first", 1, None), (2, "promote", 2, 1)]
        assert (tags(registry, 1)["replaced_by"], tags(registry, 2)["moved_by"]) == ("2", "Ada (self-declared)")
    assert point > 8, "the note, the alias, the ledger, the tags, and the note again"


def killed_before_write(point: int, use_case: str) -> bool:
    """A process that dies when it is about to write for the n-th time; whether it came to that."""
    registry, left = Registry(use_case), Countdown(point)
    registry.client = Dying(registry.client, left, MOVERS[0], "set_model_version_tag")
    ledger: Any = Dying(Ledger(), left, "see", "record_move")
    try:
        promotion.move(registry, ledger, 2, PROMOTE)
    except KeyboardInterrupt:
        return True
    return False


class Countdown:
    """Writes that are still to come before the kill."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


class Dying:
    """Something whose writes are counted, in a process that is about to be killed."""

    def __init__(self, inner: Any, left: Countdown, *writes: str) -> None:
        self.inner, self.left, self.writes = inner, left, writes

    def __getattr__(self, name: str) -> Any:
        if name in self.writes:
            self.left()
        return getattr(self.inner, name)


class Overruled:
    """MLflow's client in a race that it loses: somebody else writes the alias just after."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def set_registered_model_alias(self, model: str, alias: str, _version: str) -> None:
        self.inner.set_registered_model_alias(model, alias, "3")


# ---------------------------------------------------------------- nobody else


def test_nobody_else_moves_an_alias() -> None:
    assert others(ROOT) == []


def test_the_check_finds_who_does(tmp_path: Path) -> None:
    for name in ("tasks/steps/a.py", "flows/b.py", "tasks/register/promotion.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("client.set_registered_model_alias(model, 'champion', '1')\n")
    assert others(tmp_path) == ["flows/b.py", "tasks/steps/a.py"]


def others(root: Path) -> list[str]:
    """Files but one that set or delete the alias of a registered model."""
    files = [path for top in ("flows", "tasks", "deployments") for path in (root / top).rglob("*.py")]
    found = [path.relative_to(root).as_posix() for path in files if re.search("|".join(MOVERS), path.read_text())]
    return sorted(set(found) - {"tasks/register/promotion.py"})
