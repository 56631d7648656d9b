"""The MLflow store of a use case: one experiment, whoever comes first."""

import threading
from pathlib import Path

import pytest

from tasks.errors import ResumableError
from tasks.register.store import Store, reachable


def test_first_trials_at_once_share_one_experiment(home: Path) -> None:
    stores = [Store("support") for _ in range(4)]
    together, found = threading.Barrier(4), []

    def first(store: Store) -> None:
        look = store._experiment

        def look_then_wait() -> str | None:
            known = look()
            store._experiment = look  # type: ignore[method-assign]
            together.wait(20)
            return known

        store._experiment = look_then_wait  # type: ignore[method-assign]
        found.append(store.experiment_id)

    threads = [threading.Thread(target=first, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4 and len(set(found)) == 1


def test_a_failing_statement_is_told_without_its_parameters(home: Path) -> None:
    with pytest.raises(ResumableError) as stopped, reachable():
        raise OSError("the database is locked [SQL: INSERT INTO t] [parameters: ('a row of text')]")
    assert "the database is locked" in str(stopped.value) and "a row of text" not in str(stopped.value)
