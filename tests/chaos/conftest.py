"""One fork server for a session's chaos trials, and the trial that nothing happens to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.judge import Undisturbed
from tests.chaos.kill_points import undisturbed
from tests.chaos.processes import Forks
from tests.chaos.use_case import chaos_use_case


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """A process that has loaded everything."""
    with Forks(tmp_path_factory.mktemp("forks")) as running:
        yield running


@pytest.fixture(scope="session")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The use case of all trials."""
    return chaos_use_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="session")
def expected(forks: Forks, use_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What every disturbed trial has to come to."""
    return undisturbed(forks, tmp_path_factory.mktemp("undisturbed"), use_case)
