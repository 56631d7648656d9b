"""The MLflow store of a use case: one experiment, whoever comes first."""

from pathlib import Path

import pytest

from tasks.errors import ResumableError
from tasks.register.store import Store, reachable


def test_a_first_trial_takes_the_experiment_that_another_one_made_meanwhile(home: Path) -> None:
    store, quicker = Store("support"), Store("support")
    look = store._experiment

    def too_early() -> str | None:
        store._experiment = look  # type: ignore[method-assign]
        assert look() is None
        assert quicker.experiment_id
        return None

    store._experiment = too_early  # type: ignore[method-assign]
    assert store.experiment_id == quicker.experiment_id


def test_a_failing_statement_is_told_without_its_parameters(home: Path) -> None:
    with pytest.raises(ResumableError) as stopped, reachable():
        raise OSError("the database is locked [SQL: INSERT INTO t] [parameters: ('a row of text')]")
    assert "the database is locked" in str(stopped.value) and "a row of text" not in str(stopped.value)
